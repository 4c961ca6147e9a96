from typing import Any

from monge._core import DiscretePlan, EntropicPlan

def exact_ot(
    x: Any, y: Any, *, source_weights: Any = None, target_weights: Any = None
) -> DiscretePlan: ...
def sinkhorn(
    x: Any, y: Any, epsilon: float, *, tolerance: float = 1e-6, max_iterations: int = 10000,
    source_weights: Any = None, target_weights: Any = None,
) -> EntropicPlan: ...
def energy_distance(x: Any, y: Any) -> float: ...
