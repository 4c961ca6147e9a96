"""The light Schrödinger bridge from the command line: its plans, times, recipes, checkpoints."""

import json
import pathlib

import numpy
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def arguments(*more, steps=40, out="run"):
    chosen = ["solver.name=light_sb", "solver.components=5", "solver.batch=32",
              "evaluate.points=50", f"train.max_steps={steps}", "train.evaluate_every=10",
              "train.checkpoint_seconds=0", *more]
    return ["fit", "--source", "a.npy", "--target", "b.npy", "--out", out,
            *(part for setting in chosen for part in ("--set", setting))]


def applied(monge, run, *more, source="a.npy"):
    monge.works("apply", run, "--in", source, "--out", "moved.npy", "--force", *more)
    return numpy.load(monge.folder / "moved.npy")


def test_a_plan_is_applied_at_every_time(monge):
    monge.works(*arguments("solver.epsilon=0.5"))
    assert json.loads((monge.folder / "run" / "evaluation.json").read_text())["solver"] == "light_sb"
    x = numpy.load(monge.folder / "a.npy")
    moved = applied(monge, "run")
    assert moved.shape == x.shape and numpy.isfinite(moved).all()
    assert (applied(monge, "run") == moved).all()
    assert (applied(monge, "run", "--time", "1") == moved).all()
    assert (applied(monge, "run", "--time", "0") == x).all()
    # A Brownian bridge between x and where it goes.
    noise = applied(monge, "run", "--time", "0.25") - (0.75 * x + 0.25 * moved)
    assert abs(noise.mean()) < 0.07  # 5 standard errors of 600 numbers
    assert abs(noise.std() / numpy.sqrt(0.5 * 0.25 * 0.75) - 1) < 0.15
    assert "no inverse" in monge.refuses("apply", "run", "--inverse", "--in", "a.npy", "--out",
                                         "back.npy")
    monge.works("fit", "run/config.toml", "--out", "copy")
    assert monge.map_bytes("copy") == monge.map_bytes()


def test_a_barycentric_map_goes_straight(monge):
    monge.works(*arguments("solver.map=barycentric", "solver.frame=affine"))
    x, moved = numpy.load(monge.folder / "a.npy"), applied(monge, "run")
    numpy.testing.assert_allclose(applied(monge, "run", "--time", "0.25"), 0.75 * x + 0.25 * moved,
                                  atol=1e-5)


def test_other_maps_go_straight(fitted):
    x, moved = numpy.load(fitted.folder / "a.npy"), applied(fitted, "run")
    numpy.testing.assert_allclose(applied(fitted, "run", "--time", "0.5"), (x + moved) / 2,
                                  atol=1e-5)
    back = applied(fitted, "run", "--inverse", source="b.npy")
    half = applied(fitted, "run", "--inverse", "--time", "0.5", source="b.npy")
    y = numpy.load(fitted.folder / "b.npy")
    numpy.testing.assert_allclose(half, (y + back) / 2, atol=1e-5)


@pytest.mark.parametrize("time, words", [("1.5", "0 to 1"), ("-0.1", "0 to 1"), ("nan", "0 to 1"),
                                         ("noon", "--time")])
def test_a_time_that_cannot_be(fitted, time, words):
    assert words in fitted.refuses("apply", "run", "--in", "a.npy", "--out", "new.npy",
                                   f"--time={time}")


@pytest.mark.parametrize("setting, words", [
    ("solver.epsilon=-1", "at least 0"), ("solver.components=0", "components"),
    ("solver.start=random", "clusters | samples"), ("solver.component=3", "'components'"),
    ("network.hidden=[8,8]", "no network"), ("network.name=mlp", "no network"),
    ("cost.name=weak_quadratic", "quadratic")])
def test_bad_setting(monge, setting, words):
    assert words in monge.refuses(*arguments(setting))


def test_a_stopped_run_reaches_the_same_numbers(monge):
    monge.works(*arguments(steps=300, out="whole"))
    process = monge.start(*arguments(steps=300))
    monge.wait_for_lines(process, 3)
    process.kill()
    process.communicate()
    monge.works("fit", "--resume", "--out", "run")
    assert monge.lines() == monge.lines("whole")
    assert monge.tensors() == monge.tensors("whole")


@pytest.mark.parametrize("recipe, day", [("cells-2-4", 2), ("cells-3-7", 3)])
def test_the_recipes_of_cells(monge, recipe, day):
    cells = ROOT / "data" / "single-cell" / f"day{day}.npy"
    run = monge.folder / "run"
    monge.works("fit", "--recipe", recipe, "--out", run, "--set", "train.max_steps=5",
                "--set", "solver.components=5", "--set", "evaluate.points=100", cwd=ROOT)
    moved = applied(monge, "run", "--time", "0.5", source=cells)
    assert moved.shape == numpy.load(cells).shape and numpy.isfinite(moved).all()
    # A recipe's files are looked for where the program stands.
    assert "data/single-cell" in monge.refuses("fit", "--recipe", recipe, "--out", "new")
