"""Neural optimal transport: maps between two measures that are known by samples.

>>> import numpy as np, monge
>>> rng = np.random.default_rng(0)
>>> source, target = rng.normal(size=(600, 2)), 2 * rng.normal(size=(500, 2)) + 1
>>> ot = monge.OptimalTransport(max_steps=200, progress=False).fit(source, target)
>>> ot.transform(source).shape
(600, 2)
"""

import importlib
import importlib.metadata

__version__ = importlib.metadata.version("monge")

# What stands where; loaded on first use, so that `python -m monge` need not wait for torch.
_HOME = {
    "OptimalTransport": "estimator",
    "load": "estimator",
    "Potential": "_core",
    "TransportMap": "_core",
    "Solution": "_core",
    "Measure": "_core",
    "measure": "parts",
    "Cost": "parts",
    "Solver": "parts",
    "train": "parts",
    "Evaluation": "_core",
    "Outcome": "_watch",
    "exact_ot": "discrete",
    "sinkhorn": "discrete",
    "energy_distance": "discrete",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'monge' has no attribute '{name}'")
    return getattr(importlib.import_module(f"monge.{_HOME[name]}"), name)


def __dir__():
    return sorted({*globals(), *__all__})
