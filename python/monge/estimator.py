"""The estimator: optimal transport in the manner of scikit-learn."""

import copy
import math
import types
import warnings

import numpy as np
import torch
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from monge import _core, _html, _modules, _options, _watch
from monge._figures import Figures
from monge._points import ANY, Points, finite_numbers, is_measure, shape_text
from monge._storage import Storage
from monge.parts import Cost, measure

_LEAST_ROWS = 4


def _checked_density(function):
    """A user's log p of points [n, d] as a function whose values are [n]."""
    def density(points):
        values = function(points)
        if not isinstance(values, torch.Tensor):
            raise TypeError("log_density: expected source to give a tensor [n], "
                            f"got {type(values).__name__}")
        if values.shape != points.shape[:1]:
            raise ValueError("log_density: expected source to give log p "
                             f"{shape_text(points.shape[:1])}, got {shape_text(values.shape)}")
        return values
    return density


class OptimalTransport(Figures, Storage, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Learns the map T that moves a source to a target at the least cost, and its inverse.

    ``fit(source, target)`` takes two sets of points [n, d] and [m, d]: NumPy arrays, torch tensors,
    pandas DataFrames, AnnData objects, or whatever :func:`monge.measure` takes; of images arrays
    and tensors [n, c, h, w], uint8 or floats, for which 0 to 255 is -1 to 1. ``transform`` moves
    points and gives them back in the kind it was given; of torch tensors that require a gradient it
    builds a graph.

    With a ``target`` in the constructor the estimator is a transformer like any other: the second
    argument of ``fit`` is then a y that it does not look at, so that it may stand before a
    classifier in a Pipeline; a y that could be points gets a RuntimeWarning.

    Parameters
    ----------
    solver : str, default=None
        What ``monge list`` shows; None: the recipe's, or ``dual``. Of images, where neither a
        solver, a network, a recipe nor a latent space is named, the parts of the recipe
        ``not-images`` (of crops ``style-transfer``) as in ``monge fit``; where a module is given,
        ``saddle_point``.
    recipe : str, default=None
        A recipe that ``monge list`` shows, whose options hold where none are given here; its
        measures do not count.
    network : str or torch.nn.Module, default=None
        For the potential: of those that the solver takes; None: the recipe's, or the first. A
        module of ``saddle_point``'s maps [n, d] to [n] or [n, 1].
    cost : str or Cost, default=None
        Of those that the solver takes; None: the recipe's, or the first. Options here come before
        those of a ``monge.Cost``.
    target : points, measure or its name, default=None
        The target where ``fit`` is given none; "gaussian" is the standard normal law.
    seed : int, default=0
        Of the network, the batches and the held-out points. Same seed, same map.
    use_rep : str, default=None
        The key of ``.obsm`` that holds the points of AnnData objects; None: ``.X``.
    checkpoint : path, default=None
        A folder where training goes on from what an earlier ``fit`` of the same options and points
        left there, to the same numbers, and where it leaves that every ``checkpoint_seconds``. Of
        a training that had ended it gives the map at once.
    progress : bool or "auto", default="auto"
        Whether a progress bar is shown; "auto": in terminals and notebooks.
    on_evaluation : callable, default=None
        Called with an Evaluation (step, loss, quality, figures, solution, ...) after each
        evaluation on held-out points; a true answer ends training.
    @OPTIONS@

    Attributes
    ----------
    solution_ : Solution
        The map and its inverse, TransportMap objects of torch tensors.
    outcome_ : Outcome
        Why training ended, after how many steps, and what was kept.
    history_ : list of dict
        Step, seconds, loss and quality (relative energy distances, lower is better) of every
        evaluation; of a training that went on from a checkpoint, of those since.
    latent_history_ : list of dict
        That of the autoencoder which was trained for a latent space; its quality is the
        unexplained variance of held-out points in %.
    modules_ : dict
        The trained copies of the modules, by "network" and "map".
    options_ : dict
        Every option of every part with its value.
    n_features_in_ : int
        The dimension d.
    image_shape_ : tuple of int
        [c, h, w] where the map is of images.

    Notes
    -----
    Ctrl-C ends training after the current step: the estimator is then fitted with the best map so
    far, and KeyboardInterrupt is raised; while an autoencoder is trained for a latent space there
    is no map yet, and the estimator is left as it was, as by any other error.

    With ``latent`` the map is D(T(E(x))) through the latent space of an autoencoder, which is
    trained first, or D(T(z)) and T(E(x)) where points of one side have ``latent_dimension``
    numbers and those of the other are of another shape.

    ``map`` may be a torch.nn.Module too, from [n, d], or [n, d + noise_dimension] where the map has
    noise, to [n, d]. Modules see images as [n, c, h, w], unless the map has noise, and codes as
    [n, latent_dimension]; ``fit`` trains copies of them. What they draw at random comes from
    torch's generator, not from ``seed``, and a checkpoint does not hold it.

    Examples
    --------
    >>> import numpy as np, monge
    >>> rng = np.random.default_rng(0)
    >>> source, target = rng.normal(size=(600, 2)), rng.normal(size=(500, 2)) @ [[2, 0], [1, 1]]
    >>> ot = monge.OptimalTransport(max_steps=300, progress=False).fit(source, target)
    >>> moved = ot.transform(source)
    >>> bool(np.abs(ot.inverse_transform(moved) - source).mean() < 0.1)
    True
    """

    def __init__(self, solver=None, *, recipe=None, network=None, cost=None, target=None, seed=0,
                 use_rep=None, checkpoint=None, progress="auto", on_evaluation=None, **options):
        _options.require_known(options, list(type(self).__init__.__signature__.parameters)[1:])
        self.solver = solver
        self.recipe = recipe
        self.network = network
        self.cost = cost
        self.target = target
        self.seed = seed
        self.use_rep = use_rep
        self.checkpoint = checkpoint
        self.progress = progress
        self.on_evaluation = on_evaluation
        for name in _options.DECLARED:
            setattr(self, name, options.get(name))

    __init__.__signature__ = _options.signature(__init__)
    __doc__ = _options.documented(__doc__)

    def set_params(self, **params):
        """Sets parameters by name. ValueError on an unknown one, naming the nearest."""
        own = list(type(self).__init__.__signature__.parameters)[1:]
        _options.require_known([name for name in params
                                if name not in own and "__" not in name], own)
        return super().set_params(**params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = self.target is None
        return tags

    def fit(self, source, target=None):
        """Learns the map from the source to the target.

        Parameters
        ----------
        source, target : points [n, d] and [m, d], or measures
            A tenth of 500 rows or more is held out of training for evaluation.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On unknown options (naming the nearest), values out of bounds, points of another shape
            or not finite.
        """
        if self.on_evaluation is not None and not callable(self.on_evaluation):
            raise TypeError("on_evaluation: expected a function, got "
                            f"{type(self.on_evaluation).__name__}")
        if not isinstance(self.use_rep, str | None):
            raise TypeError(f"use_rep: expected a key of obsm, got {type(self.use_rep).__name__}")
        fitted = type(self).__new__(type(self))  # what fails leaves self as it was
        vars(fitted).update(vars(self), _run=None, _read_notes={})
        given = {name: getattr(self, name) for name in _options.DECLARED
                 if getattr(self, name) is not None}
        cost = self.cost
        if isinstance(cost, Cost):
            given, cost = {**cost.options, **given}, cost.name
        codes = _options.code_dimension(self.recipe, given)
        source = fitted._source_measure(source, codes)
        target = fitted._target_measure("fit", target, codes or fitted.n_features_in_,
                                        ANY if codes else None)
        modules = {name: copy.deepcopy(module)
                   for name, module in _modules.split(self.network, given).items()}
        learned, folder = [], _options.folder(self.checkpoint)
        experiment = self._experiment(source, target, cost, given, modules, codes, folder, learned)
        callbacks = ([types.SimpleNamespace(on_evaluation=self.on_evaluation)]
                     if self.on_evaluation is not None else [])
        fitted.outcome_, fitted.history_ = _watch.run(
            experiment, experiment.sections["solver"]["name"], self.progress, callbacks,
            folder)
        fitted.solution_ = experiment.solution
        fitted.options_ = experiment.sections
        fitted._splits = experiment.source, experiment.target
        for name, value in (("modules_", modules), ("latent_history_", learned)):
            vars(fitted).pop(name, None)
            if value:
                setattr(fitted, name, value)
        vars(self).clear()
        vars(self).update(vars(fitted))
        _watch.finish(self.outcome_)
        return self

    def _experiment(self, source, target, cost, given, modules, codes, folder, learned):
        """The experiment, its autoencoder trained, whose history goes into `learned`."""
        nothing_named = self.solver is None and self.network is None and self.recipe is None
        of_images = ""
        if nothing_named and not modules and not codes:
            of_images = _core.recipe_for_images(source, target)
        sections = _options.sections(self.solver, self.network, cost, given,
                                     recipe=self.recipe or of_images or None, modules=modules)
        trainer = _watch.autoencoder_trainer(self.progress, learned)
        try:
            return _core.Experiment(_options.seed(self.seed), sections, source, target,
                                    **_modules.networks(modules, sections, source.shape),
                                    train_autoencoder=trainer, folder=folder)
        except ValueError as error:
            if of_images and str(error).startswith("source and target: expected square images"):
                raise ValueError(f"{error}; name a solver, such as 'dual', for images of other "
                                 "sizes") from None
            raise

    def _named_measure(self, name, where, dimension):
        """That of a name, in so many dimensions where it may have any."""
        part = _options.PARTS.get(("measure", name))
        known = [option.name for option in part.options] if part else []
        options = {"dimension": dimension} if dimension and "dimension" in known else {}
        return measure(name, where, **options)

    def _source_measure(self, source, codes):
        if isinstance(source, str):
            source = self._named_measure(source, "source", codes)
        if not is_measure(source):
            points = Points(self, source, "source", reset=True, use_rep=self.use_rep,
                            least_rows=_LEAST_ROWS)
            source = _core.ArrayMeasure(points.tensor.detach(), points.shape or ())
        else:
            source = measure(source, "source")
            vars(self).pop("feature_names_in_", None)
            self.n_features_in_ = source.dimension
        vars(self).pop("image_shape_", None)
        if len(source.shape) > 1:
            self.image_shape_ = tuple(source.shape)
        return source

    def _target_measure(self, caller, target, dimension, columns):
        """That of the constructor, beside which `target` is a y without a meaning here."""
        if self.target is not None:
            if getattr(target, "ndim", 1) == 2 and target.shape[1] == self.n_features_in_:
                warnings.warn(f"{caller}: the points [m, d] beside the target of the constructor "
                              "are not looked at", RuntimeWarning, stacklevel=3)
            target = self.target
        if target is None:
            raise ValueError(f"{caller}: expected a target, {caller}(source, target) or "
                             "OptimalTransport(target=...), got none")
        if isinstance(target, str):
            return self._named_measure(target, "target", dimension)
        if is_measure(target):
            return measure(target, "target")
        points = Points(self, target, "target", use_rep=self.use_rep, columns=columns)
        return _core.ArrayMeasure(points.tensor.detach(), points.shape or ())

    def _apply(self, function, X, inverse=False):
        """What a function of a map and a tensor gives at X, in its kind."""
        moving = self._map(inverse)
        points = Points(self, X, "X", use_rep=self.use_rep, columns=moving.dimension)
        result = function(moving, points.tensor)
        if result.shape[-1] != points.tensor.shape[1]:  # to another space
            shape = tuple(moving.target_shape)
            points.shape = shape if len(shape) == 3 else None
        return points.like(result)

    def _map(self, inverse=False):
        check_is_fitted(self)
        if not inverse:
            return self.solution_.map
        if self.solution_.inverse is None:
            smoothed = self._option("smoothing", "kind", "none") != "none"
            raise ValueError(f"inverse: the maps of solver '{self._option('solver', 'name')}' have "
                             f"no inverse{' where the source is smoothed' if smoothed else ''}")
        return self.solution_.inverse

    def _option(self, section, name, otherwise=None):
        """An option of the fit; of a map file only the solver's and the cost's names are known."""
        if name == "name" and section in ("solver", "cost"):
            otherwise = getattr(getattr(self, section), "name", getattr(self, section))
        return getattr(self, "options_", {}).get(section, {}).get(name, otherwise)

    def transform(self, X):
        """T(X) for X [n, d], in the same kind; of a stochastic map one draw, always the same."""
        return self._apply(lambda moving, x: moving(x), X)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of T(X): those of X, or, where the map leads to another space, the
        class's name with the number of the column, [target dimension].
        """
        check_is_fitted(self)
        width = math.prod(self.solution_.map.target_shape)
        if width == self.n_features_in_:
            return super().get_feature_names_out(input_features)
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{column}" for column in range(width)], dtype=object)

    def inverse_transform(self, X):
        """The inverse map of X [n, d], in the same kind. ValueError where there is none."""
        return self._apply(lambda moving, x: moving(x), X, inverse=True)

    def interpolate(self, X, t):
        """Where X [n, d] is at time t in [0, 1] of its way to T(X), in the same kind.

        On straight lines (McCann 1997), or on the Schrödinger bridge of a plan of ``light_sb``.
        """
        return self._apply(lambda moving, x: moving.at_time(x.detach(), t), X)

    def sample(self, X, draws=1, *, seed=0, noise=None):
        """Draws of the law that a stochastic map sends each point of X [n, d] to, [n, draws, d].

        With ``noise`` they are T(x, z) of its rows z in place of random ones: [draws, m], the same
        for every point, or [n, draws, m], with m = ``solution_.map.noise_dimension``. ValueError on
        a map without noise.
        """
        if noise is not None:
            noise = finite_numbers(noise, "noise", torch.float32)
        return self._apply(lambda moving, x: moving.sample(x.detach(), draws, seed, noise), X)

    def log_det(self, X, *, inverse=False, return_error=False):
        """log|det ∇T| at X [n, d], [n], of the gradient of a convex potential or an affine map.

        Above 256 dimensions it is an estimate; ``return_error`` gives its standard error too.
        ValueError on another map.
        """
        moving = self._map(inverse)
        points = Points(self, X, "X", use_rep=self.use_rep, columns=moving.dimension)
        value, error = moving.log_det(points.tensor.detach())
        return (points.like(value), points.like(error)) if return_error else points.like(value)

    def log_density(self, Y, *, source=None, inverse=False, return_error=False):
        """The log-density of T#P at Y [n, d], [n], by change of variables.

        ``source`` is the density of P: a Measure, or a function of a tensor [n, d] that gives log p
        [n]; by default that of the source that was fitted, where it is known. With ``inverse`` the
        target moves back, and ``source`` is its density. ValueError where none is known.
        """
        moving = self._map(inverse)
        if source is None:
            sides = self._evaluated_on(
                "log_density: expected the density of the source (source=...)")
            source = sides[1 if inverse else 0].train
        if isinstance(source, _core.Measure):
            if source.log_density(torch.zeros(1, source.dimension)) is None:
                raise ValueError("log_density: expected a measure with a known density "
                                 "(source=...), got one without")
            source = source.log_density
        elif callable(source):
            source = _checked_density(source)
        else:
            raise TypeError("log_density: expected a measure or a function as source, "
                            f"got {type(source).__name__}")
        points = Points(self, Y, "Y", use_rep=self.use_rep)
        value, error, residual = _core.pushed_log_density(moving, self.solution_, source,
                                                          points.tensor.detach().float())
        missed = int((residual > 1e-2).sum())
        if missed:
            warnings.warn(f"{missed} of {len(residual)} points: no point was found that the map "
                          "moves there; their densities are those of the nearest", RuntimeWarning,
                          stacklevel=2)
        return (points.like(value), points.like(error)) if return_error else points.like(value)

    def _html_repr(self):
        plain = super()._html_repr()
        if not hasattr(self, "history_"):
            return plain
        sides = [split.held_out for split in getattr(self, "_splits", ())]
        shown = _html.picture(self.solution_, *sides) if sides else ""
        return plain + _html.summary(self.outcome_, self.history_, shown,
                                     getattr(self, "latent_history_", ()))


def load(path, *, map=None):
    """The estimator of a map file, or of a run directory of ``monge fit``.

    Nothing in the files executes. Of a run it has the options, and ``evaluate()`` gives the figures
    of ``monge evaluate``; a map file knows its solver, its cost's name and its seed only. Of a map
    that was a torch.nn.Module ``map`` is a module like it, of which a copy takes the file's
    parameters.

    Raises
    ------
    ValueError
        On a file that is no map, is damaged, or is of a newer version; on one of a module without
        ``map`` or with a module of other parameters, and on ``map`` with another file.
    """
    return OptimalTransport.load(path, map=map)
