"""Estimators as map files and pickles."""

import copy
import json
import pathlib
import tempfile

import numpy as np
from sklearn.utils.validation import check_is_fitted

from monge import _core, _modules, _options


def bytes_of(solution, notes=None):
    """The bytes of a solution's map file, which cannot execute."""
    if notes is None and len(solution.map.shape) == 3:
        notes = {"shape": "x".join(map(str, solution.map.shape))}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "map.safetensors")
        _core.save_map(path, solution, notes or {}, False)
        return path.read_bytes()


def solution_of(data, module=None):
    """The solution in the bytes of a map file; of a map that was a module, in a module like it."""
    maker = None if module is None else _modules.Maker(module)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "map.safetensors")
        path.write_bytes(data)
        return _core.load_map(path, maker)[0]


def map_of(data):
    """The map in the bytes of a map file."""
    return solution_of(data).map


class Storage:
    """The methods of an estimator that write and read it."""

    def save(self, path, *, overwrite=False):
        """Writes the map file that ``monge apply`` and :func:`monge.load` read.

        Safetensors, appearing whole or not at all; ValueError where the file exists, unless
        ``overwrite``. Of a map that is a module it holds the parameters and buffers, and
        ``monge.load(path, map=module)`` reads it.
        """
        check_is_fitted(self)
        try:
            _core.save_map(_options.path(path, "path"), self.solution_, self._notes(), overwrite)
        except ValueError as error:
            raise ValueError(str(error).replace("--force", "overwrite=True")) from None

    def _notes(self):
        notes = {"solver": self._option("solver", "name"), "seed": str(self.seed)}
        if (cost := self._option("cost", "name")) is not None:
            notes["cost"] = cost
        if hasattr(self, "outcome_"):
            notes |= {"step": str(self.outcome_.kept_step),
                      "quality": f"{self.outcome_.quality:.6g}"}
        notes |= getattr(self, "_read_notes", {})
        if hasattr(self, "image_shape_"):
            notes["shape"] = "x".join(map(str, self.image_shape_))
        if hasattr(self, "feature_names_in_"):
            notes["features"] = json.dumps(list(self.feature_names_in_))
        return notes

    @classmethod
    def load(cls, path, *, map=None):
        """The estimator of a map file or run directory; see :func:`monge.load`."""
        maker = None if map is None else _modules.Maker(copy.deepcopy(map))
        solution, notes = _core.load_map(_options.path(path, "path"), maker)
        if maker is not None and not maker.used:
            raise ValueError(f"{path}: expected a map that is a module beside map=..., "
                             "got one of Monge's own networks")
        run = pathlib.Path(path).is_dir()
        seed, sections = _core.read_run(path) if run else (int(notes.get("seed", 0)), {})
        parameters = _options.keywords(sections)
        names = {"network": sections.get("network", {}).get("name"),
                 "cost": sections.get("cost", {}).get("name", notes.get("cost"))}
        estimator = cls(notes.get("solver", "dual"), seed=seed, **names, **parameters)
        estimator.solution_ = solution
        if maker is not None:
            estimator.map, estimator.modules_ = map, {"map": maker.module}
        estimator.n_features_in_ = solution.map.dimension
        estimator._run = str(pathlib.Path(path).absolute()) if run else None
        estimator._read_notes = {name: notes[name] for name in ("step", "quality") if name in notes}
        if sections:
            estimator.options_ = sections
        if "shape" in notes:
            estimator.image_shape_ = _modules.image_shape(notes)
        if "features" in notes:
            estimator.feature_names_in_ = np.array(json.loads(notes["features"]), dtype=object)
        return estimator

    def __getstate__(self):
        """A pickle holds the map as the bytes of a map file, which cannot execute; modules are as
        they pickle themselves."""
        state = dict(super().__getstate__())
        state.pop("_splits", None)
        if "solution_" in state:
            state["solution_"] = bytes_of(state["solution_"], self._notes())
        return state

    def __setstate__(self, state):
        state = dict(state)
        if "solution_" in state:
            state["solution_"] = solution_of(state["solution_"],
                                             state.get("modules_", {}).get("map"))
        super().__setstate__(state)
