"""Training from Python: the interpreter's lock, Ctrl-C, callbacks, progress and warnings."""

import _thread
import contextlib
import io
import logging
import threading
import time

import numpy
import pytest

import monge
from conftest import TINY


def test_other_threads_run_while_it_trains(clouds):
    seen = []

    def count():
        while training.is_alive():
            seen.append(time.monotonic())
            time.sleep(0.001)

    options = {**TINY, "max_steps": 1000}
    training = threading.Thread(target=monge.OptimalTransport(**options).fit, args=clouds)
    training.start()
    count()
    assert len(seen) > 50


def test_interrupt_keeps_the_best_map_and_is_raised(clouds):
    evaluations = []

    def interrupt(evaluation):
        evaluations.append(evaluation)
        if len(evaluations) == 3:
            _thread.interrupt_main()

    ot = monge.OptimalTransport(hidden=[16], max_steps=10**7, evaluate_every=20, progress=False,
                                on_evaluation=interrupt)
    with pytest.raises(KeyboardInterrupt, match="interrupted at step"):
        ot.fit(*clouds)
    assert ot.outcome_.reason == "interrupted" and ot.outcome_.steps < 10**6
    assert ot.outcome_.quality <= min(entry["quality"] for entry in ot.history_)
    assert ot.transform(clouds[0]).shape == (600, 2)


class StopAt:
    def __init__(self, step):
        self.step, self.losses = step, []

    def on_step(self, step):
        self.losses.append(step.loss)
        return step.step == self.step


def test_a_callback_sees_every_step_and_ends_training(clouds):
    stop = StopAt(37)
    solver = monge.Solver("w2gn", hidden=[16], max_steps=500)
    outcome = monge.train(solver, *clouds, callbacks=[stop], progress=False)
    assert (outcome.reason, outcome.steps, len(stop.losses)) == ("stopped", 37, 37)
    assert numpy.isfinite(stop.losses).all()


def test_evaluations_report_the_course(clouds):
    seen = []
    ot = monge.OptimalTransport(evaluate_every=25, on_evaluation=seen.append, **TINY).fit(*clouds)
    assert [one.step for one in seen] == [0, 25, 50, 75, 100]
    assert [one.quality for one in seen] == [one["quality"] for one in ot.history_]
    assert seen[-1].best_quality == min(one.quality for one in seen)
    assert seen[0].improved and set(seen[0].figures) >= {"energy distance"}
    assert seen[-1].solution.map.dimension == 2


def test_what_a_callback_raises_is_raised_and_nothing_changes(clouds, fitted):
    def fail(evaluation):
        raise LookupError(f"at {evaluation.step}")

    ot = monge.OptimalTransport(on_evaluation=fail, **TINY)
    with pytest.raises(LookupError, match="^at 0$"):
        ot.fit(*clouds)
    assert not hasattr(ot, "solution_")


def test_progress_only_where_it_is_wanted(clouds, capfd):
    monge.OptimalTransport(**TINY).fit(*clouds)
    monge.OptimalTransport(**{**TINY, "progress": "auto"}).fit(*clouds)  # no terminal here
    assert capfd.readouterr() == ("", "")
    monge.OptimalTransport(**{**TINY, "progress": True}).fit(*clouds)
    out, err = capfd.readouterr()
    assert out == "" and "100/100" in err and "quality" in err


def test_going_wrong_is_a_warning(clouds, capfd):
    options = {**TINY, "max_steps": 400, "learning_rate": 1.0, "collapse_factor": 1.01,
               "evaluate_every": 5}
    with pytest.warns(RuntimeWarning, match="back to the best state"):
        monge.OptimalTransport(max_rollbacks=5, **options).fit(*clouds)
    with pytest.warns(RuntimeWarning, match="training went wrong more than 0 times"):
        ot = monge.OptimalTransport(max_rollbacks=0, **options).fit(*clouds)
    assert ot.outcome_.reason == "diverged"
    assert capfd.readouterr() == ("", "")
