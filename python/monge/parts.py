"""Measures, solvers and the training loop as parts of their own."""

import math

import numpy as np
import torch

from monge import _core, _modules, _options, _watch
from monge._points import flat_images, from_torch, require_finite, tensor_of, unwrap


def _rows(points, name):
    """Points of any kind as a float32 tensor [n, d] that shares their memory where it can."""
    if isinstance(points, torch.Tensor):
        return from_torch(points.detach(), name, None).float()
    array = np.asarray(points)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected points [n, d], got {list(array.shape)}")
    tensor = tensor_of(np.ascontiguousarray(array, dtype=np.float32))
    require_finite(tensor, name)
    return tensor


class _Stream:
    """draw(n, seed) from batches of an iterable, begun again where it ends."""

    def __init__(self, batches):
        self.batches, self.iterator = batches, iter(batches)
        self.left = self._next()

    def _next(self):
        batch = next(self.iterator, None)
        if batch is None:
            self.iterator = iter(self.batches)
            batch = next(self.iterator, None)
        if batch is None:
            raise ValueError("measure: expected an iterable of batches that does not end, "
                             "or one that can be begun again, got its end")
        return _rows(batch[0] if isinstance(batch, (tuple, list)) else batch, "measure")

    def __call__(self, n, seed):
        parts, missing = [], n
        while missing > 0:
            if len(self.left) == 0:
                self.left = self._next()
            part, self.left = self.left[:missing], self.left[missing:]
            parts.append(part)
            missing -= len(part)
        return torch.cat(parts) if parts else self.left[:0]


def measure(what, name="measure", **options):
    """The measure of what is given.

    Parameters
    ----------
    what : str, array, callable, iterable or Measure
        A name that ``monge list`` shows, with its ``options``; points [n, d] as an array, tensor
        or AnnData; images [n, c, h, w] as an array or tensor of bytes or floats in [-1, 1]; a
        function ``draw(n, seed)`` of points [n, d]; or an iterable of batches
        [k, d], such as a torch DataLoader (of tuples the first entry counts), which is read as it
        comes and begun again where it ends: its order is then not Monge's to repeat.
    name : str
        How error messages call it.

    Returns
    -------
    Measure

    Raises
    ------
    ValueError
        On an unknown name or option (naming the nearest), points of another shape or not finite.

    Examples
    --------
    >>> import monge
    >>> monge.measure("gaussian_ring", count=5).sample(3).shape
    torch.Size([3, 2])
    """
    if isinstance(what, str):
        return _core.make_measure(what, _options.table(name, options), name)
    if options:
        raise ValueError(f"{name}: expected options with a measure's name only, "
                         f"got {', '.join(options)}")
    if isinstance(what, _core.Measure):
        return what
    what = unwrap(what)
    if isinstance(what, torch.Tensor) or hasattr(what, "__array__") or isinstance(what, list):
        rows, shape = flat_images(what)
        return _core.ArrayMeasure(_rows(rows, name), shape or ())
    if callable(what):
        return _core.CallableMeasure(lambda n, seed: _rows(what(n, seed), name),
                                     _rows(what(2, 0), name).shape[1])
    if hasattr(what, "__iter__"):
        stream = _Stream(what)
        return _core.CallableMeasure(stream, stream.left.shape[1])
    raise TypeError(f"{name}: expected points, a measure, its name, a function or an iterable, "
                    f"got {type(what).__name__}")


class Solver:
    """A solver by name with its options, for :func:`train`.

    Parameters
    ----------
    name : str, optional
        A solver that ``monge list`` shows; by default the recipe's, or ``dual``.
    recipe : str, optional
        A recipe that ``monge list`` shows, whose options hold where none are given here; its
        measures do not count.
    network : str or torch.nn.Module, optional
        For the potential: of those that the solver takes, by default the first. A module of
        ``saddle_point``'s maps [n, d] to [n] or [n, 1].
    cost : str, optional
        Of those that the solver takes; by default the first.
    seed : int
        Of Monge's networks, the batches, their noise and the held-out points.
    **options
        Of the solver, its network, its cost, ``train`` and ``evaluate``, as in ``monge describe``,
        and of ``smoothing`` (``smoothing="gaussian"``, ``smoothing_level=0.05``). The ``map`` of
        ``saddle_point`` may be a torch.nn.Module from [n, d], or [n, d + noise_dimension], to
        [n, d].

    Attributes
    ----------
    solution : Solution or None
        The map and its inverse, once trained.
    sections : dict
        The options of each part; after training every one with its value.

    Raises
    ------
    ValueError
        On an unknown name or option, naming the nearest.

    Notes
    -----
    Modules are differentiated by autograd and called under the interpreter's lock: slower than
    Monge's own networks, whose steps record no graph. Of measures of images they see [n, c, h, w],
    unless the map has noise. Training changes their parameters where they are, and ends with those
    of the solution in them: the average over the steps in that of the map, unless ``average=0``. In
    training a module is called in the mode in which it is given, and in evaluation as after
    ``eval()``. A module is saved by ``torch.save`` of its ``state_dict()``, not in a map file, and
    draws what it draws at random from torch's generator, not from ``seed``.

    Examples
    --------
    >>> import monge, torch
    >>> def module(outputs):
    ...     return torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.SiLU(),
    ...                                torch.nn.Linear(32, outputs))
    >>> transport = module(2)
    >>> solver = monge.Solver("saddle_point", network=module(1), map=transport, max_steps=20)
    >>> outcome = monge.train(solver, "moons", "gaussian_ring", progress=False)
    >>> x = monge.measure("moons").sample(5)
    >>> torch.allclose(solver.solution.map(x), transport(x))
    True
    """

    def __init__(self, name=None, *, recipe=None, network=None, cost=None, seed=0, **options):
        self.seed = _options.seed(seed)
        self._potential = network if isinstance(network, torch.nn.Module) else None
        self._map = options.get("map") if isinstance(options.get("map"), torch.nn.Module) else None
        if self._map is not None:
            options["map"] = "network"
        self.sections = _options.sections(
            name, None if self._potential is not None else network, cost, options, recipe=recipe,
            own_network=self._potential is None)
        self.name = self.sections["solver"]["name"]
        self.solution = None

    def _given(self, shape):
        """Its modules as the networks that the core trains on points of a shape."""
        d, noise = math.prod(shape), self.sections["solver"].get("noise_dimension", 0)
        given = {}
        if self._potential is not None:
            given["potential"] = _modules.Network(self._potential, "network", d, 1, shape)
        if self._map is not None:
            given["map"] = _modules.Network(self._map, "map", d + noise, d, () if noise else shape)
        return given

    def __repr__(self):
        return f"Solver({self.name!r}, seed={self.seed})"


def train(solver, source, target, callbacks=(), *, progress="auto"):
    """Trains a solver on two measures; its ``solution`` is then the map that was kept.

    Networks of Monge's begin anew at every call, and modules where they are.

    Parameters
    ----------
    solver : Solver
    source, target : anything that :func:`measure` takes
    callbacks : sequence of objects
        Each may have ``on_step(step)``, ``on_evaluation(evaluation)`` and ``on_rollback(text)``; a
        true answer ends training after the step. What they raise ends it too, and is raised.
    progress : bool or "auto"

    Returns
    -------
    outcome : Outcome
        Why training ended, and what was kept.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after the current step; the solver then has the best map so far.
    ValueError
        On measures that do not fit together and options out of bounds.

    Examples
    --------
    >>> import monge
    >>> solver = monge.Solver("w2gn", hidden=[16], max_steps=50)
    >>> outcome = monge.train(solver, monge.measure("moons"), monge.measure("gaussian_ring"))
    >>> outcome.reason, solver.solution.map.dimension
    ('budget', 2)
    """
    source, target = measure(source, "source"), measure(target, "target")
    experiment = _core.Experiment(solver.seed, solver.sections, source, target,
                                  **solver._given(source.shape))
    outcome, _ = _watch.run(experiment, solver.name, progress, callbacks)
    solver.solution, solver.sections = experiment.solution, experiment.sections
    _watch.finish(outcome)
    return outcome
