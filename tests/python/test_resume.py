"""A run that is stopped in any way reaches the same numbers as one that is not."""

import random
import signal
import time

import pytest

from command_line import TINY, fit_arguments

STEPS = 300
ALWAYS = ["--set", "train.checkpoint_seconds=0", "--set", "train.evaluate_every=10"]


@pytest.fixture(scope="module")
def whole(binary, tmp_path_factory):
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("whole"))
    program.fits(*ALWAYS, steps=STEPS)
    return program


def assert_same(monge, whole):
    assert monge.lines() == whole.lines()
    assert monge.tensors() == whole.tensors()
    assert monge.map_bytes() == whole.map_bytes()
    assert not list((monge.folder / "run").glob(".*"))


def test_interrupt_and_resume(monge, whole):
    process = monge.start(*fit_arguments(*ALWAYS, steps=STEPS, out="./run"))
    monge.wait_for_lines(process, 5)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and stdout == ""
    assert stderr.count("\n") == 1 and "monge fit --resume --out ./run" in stderr
    assert len(monge.lines()) < len(whole.lines())
    elsewhere = monge.folder / "elsewhere"
    elsewhere.mkdir()
    monge.works("fit", "--resume", "--out", "../run", cwd=elsewhere)
    assert_same(monge, whole)


def test_kills_and_resumes(monge, whole):
    draw = random.Random(5)
    arguments = fit_arguments(*ALWAYS, steps=STEPS)
    for number in range(6):
        process = monge.start(*arguments)
        monge.wait_for_lines(process, 2 + 4 * number)
        time.sleep(draw.uniform(0, 0.05))
        process.kill()
        process.communicate()
        arguments = ["fit", "--resume", "--out", "run"]
    monge.works(*arguments)
    assert_same(monge, whole)
    # A finished run that is resumed ends as it did.
    monge.works(*arguments)
    assert_same(monge, whole)


def test_a_kill_at_the_start_leaves_no_riddle(monge):
    for delay in (0, 0.02, 0.05, 0.1, 0.2):
        process = monge.start(*fit_arguments(steps=2000))
        time.sleep(delay)
        process.kill()
        process.communicate()
        if (monge.folder / "run" / "checkpoint.safetensors").exists():
            monge.works("fit", "--resume", "--out", "run", "--set", "train.max_steps=1")
        elif (monge.folder / "run").exists():
            monge.refuses("fit", "--resume", "--out", "run")
        monge.fits("--force", steps=1)
        for path in sorted((monge.folder / "run").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_seeds_and_the_written_config(monge, whole):
    for out, seed in [("one", 5), ("two", 5), ("three", 6)]:
        monge.fits("--set", f"seed={seed}", out=out)
    assert monge.map_bytes("one") == monge.map_bytes("two") != monge.map_bytes("three")
    monge.works("fit", "one/config.toml", "--out", "again")
    assert monge.map_bytes("again") == monge.map_bytes("one")
    assert ((monge.folder / "again" / "config.toml").read_text()
            == (monge.folder / "one" / "config.toml").read_text())


def test_a_finished_run_is_extended(monge):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monge.fits(steps=40)
    out = monge.works("fit", "--resume", "--out", "run", "--set", "train.max_steps=80")
    assert out.startswith("finished after 80 steps")
    assert [line["step"] for line in monge.lines()] == list(range(81))
    events = accumulator.EventAccumulator(str(monge.folder / "run" / "events"),
                                          size_guidance={"scalars": 0}).Reload()
    assert {"quality", "loss"} <= set(events.Tags()["scalars"])
    assert [point.step for point in events.Scalars("quality")] == list(range(81))
    refused = monge.refuses("fit", "--resume", "--out", "run", "--set", "solver.batch=8")
    assert "[train]" in refused


def test_the_clock_bounds_a_run(monge):
    begin = time.monotonic()
    monge.works("fit", "--source", "a.npy", "--target", "b.npy", "--out", "run", *TINY,
                "--set", "train.max_seconds=1")
    assert time.monotonic() - begin < 60
    assert 1 <= monge.lines()[-1]["step"]
