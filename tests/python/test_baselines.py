"""The published baselines from the command line: regularised dual and adversarial."""

import json

import numpy
import pytest

SOLVERS = {
    "l2": ["solver.name=regularized_dual"],
    "entropy": ["solver.name=regularized_dual", "solver.regularizer=entropy",
                "solver.inverse=false"],
    "w1": ["solver.name=adversarial", "solver.divergence=w1"],
    "w2": ["solver.name=adversarial", "solver.divergence=w2"],
}


def arguments(name, steps, out="run", more=()):
    chosen = [*SOLVERS[name], "solver.batch=16", "network.hidden=[8,8]", "evaluate.points=50",
              f"train.max_steps={steps}", "train.evaluate_every=10", "train.checkpoint_seconds=0",
              *more]
    return ["fit", "--source", "a.npy", "--target", "b.npy", "--out", out,
            *(part for setting in chosen for part in ("--set", setting))]


@pytest.mark.parametrize("name", SOLVERS)
def test_a_map_is_applied_and_a_stopped_run_reaches_the_same_numbers(monge, name):
    monge.works(*arguments(name, 60, "whole"))
    figures = json.loads((monge.folder / "whole" / "evaluation.json").read_text())
    assert f"solver.name={figures['solver']}" == SOLVERS[name][0]
    monge.works("apply", "whole", "--in", "a.npy", "--out", "moved.npy")
    moved = numpy.load(monge.folder / "moved.npy")
    assert moved.shape == (300, 2) and numpy.isfinite(moved).all()
    inverse = ["apply", "whole", "--in", "b.npy", "--out", "back.npy", "--inverse"]
    if name == "l2":
        monge.works(*inverse)
    else:
        assert "no inverse" in monge.refuses(*inverse)
    process = monge.start(*arguments(name, 60))
    monge.wait_for_lines(process, 3)
    process.kill()
    process.communicate()
    monge.works("fit", "--resume", "--out", "run")
    assert monge.lines() == monge.lines("whole")
    assert monge.tensors() == monge.tensors("whole")


@pytest.mark.parametrize("name, setting, words", [
    ("l2", "cost.name=weak_quadratic", "quadratic for the solver 'regularized_dual'"),
    ("w1", "cost.name=weak_quadratic", "quadratic for the solver 'adversarial'"),
    ("l2", "network.name=dense_icnn", "mlp for the solver 'regularized_dual'"),
    ("w2", "network.name=dense_icnn", "mlp for the solver 'adversarial'"),
    ("l2", "solver.regularizer=l3", "entropy | l2"), ("w2", "solver.divergence=w3", "w1 | w2"),
    ("w2", "solver.penaltie=1", "'penalty'")])
def test_parts_that_do_not_fit(fitted, name, setting, words):
    assert words in fitted.refuses(*arguments(name, 10, "new", [setting]))
