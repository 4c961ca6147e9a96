"""What watches a training run: the progress bar, the history and the user's callbacks."""

import dataclasses
import sys
import warnings
from collections.abc import Iterable

from tqdm import std


def in_notebook():
    """Whether a notebook's kernel runs this code."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def wants_bar(progress):
    """Whether a bar is drawn: asked for, or "auto" in a terminal or notebook."""
    if progress not in (True, False, "auto"):
        raise ValueError(f'progress: expected True, False or "auto", got {progress!r}')
    return progress is True or (progress == "auto" and (in_notebook() or sys.stderr.isatty()))


def bar_kind():
    """The bar of notebooks there, the plain one elsewhere and where widgets are missing."""
    if not in_notebook():
        return std.tqdm
    with warnings.catch_warnings(action="ignore"):  # of missing widgets
        from tqdm import auto
    return auto.tqdm


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    reason: str  #: "budget", "stopped" by a callback, "interrupted" by Ctrl-C, or "diverged"
    message: str  #: one sentence: why it ended and what was kept
    steps: int
    kept_step: int  #: the step whose parameters were kept
    seconds: float
    quality: float  #: of what was kept; lower is better


METHODS = ("on_step", "on_evaluation", "on_rollback")


def checked(callbacks):
    """A list of them; TypeError on what is none, or has no method that is ever called."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks: expected a list of objects, got {type(callbacks).__name__}")
    callbacks = list(callbacks)
    for one in callbacks:
        methods = [getattr(one, name) for name in METHODS if hasattr(one, name)]
        if not methods or not all(map(callable, methods)):
            raise TypeError(f"callbacks: expected objects with {', '.join(METHODS[:-1])} or "
                            f"{METHODS[-1]}, got {type(one).__name__}")
    return callbacks


class Watcher:
    """Keeps the history, draws the bar and asks the callbacks; what they answer ends training."""

    def __init__(self, name, progress, callbacks=()):
        self.callbacks = callbacks
        self.every_step = any(hasattr(one, "on_step") for one in callbacks)
        self.history = []
        self.bar = bar_kind()(desc=name, unit="step") if wants_bar(progress) else None

    def _ask(self, method, seen):
        answers = [getattr(one, method)(seen) for one in self.callbacks if hasattr(one, method)]
        return any(answers)

    def on_step(self, step):
        if self.bar is not None:
            self.bar.total = step.max_steps or round(step.step / max(step.progress, 1e-6))
            self.bar.update(step.step - self.bar.n)
        return self._ask("on_step", step)

    def on_evaluation(self, evaluation):
        self.history.append({"step": evaluation.step, "seconds": evaluation.seconds,
                             "loss": evaluation.loss, "quality": evaluation.quality,
                             **evaluation.figures})
        if self.bar is not None:
            self.bar.set_postfix_str(f"quality {evaluation.quality:.4g} "
                                     f"(best {evaluation.best_quality:.4g})")
        return self._ask("on_evaluation", evaluation)

    def on_rollback(self, why):
        warnings.warn(why, RuntimeWarning, stacklevel=5)
        return self._ask("on_rollback", why)

    def close(self, outcome):
        if self.bar is not None:
            self.bar.update(outcome.steps - self.bar.n if outcome else 0)
            self.bar.close()


def _watched(training, watcher, *arguments):
    """Trains what can be; its outcome. Ctrl-C is left to the caller."""
    outcome = None
    try:
        outcome = Outcome(**training.train(watcher, *arguments))
    finally:
        watcher.close(outcome)
    return outcome


def run(experiment, name, progress, callbacks=(), folder=None):
    """Trains an experiment; its outcome and history. Ctrl-C is left to the caller."""
    watcher = Watcher(name, progress, callbacks)
    outcome = _watched(experiment, watcher, folder)
    if outcome.reason == "diverged":
        warnings.warn(outcome.message, RuntimeWarning, stacklevel=3)
    return outcome, watcher.history


def autoencoder_trainer(progress, history):
    """A function that trains the autoencoder of a latent space and adds to its history. There is no
    map before that, so that Ctrl-C is raised."""
    def train(training):
        watcher = Watcher(training.name, progress)
        outcome = _watched(training, watcher)
        history.extend(watcher.history)
        finish(outcome)
    return train


def finish(outcome):
    """Raises the KeyboardInterrupt that ended a run, once its result is in place."""
    if outcome.reason == "interrupted":
        raise KeyboardInterrupt(outcome.message)
