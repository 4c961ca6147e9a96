from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from torch import Tensor
from torch.nn import Module

Path = str | PathLike[str]
Figures = list[tuple[str, float, str]]

__version__: str

class OptionInfo:
    name: str
    type: str
    default: Any
    bounds: str
    sentence: str

class PartInfo:
    kind: str
    name: str
    sentence: str
    source: str
    options: list[OptionInfo]

class Measure:
    dimension: int
    shape: list[int]
    skipped: list[tuple[str, str]]
    def sample(self, n: int, seed: int = 0) -> Tensor: ...
    def moments(self) -> tuple[Tensor, Tensor] | None: ...
    def log_density(self, x: Tensor) -> Tensor | None: ...

class ArrayMeasure(Measure):
    rows: Tensor
    def __init__(self, rows: Tensor, shape: Sequence[int] = ()) -> None: ...

class CallableMeasure(Measure):
    def __init__(self, draw: Callable[[int, int], Tensor], shape: Sequence[int]) -> None: ...

class WeakCost:
    gamma: float
    exponent: float
    def __init__(self, name: str, options: Mapping[str, Any]) -> None: ...
    def value(self, x: Tensor, y: Tensor) -> Tensor: ...
    def matrix(self, x: Tensor, y: Tensor) -> Tensor: ...

class Potential:
    dimension: int
    name: str
    options: dict[str, Any]
    def __init__(self, module: Module, dimension: int) -> None: ...
    def parameters(self) -> dict[str, Tensor]: ...
    def value(self, x: Tensor) -> Tensor: ...
    def gradient(self, x: Tensor) -> Tensor: ...
    def hessian_product(self, x: Tensor, v: Tensor) -> Tensor: ...
    def hessian(self, x: Tensor) -> Tensor: ...

class TransportMap:
    dimension: int
    shape: list[int]
    target_shape: list[int]
    stochastic: bool
    noise_dimension: int
    has_log_det: bool
    potential: Potential | None
    def __init__(self, module: Module, dimension: int, noise_dimension: int = 0) -> None: ...
    def __call__(self, x: Tensor) -> Tensor: ...
    def at_time(self, x: Tensor, time: float) -> Tensor: ...
    def sample(
        self, x: Tensor, draws: int = 1, seed: int = 0, noise: Tensor | None = None
    ) -> Tensor: ...
    def log_det(self, x: Tensor) -> tuple[Tensor, Tensor]: ...

class Solution:
    map: TransportMap
    inverse: TransportMap | None

class Step:
    step: int
    max_steps: int
    progress: float
    seconds: float
    loss: float
    gradient_norm: float
    terms: dict[str, float]

class Evaluation:
    step: int
    seconds: float
    loss: float
    rate: float
    quality: float
    best_quality: float
    figures: dict[str, float]
    improved: bool
    solution: Solution

class Split:
    train: Measure
    held_out: Measure

class AutoencoderTraining:
    name: str
    def train(self, watcher: Any) -> dict[str, Any]: ...

class Experiment:
    sections: dict[str, dict[str, Any]]
    solution: Solution
    source: Split
    target: Split
    def __init__(
        self, seed: int, sections: Mapping[str, Mapping[str, Any]], source: Measure,
        target: Measure, potential: Any = None, map: Any = None,
        train_autoencoder: Callable[[AutoencoderTraining], None] | None = None,
        folder: Path | None = None,
    ) -> None: ...
    def train(self, watcher: Any, folder: Path | None = None) -> dict[str, Any]: ...

class DiscretePlan:
    cost: float
    gap: float
    rows: Tensor
    columns: Tensor
    mass: Tensor
    source_potential: Tensor
    target_potential: Tensor
    def dense(self) -> Tensor: ...

class EntropicPlan:
    cost: float
    value: float
    marginal_error: float
    iterations: int
    epsilon: float
    source_potential: Tensor
    target_potential: Tensor
    map: TransportMap
    inverse: TransportMap

def parts() -> list[PartInfo]: ...
def choices(solver: str) -> tuple[list[str], list[str]]: ...
def recipe(name: str) -> dict[str, dict[str, Any]]: ...
def nearest(word: str, candidates: list[str]) -> str: ...
def latent_dimension(sections: Mapping[str, Mapping[str, Any]]) -> int: ...
def recipe_for_images(source: Measure, target: Measure) -> str: ...
def write_grid(path: Path, images: Tensor, columns: int) -> None: ...
def make_measure(name: str, options: Mapping[str, Any], where: str) -> Measure: ...
def save_map(path: Path, solution: Solution, notes: Mapping[str, str], replace: bool) -> None: ...
def load_map(
    path: Path, maker: Callable[[int, int, dict[str, str]], Any] | None = None
) -> tuple[Solution, dict[str, str]]: ...
def read_run(folder: Path) -> tuple[int, dict[str, dict[str, Any]]]: ...
def splits_of_run(folder: Path) -> tuple[Split, Split]: ...
def evaluate(
    solution: Solution,
    source: Measure,
    target: Measure,
    points: int,
    seed: int,
    sections: Mapping[str, Mapping[str, Any]],
) -> tuple[Figures, list[str]]: ...
def evaluate_splits(
    solution: Solution,
    source: Split,
    target: Split,
    points: int,
    seed: int,
    sections: Mapping[str, Mapping[str, Any]],
) -> tuple[Figures, list[str]]: ...
def judge_plan(
    solution: Solution, source: Measure, target: Measure, cost: str, points: int, seed: int
) -> tuple[str, str, list[tuple[str, float]]]: ...
def pushed_log_density(
    map: TransportMap, solution: Solution, log_density: Callable[[Tensor], Tensor], y: Tensor
) -> tuple[Tensor, Tensor, Tensor]: ...
def exact_plan(
    x: Tensor, y: Tensor, source_weights: Tensor | None, target_weights: Tensor | None
) -> DiscretePlan: ...
def entropic_plan(
    x: Tensor, y: Tensor, epsilon: float, tolerance: float, max_iterations: int,
    source_weights: Tensor | None, target_weights: Tensor | None,
) -> EntropicPlan: ...
def entropic_map(
    points: Tensor, potential: Tensor, epsilon: float, weights: Tensor | None
) -> TransportMap: ...
def l2_uvp(mapped: Tensor, truth: Tensor, variance: float) -> float: ...
def energy_distance(x: Tensor, y: Tensor) -> float: ...
def run_program(
    arguments: list[str], group: str, count: Callable[[str, int], int], attempt: str
) -> int: ...
