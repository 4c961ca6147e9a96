"""Densities by change of variables from the command line."""

import json

import numpy
import pytest

from command_line import TINY

GAUSSIANS = ["source.name=gaussian", "source.dimension=2", "target.name=gaussian",
             "target.dimension=2", "target.mean=[1.0,2.0]", "target.covariance=[2.0,0.6,0.6,0.5]",
             "train.max_steps=30"]


def settings(*chosen):
    return [part for setting in chosen for part in ("--set", setting)]


@pytest.fixture
def pushed(monge):
    monge.works("fit", *TINY, *settings(*GAUSSIANS), "--out", "run")
    return monge


def applied(monge, *more, source="a.npy", run="run"):
    monge.works("apply", run, "--in", source, "--out", "moved.npy", "--force", *more)
    return numpy.load(monge.folder / "moved.npy")


def normal(x, mean, covariance):
    centred = x - mean
    return (-0.5 * (centred @ numpy.linalg.inv(covariance) * centred).sum(1)
            - 0.5 * numpy.linalg.slogdet(2 * numpy.pi * numpy.asarray(covariance))[1])


def test_log_det_is_that_of_the_jacobian(pushed):
    x, step = numpy.load(pushed.folder / "a.npy"), 0.02
    found = applied(pushed, "--log-det")
    assert found.shape == (len(x), 1)
    columns = []
    for along in step * numpy.eye(2):
        ends = [applied(pushed, source=pushed.save("near.npy", (x + sign * along).astype("f4")))
                for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * step))
    expected = numpy.linalg.slogdet(numpy.stack(columns, 2).astype("f8"))[1]
    assert abs(numpy.median(found[:, 0] - expected)) < 2e-3
    # The Hessian jumps at a unit's bend, which a difference quotient smooths.
    assert numpy.quantile(abs(found[:, 0] - expected), 0.95) < 0.02
    assert abs(found[:, 0] - expected).max() < 0.3
    # Of the inverse, at the points that the map gives.
    pushed.save("y.npy", applied(pushed))
    numpy.testing.assert_allclose(applied(pushed, "--inverse", "--log-det", source="y.npy"), -found,
                                  atol=0.02)


def test_log_density_is_that_of_the_moved_measure(pushed):
    x = numpy.load(pushed.folder / "a.npy").astype("f8")
    expected = normal(x, 0, numpy.eye(2)) - applied(pushed, "--log-det")[:, 0]
    pushed.save("y.npy", applied(pushed))
    numpy.testing.assert_allclose(applied(pushed, "--log-density", source="y.npy")[:, 0], expected,
                                  atol=0.02)
    # A fit of Gaussians by thirty steps from the right map: the target's density nearly.
    y = numpy.load(pushed.folder / "y.npy")
    target = normal(y, [1, 2], [[2, 0.6], [0.6, 0.5]])
    assert abs(expected - target).mean() < 0.2
    back = applied(pushed, "--inverse", "--log-density")[:, 0]
    assert abs(back - normal(x, 0, numpy.eye(2))).mean() < 0.2


def test_divergence_and_picture(pushed):
    figures = json.loads((pushed.folder / "run" / "evaluation.json").read_text())
    assert abs(figures["kl_pushed"]) < 0.05 + 4 * figures["kl_pushed_error"]
    assert figures["kl_pushed_error"] < 0.1
    assert "learned density" in (pushed.folder / "run" / "report.html").read_text()


def test_no_divergence_of_arrays(fitted):
    figures = json.loads((fitted.folder / "run" / "evaluation.json").read_text())
    assert "kl_pushed" not in figures
    assert "learned density" not in (fitted.folder / "run" / "report.html").read_text()


def test_estimates_have_a_second_column(monge):
    large = settings("source.name=gaussian", "source.dimension=260", "target.name=gaussian",
                     "target.dimension=260", "target.std=2.0", "train.max_steps=2")
    monge.works("fit", *TINY, *large, "--out", "run")
    monge.save("x.npy", numpy.random.default_rng(1).normal(size=(20, 260)))
    found = applied(monge, "--log-det", source="x.npy")
    assert found.shape == (20, 2) and (found[:, 1] > 0).all()
    assert abs(found[:, 0].mean() / (260 * numpy.log(2)) - 1) < 0.05


def test_recipe(monge):
    """A density of points: it integrates to one."""
    monge.works("fit", "--recipe", "density", "--target", "b.npy", "--out", "run", *TINY,
                *settings("train.max_steps=20"))
    line = numpy.linspace(-12, 14, 105)
    monge.save("grid.npy", numpy.stack(numpy.meshgrid(line, line), -1).reshape(-1, 2))
    found = applied(monge, "--log-density", source="grid.npy").astype("f8")
    assert abs(numpy.exp(found).sum() * (line[1] - line[0])**2 - 1) < 0.03
    monge.works("fit", "--recipe", "density", "--out", "ring", *TINY, *settings("train.max_steps=2"))
    assert "kl_pushed" in json.loads((monge.folder / "ring" / "evaluation.json").read_text())


@pytest.mark.parametrize("options, words", [
    (["--log-density"], "gaussian_mixture"), (["--log-density", "--inverse"], "expected a target"),
    (["--log-det", "--log-density"], "got both"), (["--log-det", "--time", "0.5"], "--time"),
    (["--log-density", "--time", "0"], "--time")])
def test_what_does_not_go_together(fitted, options, words):
    assert words in fitted.refuses("apply", "run", "--in", "a.npy", "--out", "c.npy", *options)


def test_a_density_needs_a_run_and_points(pushed):
    command = ["apply", "run/map.safetensors", "--in", "a.npy", "--out", "c.npy"]
    assert "a run directory" in pushed.refuses(*command, "--log-density")
    pushed.works(*command, "--log-det")
    assert "expected an array" in pushed.refuses("apply", "run", "--in", "a.png", "--out", "c.npy",
                                                 "--log-det")
    assert "dimension 2" in pushed.refuses("apply", "run", "--in", pushed.save(
        "wide.npy", numpy.ones((3, 3))), "--out", "d.npy", "--log-det")


def test_a_map_without_a_determinant(monge):
    monge.works("fit", "--source", "a.npy", "--target", "b.npy", "--out", "run", *settings(
        "solver.name=light_sb", "solver.components=2", "train.max_steps=2", "evaluate.points=50"))
    refused = monge.refuses("apply", "run", "--in", "a.npy", "--out", "c.npy", "--log-det")
    assert "gradient of a convex potential" in refused
