from collections.abc import Sequence
from typing import Any

from monge._core import Measure, Solution
from monge._watch import Outcome
from torch.nn import Module

def measure(what: Any, name: str = "measure", **options: Any) -> Measure: ...

class Solver:
    name: str
    seed: int
    sections: dict[str, dict[str, Any]]
    solution: Solution | None
    def __init__(
        self, name: str | None = None, *, recipe: str | None = None, network: str | Module | None = None,
        cost: str | None = None, seed: int = 0, **options: Any,
    ) -> None: ...

def train(
    solver: Solver, source: Any, target: Any, callbacks: Sequence[Any] = (), *,
    progress: bool | str = "auto",
) -> Outcome: ...
