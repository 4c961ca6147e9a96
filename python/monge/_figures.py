"""How right an estimator's map is."""

import math
import warnings

from sklearn.utils.validation import check_is_fitted

from monge import _core, _options
from monge._points import Points, is_measure, require_points, shape_text
from monge.parts import measure

_LEAST_ROWS = 2


class Figures:
    """The methods of an estimator that judge its map."""

    def _evaluated_on(self, expected="expected source and target"):
        """The splits of source and target that belong to this map; ValueError, with what the caller
        expected, where none do."""
        if getattr(self, "_run", None) is not None:
            return _core.splits_of_run(self._run)
        if getattr(self, "_splits", None) is None:
            raise ValueError(f"{expected}, got none; a map from a file or a pickle has no measures "
                             "with it")
        return self._splits

    def evaluate(self, source=None, target=None):
        """The figures of ``monge evaluate`` by name: how right the map is.

        On all given points [n, d] and [m, d] (or measures), or without them on those that were held
        out of training, with the numbers of ``monge evaluate``.
        """
        check_is_fitted(self)
        points, seed = self._evaluation()
        if source is None and target is None:
            figures, cautions = _core.evaluate_splits(self.solution_, *self._evaluated_on(), points,
                                                      seed, getattr(self, "options_", {}))
        else:
            sides = self._sides(source, target)
            figures, cautions = _core.evaluate(self.solution_, *sides, points, seed,
                                               getattr(self, "options_", {}))
        for caution in cautions:
            warnings.warn(caution, RuntimeWarning, stacklevel=2)
        return {name: value for name, value, _ in figures}

    def plan_check(self, source=None, target=None):
        """Whether the map is an optimal plan, as ``plan_check`` of ``monge evaluate`` has it.

        A dict with ``verdict`` ("good", "fake" or "unconverged"), ``reason``, one sentence, and the
        figures they stand on, on the points that :meth:`evaluate` takes.
        """
        check_is_fitted(self)
        if source is None and target is None:
            sides = [split.held_out for split in self._evaluated_on()]
        else:
            sides = self._sides(source, target)
        cost = self._option("cost", "name") or "unknown"
        verdict, reason, figures = _core.judge_plan(self.solution_, *sides, cost,
                                                    *self._evaluation())
        return {"verdict": verdict, "reason": reason, **dict(figures)}

    def _evaluation(self):
        """How many points figures stand on, and the seed."""
        points = (_options.default("evaluate", "points") if self.points is None
                  else _options.plain("evaluate.points", self.points))
        return points, _options.seed(self.seed)

    def _sides(self, source, target):
        """Given points and measures as measures that this map can lie between."""
        sides = []
        for name, one, columns in (("source", source, self._map().dimension),
                                   ("target", target, math.prod(self._map().target_shape))):
            if one is None:
                raise ValueError(f"{name}: expected points or a measure beside the other, got none")
            if is_measure(one):
                sides.append(measure(one, name))
                if isinstance(sides[-1], _core.ArrayMeasure):
                    require_points(sides[-1].rows.shape, name, _LEAST_ROWS)
                continue
            points = Points(self, one, name, use_rep=self.use_rep, columns=columns,
                            least_rows=_LEAST_ROWS)
            sides.append(_core.ArrayMeasure(points.tensor.detach(), points.shape or ()))
        return sides

    def score(self, source, target=None, *, true_map=None):
        """How right the map is at the source's points [n, d]; 0 is perfect, less is worse.

        Minus the energy distance between T(source) and the target [m, d]; with a ``target`` in the
        constructor the second argument is a y that is not looked at. Where the true map T* is
        known, as a function of points like the source's or as its values [n, d] there,
        ``true_map`` makes it minus the L2-UVP in %, 100 · E|T(x) - T*(x)|² / Var(T*(x))
        (Korotin et al. 2021, section 5.1), without regard to a target. ValueError on values of
        another shape, and on a true map that sends all points to one.
        """
        moving = self._map()
        points = Points(self, source, "source", use_rep=self.use_rep, columns=moving.dimension)
        moved = moving(points.tensor.detach()).float()
        if true_map is not None:
            return -self._l2_uvp(moved, true_map(source) if callable(true_map) else true_map)
        d = moved.shape[1]
        goal = self._target_measure("score", target, d, d)
        if goal.dimension != d:
            raise ValueError(f"target: expected points [n, {d}], got [n, {goal.dimension}]")
        points = goal.rows if isinstance(goal, _core.ArrayMeasure) else goal.sample(len(moved))
        return -_core.energy_distance(moved, points)

    def _l2_uvp(self, moved, truth):
        truth = Points(self, truth, "true_map", use_rep=self.use_rep, columns=moved.shape[1])
        truth = truth.tensor.detach().float()
        if truth.shape != moved.shape:
            raise ValueError(f"true_map: expected values {shape_text(moved.shape)}, "
                             f"got {shape_text(truth.shape)}")
        variance = float(truth.double().var(0, correction=0).sum())
        if not variance > 0:
            raise ValueError("true_map: expected values that differ, got the same everywhere")
        return _core.l2_uvp(moved, truth, variance)
