from monge._core import Evaluation as Evaluation, Measure as Measure, Potential as Potential
from monge._core import Solution as Solution, TransportMap as TransportMap
from monge._watch import Outcome as Outcome
from monge.discrete import energy_distance as energy_distance, exact_ot as exact_ot
from monge.discrete import sinkhorn as sinkhorn
from monge.estimator import OptimalTransport as OptimalTransport, load as load
from monge.parts import Cost as Cost, Solver as Solver, measure as measure, train as train

__version__: str
