"""Runs on images: their figures, their grids in the report and in TensorBoard."""

import json
import shutil

import numpy
import pytest

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def test_figures_name_their_features(image_run):
    figures = json.loads((image_run.folder / "run/evaluation.json").read_text())
    assert figures["points"] == 40
    assert {"offline_frechet", "offline_frechet_floor", "offline_frechet_identity",
            "offline_kernel", "offline_perceptual", "l2", "energy_distance"} <= set(figures)
    assert not {"fid", "kid", "lpips"} & set(figures)
    # The start is the affine map, which is what these measures need.
    assert figures["offline_frechet"] < figures["offline_frechet_identity"]
    assert "offline features (Fashion-MNIST classifier)" in image_run.works("evaluate", "run")


def test_an_evaluation_can_be_told_other_options(image_run):
    shutil.copytree(image_run.folder / "run", image_run.folder / "other")
    figures = json.loads(image_run.works("evaluate", "other", "--json", "--set",
                                         "evaluate.points=20"))
    assert figures["points"] == 20
    random = numpy.random.default_rng(0).normal(size=(300, 128))
    numpy.savez(image_run.folder / "statistics.npz", mu=random.mean(0), sigma=numpy.cov(random.T))
    figures = json.loads(image_run.works("evaluate", "other", "--json", "--statistics",
                                         "statistics.npz"))
    assert figures["offline_frechet_statistics"] > figures["offline_frechet"]


def test_the_report_shows_grids(image_run):
    image_run.works("report", "run")
    page = (image_run.folder / "run/report.html").read_text()
    assert "held-out x, below each T(x)" in page and "held-out images of the target" in page
    assert page.count('" src="data:image/png;base64,') == 2  # not Plotly's own


def test_events_have_grids_at_their_own_interval(image_run):
    events = event_accumulator.EventAccumulator(str(image_run.folder / "run/events"),
                                                size_guidance={"images": 0}).Reload()
    images = events.Images("samples")
    assert [image.step for image in images] == [2, 4]
    assert (images[0].height, images[0].width) == (2 * 66 + 2, 8 * 66 + 2)
    assert images[0].encoded_image_string.startswith(b"\x89PNG")
