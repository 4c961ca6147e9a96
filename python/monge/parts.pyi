from collections.abc import Sequence
from os import PathLike
from typing import Any

from monge._core import Measure, Solution
from monge._watch import Outcome
from torch import Tensor
from torch.nn import Module

def measure(what: Any, name: str = "measure", **options: Any) -> Measure: ...

class Cost:
    name: str
    options: dict[str, Any]
    def __init__(self, name: str = "quadratic", **options: Any) -> None: ...
    def __call__(self, x: Any, y: Any) -> Tensor: ...
    def matrix(self, x: Any, y: Any) -> Tensor: ...

class Solver:
    name: str
    seed: int
    sections: dict[str, dict[str, Any]]
    solution: Solution | None
    outcome: Outcome | None
    history: list[dict[str, float]]
    latent_history: list[dict[str, float]]
    def __init__(
        self, name: str | None = None, *, recipe: str | None = None, network: str | Module | None = None,
        cost: str | Cost | None = None, seed: int = 0, **options: Any,
    ) -> None: ...

def train(
    solver: Solver, source: Any, target: Any, callbacks: Sequence[Any] = (), *,
    progress: bool | str = "auto", checkpoint: str | PathLike[str] | None = None,
) -> Outcome: ...
