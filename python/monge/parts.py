"""Measures, solvers and the training loop as parts of their own."""

import html
import inspect
from collections.abc import Mapping

import numpy as np
import torch

from monge import _core, _html, _modules, _options, _storage, _watch
from monge._points import (array_of, flat_images, from_torch, is_sparse, numbers_of,
                           require_finite, require_points, shape_text, tensor_of, unwrap)


def _rows(points, name):
    """Points of any kind as a float32 tensor [n, d] that shares their memory where it can; images
    as rows."""
    points, _ = flat_images(points)
    if isinstance(points, torch.Tensor):
        return from_torch(points.detach(), name, None).float()
    points = array_of(points, name)
    require_points(points.shape, name)
    with np.errstate(over="ignore"):  # refused as not finite below
        tensor = tensor_of(np.ascontiguousarray(points, dtype=np.float32))
    require_finite(tensor, name)
    return tensor


def _point_shape(points):
    """[c, h, w] of images, [d] of other points."""
    return tuple(np.shape(points))[1:]


def _drawer(draw, name):
    """draw(n, seed) as a function of tensors [n, d], and [d], or [c, h, w] of images."""
    def checked(points, n, shape):
        rows = _rows(points, name)
        if np.shape(points) != (n, *shape):
            raise ValueError(f"{name}: expected draw({n}, seed) to give "
                             f"{shape_text((n, *shape))}, got {shape_text(np.shape(points))}")
        return rows

    first = draw(2, 0)
    _rows(first, name)
    shape = _point_shape(first)
    checked(first, 2, shape)
    return lambda n, seed: checked(draw(n, seed), n, shape), shape


class _Stream:
    """draw(n, seed) from batches of an iterable, begun again where it ends."""

    def __init__(self, batches, name):
        self.batches, self.name, self.iterator = batches, name, iter(batches)
        self.shape = None
        self.left = self._next()

    def _next(self):
        batch = next(self.iterator, None)
        if batch is None:
            self.iterator = iter(self.batches)
            batch = next(self.iterator, None)
        if batch is None:
            raise ValueError(f"{self.name}: expected an iterable of batches that does not end, "
                             "or one that can be begun again, got its end")
        batch = batch[0] if isinstance(batch, (tuple, list)) else batch
        rows, shape = _rows(batch, self.name), _point_shape(batch)
        if self.shape not in (None, shape):
            raise ValueError(f"{self.name}: expected batches {shape_text(('k', *self.shape))}, "
                             f"got {shape_text(('k', *shape))}")
        self.shape = shape
        return rows

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
        function ``draw(n, seed)`` of points [n, d] or images [n, c, h, w]; or an iterable of
        batches [k, d] or [k, c, h, w], such as a torch DataLoader (of tuples the first entry
        counts), which is read as it comes and begun again where it ends: its order is then not
        Monge's to repeat.
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
    if isinstance(what, (torch.Tensor, list)) or hasattr(what, "__array__") or is_sparse(what):
        rows, shape = flat_images(what)
        return _core.ArrayMeasure(_rows(rows, name), shape or ())
    if inspect.isgeneratorfunction(what):
        raise TypeError(f"{name}: expected a function draw(n, seed) of points or batches, got a "
                        "generator's function; call it")
    if callable(what):
        return _core.CallableMeasure(*_drawer(what, name))
    if hasattr(what, "__iter__") and not isinstance(what, Mapping):
        stream = _Stream(what, name)
        return _core.CallableMeasure(stream, stream.shape)
    raise TypeError(f"{name}: expected points, a measure, its name, a function or an iterable, "
                    f"got {type(what).__name__}")


class Cost:
    """A cost: of moving a point x to a point y, c(x, y), or of sending it to a law, C(x, mu).

    Parameters
    ----------
    name : str
        A cost that ``monge list`` shows.
    **options
        As in ``monge describe``, such as ``gamma`` of the weak ones.

    Attributes
    ----------
    name : str
    options : dict

    Raises
    ------
    ValueError
        On an unknown name or option, naming the nearest.

    Notes
    -----
    ``quadratic``: ½ |x - y|². ``weak_quadratic``: ½ E |x - Y|² - ½ gamma Var(mu) (Korotin et al.
    2023, Neural Optimal Transport, eq. 5). ``kernel_weak``: ½ E |x - Y|^a - ¼ gamma E |Y - Y'|^a
    (Korotin et al. 2023, Kernel Neural Optimal Transport, section 3.2).

    Examples
    --------
    >>> import monge, torch
    >>> cost = monge.Cost("weak_quadratic", gamma=1)
    >>> x, y = torch.zeros(5, 2), torch.randn(5, 1000, 2)
    >>> bool((cost(x, y).abs() < 0.03).all())  # half of E|Y|² - Var(mu), which is |E Y|²
    True
    """

    def __init__(self, name="quadratic", **options):
        if not isinstance(name, str):
            raise TypeError(f"cost: expected a name, got {type(name).__name__}")
        self.name, self.options = name, _options.table("cost", options)
        self._core = _core.WeakCost(name, self.options)

    def __getstate__(self):
        return {"name": self.name, "options": self.options}

    def __setstate__(self, state):
        self.__init__(state["name"], **state["options"])

    def __call__(self, x, y):
        """C(x_i, mu_i), [n], of x [n, d] and samples y [n, k, d] of the laws, an unbiased estimate.

        Of y [n, d] it is c(x_i, y_i), where gamma is 0. Tensors, which keep dtype and gradients, or
        arrays. ValueError on other shapes.
        """
        return self._core.value(*_same_kind(x, y))

    def matrix(self, x, y):
        """c(x_i, y_j), [n, m], of x [n, d] and y [m, d].

        ValueError on another shape and where gamma is above 0.
        """
        return self._core.matrix(*_same_kind(x, y))

    def __repr__(self):
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Cost({self.name!r}{options})"


def _same_kind(x, y):
    """Two sets of numbers as tensors of one floating dtype on the processor."""
    x, y = numbers_of(x, "x"), numbers_of(y, "y")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.to(dtype), y.to(dtype)


class Solver:
    """A solver by name with its options, for :func:`train`.

    Parameters
    ----------
    name : str, optional
        A solver that ``monge list`` shows; by default the recipe's, or ``dual``, with a module
        ``saddle_point``, and for images, where :func:`train` is given them and neither a name, a
        recipe, a network nor a latent space is named, the parts of the recipe ``not-images`` (of
        crops ``style-transfer``).
    recipe : str, optional
        A recipe that ``monge list`` shows, whose options hold where none are given here; its
        measures do not count.
    network : str or torch.nn.Module, optional
        For the potential: of those that the solver takes, by default the first. A module of
        ``saddle_point``'s maps [n, d] to [n] or [n, 1].
    cost : str or Cost, optional
        Of those that the solver takes; by default the first.
    seed : int
        Of Monge's networks, the batches, their noise and the held-out points.
    @OPTIONS@

    Attributes
    ----------
    solution : Solution or None
        The map and its inverse, once trained.
    sections : dict
        The options of each part; after training every one with its value.
    outcome : Outcome or None
        Why the last training ended, and what was kept.
    history, latent_history : list of dict
        Step, seconds, loss and quality of every evaluation of the last training, and of that of its
        autoencoder, whose quality is the unexplained variance in %.

    Raises
    ------
    ValueError
        On an unknown name or option, naming the nearest.

    Notes
    -----
    ``map`` may be a torch.nn.Module too, from [n, d], or [n, d + noise_dimension] where the map has
    noise, to [n, d]. Modules are differentiated by autograd and called under the interpreter's
    lock: slower than Monge's own networks, whose steps record no graph. Of measures of images they
    see [n, c, h, w], unless the map has noise, and in a latent space the codes. Training changes
    their parameters where they are, and ends with those of the solution in them: the average over
    the steps in that of the map, unless ``average=0``. In training a module is called in the mode
    in which it is given, and in evaluation as after ``eval()``. It draws what it draws at random
    from torch's generator, not from ``seed``.

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
        _options.require_known(options, ["name", "recipe", "network", "cost", "seed"])
        options = {name: value for name, value in options.items() if value is not None}
        self.seed = _options.seed(seed)
        if isinstance(cost, Cost):
            options, cost = {**cost.options, **options}, cost.name
        self._modules = _modules.split(network, options)
        self._parts = name, network, cost, options
        self._nothing_named = name is None and network is None and recipe is None
        self._recipe = recipe
        self.sections = self._sections(recipe)
        self.name = self.sections["solver"]["name"]
        self.solution = self.outcome = self._splits = None
        self.history, self.latent_history = [], []

    __init__.__signature__ = _options.signature(__init__)
    __doc__ = _options.documented(__doc__)

    def _sections(self, recipe):
        return _options.sections(*self._parts, recipe=recipe, modules=self._modules)

    def _sections_for(self, source, target):
        """Those with which it learns from these measures."""
        recipe = self._recipe
        in_pixels = not self._modules and not _options.asked(self.sections.get("latent", {}))
        if self._nothing_named and in_pixels:
            recipe = _core.recipe_for_images(source, target) or None
        return self._sections(recipe)

    def __getstate__(self):
        """A pickle holds the solution as the bytes of a map file, and not the measures; modules are
        as they pickle themselves."""
        state = {**vars(self), "_splits": None}
        if self.solution is not None:
            state["solution"] = _storage.bytes_of(self.solution)
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        if self.solution is not None:
            self.solution = _storage.solution_of(self.solution, self._modules.get("map"))

    def _repr_html_(self):
        """What a notebook shows: after training its course, and a picture of the map."""
        shown = f"<pre>{html.escape(repr(self))}</pre>"
        if self.outcome is None:
            return shown
        sides = [split.held_out for split in self._splits or ()]
        picture = _html.picture(self.solution, *sides) if sides else ""
        return shown + _html.summary(self.outcome, self.history, picture, self.latent_history)

    def __repr__(self):
        return f"Solver({self.name!r}, seed={self.seed})"


def train(solver, source, target, callbacks=(), *, progress="auto", checkpoint=None):
    """Trains a solver on two measures; its ``solution`` is then the map that was kept.

    Networks of Monge's begin anew at every call, and modules where they are; with a ``checkpoint``
    both where it stands.

    Parameters
    ----------
    solver : Solver
    source, target : anything that :func:`measure` takes
    callbacks : sequence of objects
        Each may have ``on_step(step)``, ``on_evaluation(evaluation)`` and ``on_rollback(text)``; a
        true answer ends training after the step. What they raise ends it too, and is raised. They
        see nothing of the training of an autoencoder.
    progress : bool or "auto"
    checkpoint : path, optional
        A folder where training goes on from what an earlier one of the same options and points left
        there, to the same numbers, and where it leaves that every ``checkpoint_seconds``; options
        of ``train`` may differ. Of a training that had ended it gives the map at once.

    Returns
    -------
    outcome : Outcome
        Why training ended, and what was kept.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after the current step; the solver then has the best map so far, and none while
        an autoencoder is trained.
    TypeError
        On another solver, and on callbacks without one of these methods.
    ValueError
        On measures that do not fit together, options out of bounds, and a checkpoint of another
        training.

    Examples
    --------
    >>> import monge
    >>> solver = monge.Solver("w2gn", hidden=[16], max_steps=50)
    >>> outcome = monge.train(solver, monge.measure("moons"), monge.measure("gaussian_ring"))
    >>> outcome.reason, solver.solution.map.dimension
    ('budget', 2)
    """
    if not isinstance(solver, Solver):
        raise TypeError(f"solver: expected a monge.Solver, got {type(solver).__name__}")
    callbacks = _watch.checked(callbacks)
    source, target = measure(source, "source"), measure(target, "target")
    sections, folder = solver._sections_for(source, target), _options.folder(checkpoint)
    learned = []
    experiment = _core.Experiment(
        solver.seed, sections, source, target,
        **_modules.networks(solver._modules, sections, source.shape),
        train_autoencoder=_watch.autoencoder_trainer(progress, learned), folder=folder)
    outcome, history = _watch.run(experiment, sections["solver"]["name"], progress, callbacks,
                                  folder)
    solver.solution, solver.sections = experiment.solution, experiment.sections
    solver.name, solver.outcome = solver.sections["solver"]["name"], outcome
    solver.history, solver.latent_history = history, learned
    solver._splits = experiment.source, experiment.target
    _watch.finish(outcome)
    return outcome
