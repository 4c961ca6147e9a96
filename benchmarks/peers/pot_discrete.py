"""Discrete transport by POT.

python pot_discrete.py METHOD SOURCE TARGET [EPSILON TOLERANCE]: METHOD is emd, sinkhorn or
sinkhorn_log. Prints wall and processor seconds, the matrix of costs included, as JSON. TOLERANCE is
of the 1-norm of the marginal error; POT stops by the 2-norm, at most as large, and at least it over
the square root of the number of points, which is the bound that guarantees the tolerance.
"""

import json
import sys
import time

import numpy
import ot


def emd(a, b, costs):
    _, log = ot.emd(a, b, costs, numItermax=10**9, log=True)
    return lambda: {"cost": float(log["cost"]), "warning": log["warning"]}


def sinkhorn(method, a, b, costs, epsilon, tolerance):
    plan, log = ot.sinkhorn(a, b, costs, epsilon, method=method, numItermax=100_000,
                            stopThr=tolerance / len(b) ** 0.5, log=True)
    return lambda: {"cost": float((plan * costs).sum()), "iterations": int(log["niter"]) + 1,
                    "marginal_error": float(abs(plan.sum(1) - a).sum()
                                            + abs(plan.sum(0) - b).sum())}


def main(method, source, target, *limits):
    x, y = (numpy.load(path).astype("float64") for path in (source, target))
    a, b = (numpy.full(len(points), 1 / len(points)) for points in (x, y))
    numpy.ones((64, 64)) @ numpy.ones((64, 64))  # starts the threads
    wall, cpu = time.perf_counter(), time.process_time()
    costs = ot.dist(x, y)
    costs *= 0.5
    if method == "emd":
        figures = emd(a, b, costs)
    else:
        figures = sinkhorn(method, a, b, costs, *map(float, limits))
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps(figures() | seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
