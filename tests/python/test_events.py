"""TensorBoard's own reader reads the event files."""

import math
import subprocess
import time

import pytest

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")


@pytest.fixture(scope="module")
def folder(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("events")
    subprocess.run([sample("event"), str(path)], check=True)
    return path


def test_accumulator_finds_every_scalar(folder):
    events = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    assert sorted(events.Tags()["scalars"]) == [
        "far/diverged", "far/step", "loss", "quality/energy distance"]
    loss = events.Scalars("loss")
    assert [point.step for point in loss] == list(range(1, 101))
    for point in loss:
        assert math.isclose(point.value, 1 / point.step, rel_tol=2**-23)
    quality = events.Scalars("quality/energy distance")
    assert [(point.step, point.value) for point in quality] == [
        (step, 0.5**step) for step in range(10, 101, 10)]
    (far,) = events.Scalars("far/step")
    assert (far.step, far.value) == (5_000_000_000, -2.5)
    assert math.isnan(events.Scalars("far/diverged")[0].value)


def test_accumulator_finds_the_image(folder):
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    (image,) = events.Images("samples")
    assert (image.step, image.height, image.width) == (7, 1, 1)
    assert image.encoded_image_string.startswith(b"\x89PNG")


def test_raw_events_have_version_and_time(folder):
    (path,) = folder.iterdir()
    events = list(loader.RawEventFileLoader(str(path)).Load())
    assert len(events) == 1 + 100 + 10 + 2 + 1
    decoded = list(loader.EventFileLoader(str(path)).Load())
    assert decoded[0].file_version == "brain.Event:2"
    assert all(0 <= time.time() - event.wall_time < 600 for event in decoded)


def test_a_damaged_record_is_noticed(folder, tmp_path):
    """The checksums are what the reader expects: a flipped bit ends the reading."""
    (path,) = folder.iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    copy = tmp_path / path.name
    copy.write_bytes(damaged)
    try:
        count = len(list(loader.RawEventFileLoader(str(copy)).Load()))
    except Exception as error:  # which type depends on the reader behind
        assert "crc" in str(error).lower() or "corrupt" in str(error).lower()
    else:
        assert count < 114
