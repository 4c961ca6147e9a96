"""Discrete transport between two sets of points."""

import numbers
import warnings

import torch

from monge import _core
from monge._points import finite_numbers, flat_images, require_points
from monge.parts import _rows


def _doubles(points, name):
    """Points of any kind as a float64 tensor [n, d]; images as rows."""
    points = finite_numbers(flat_images(points)[0], name, torch.float64)
    require_points(points.shape, name)
    return points.detach()


def _problem(x, y, source_weights, target_weights):
    """Points in float64 and weights as tensors; no weights are equal weights."""
    points = [_doubles(x, "x"), _doubles(y, "y")]
    weights = [None if one is None else finite_numbers(one, name, torch.float64)
               for name, one in (("source_weights", source_weights),
                                 ("target_weights", target_weights))]
    return points, weights


def _number(value, name, kind=numbers.Real):
    if isinstance(value, bool) or not isinstance(value, kind):
        expected = "an integer" if kind is numbers.Integral else "a number"
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")
    return int(value) if kind is numbers.Integral else float(value)


def exact_ot(x, y, *, source_weights=None, target_weights=None):
    """The optimal plan for the cost ½ |x - y|², by the network simplex.

    Parameters
    ----------
    x, y : arrays or tensors [n, d] and [m, d]
    source_weights, target_weights : [n] and [m], optional
        Positive, each of sum 1; by default equal.

    Returns
    -------
    DiscretePlan
        ``cost``; ``rows``, ``columns`` and ``mass`` of the plan's entries, and the whole of it by
        ``dense()``; the dual potentials; and ``gap``, by which no plan is cheaper.

    Raises
    ------
    ValueError
        On points of other shapes or not finite, and on other weights.

    Examples
    --------
    >>> import monge
    >>> monge.exact_ot([[0.0], [1.0]], [[2.0], [1.0]]).cost
    0.5
    """
    points, weights = _problem(x, y, source_weights, target_weights)
    return _core.exact_plan(*points, *weights)


def sinkhorn(x, y, epsilon, *, tolerance=1e-6, max_iterations=10000, source_weights=None,
             target_weights=None):
    """The entropic plan for the cost ½ |x - y|², by Sinkhorn's algorithm in the log domain.

    Parameters
    ----------
    x, y : arrays or tensors [n, d] and [m, d]
    epsilon : float
        Of the entropy, in units of the cost.
    tolerance : float
        Of the marginal error.
    max_iterations : int
        Passes over the costs.
    source_weights, target_weights : [n] and [m], optional
        Positive, each of sum 1; by default equal.

    Returns
    -------
    EntropicPlan
        ``cost``, ``value`` (cost + epsilon KL), ``marginal_error``, the potentials, and ``map`` and
        ``inverse``, the entropic maps for new points (Pooladian and Niles-Weed 2021).

    Raises
    ------
    ValueError
        As in :func:`exact_ot`, and where epsilon is not positive.

    Warns
    -----
    RuntimeWarning
        Where the marginal error is above the tolerance in the end.

    Examples
    --------
    >>> import monge
    >>> plan = monge.sinkhorn([[0.0], [1.0]], [[1.0], [2.0]], epsilon=0.01)
    >>> round(plan.cost, 3)
    0.5
    """
    (x, y), weights = _problem(x, y, source_weights, target_weights)
    max_iterations = _number(max_iterations, "max_iterations", numbers.Integral)
    epsilon, tolerance = _number(epsilon, "epsilon"), _number(tolerance, "tolerance")
    plan = _core.entropic_plan(x, y, epsilon, tolerance, max_iterations, *weights)
    if plan.marginal_error > tolerance:
        warnings.warn(f"after {plan.iterations} iterations the marginal error is "
                      f"{plan.marginal_error:.2g}, above the tolerance of {tolerance:.2g}",
                      RuntimeWarning, stacklevel=2)
    plan.map = _core.entropic_map(y, plan.target_potential, epsilon, weights[1])
    plan.inverse = _core.entropic_map(x, plan.source_potential, epsilon, weights[0])
    return plan


def energy_distance(x, y):
    """2 E|x - y| - E|x - x'| - E|y - y'| of arrays or tensors [n, d] and [m, d], unbiased.

    ValueError on points of two dimensions.

    Examples
    --------
    >>> import monge
    >>> monge.energy_distance([[0.0], [0.0]], [[1.0], [1.0]])
    2.0
    """
    x, y = _rows(x, "x"), _rows(y, "y")
    if x.shape[1] != y.shape[1]:
        raise ValueError("x and y: expected points of the same dimension, "
                         f"got {x.shape[1]} and {y.shape[1]}")
    return _core.energy_distance(x, y)
