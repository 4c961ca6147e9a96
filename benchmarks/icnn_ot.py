"""ICNN-OT's figures: shifts and a mixture in 784 dimensions, robustness in two (Makkuva et al.)."""

import itertools
import os
import statistics
from pathlib import Path

import common
import numpy

PAPER = {1: (0.19, 0.02), 5: (13.95, 0.07), 10: (29.05, 0.04)}  # table 1
DIMENSION = 784
POINTS = 4000
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 10))))  # of the starts in two dimensions
SECONDS = float(os.environ.get("BENCH_SECONDS", 1))  # of every budget below
FOLDER = common.OUT / "runs" / "icnn_ot"

ICNN_OT = {"solver.name": "saddle_point", "network.name": "dense_icnn",
           "solver.convexity": "penalty", "solver.start": "identity", "solver.beta1": 0.5,
           "solver.beta2": 0.99}
HIGH = ICNN_OT | {"network.hidden": [32, 32, 16], "solver.batch": 60, "solver.inner_steps": 3,
                  "solver.convexity_weight": 0.1, "solver.learning_rate": 2e-2,
                  "solver.average": 0.99, "train.max_seconds": 60 * SECONDS,
                  "evaluate.points": 200, "train.evaluate_every": 100}

# Every method trains as long, from another draw of its networks' weights for each seed.
BARYCENTRIC = {"solver.name": "regularized_dual", "network.hidden": [128] * 3, "solver.batch": 512}
W1_LP = {"solver.name": "adversarial", "solver.divergence": "w1", "solver.start": "random",
         "network.hidden": [128] * 3, "solver.batch": 512}
METHODS = {
    "ICNN-OT": ICNN_OT | {"network.hidden": [64] * 4, "network.input_scale": 3,
                          "network.celu_alpha": 0.1, "solver.inner_steps": 10,
                          "solver.learning_rate": 3e-3, "solver.convexity_weight": 1},
    "Barycentric-OT": BARYCENTRIC,
    "W1-LP": W1_LP,
    "W2GAN": W1_LP | {"solver.divergence": "w2"},
    "W2GAN, identity start": W1_LP | {"solver.divergence": "w2", "solver.start": "identity"},
}
BOARD = {"count": 3, "width": 3.0}
PLANE = {
    "checkerboard": {"source.name": "checkerboard", "target.name": "checkerboard",
                     "target.cells": "odd",
                     **{f"{side}.{key}": value for side in ("source", "target")
                        for key, value in BOARD.items()}},
    "8 Gaussians": {"source.name": "gaussian", "source.dimension": 2,
                    "target.name": "gaussian_ring", "target.radius": 1.0, "target.std": 0.1},
}


def moved(run, points):
    source, target = FOLDER / f"{run.name}-in.npy", FOLDER / f"{run.name}-out.npy"
    numpy.save(source, points.astype("float32"))
    common.monge("apply", run, "--in", source, "--out", target, "--force")
    return numpy.load(target).astype("float64")


def normal(n, dimension, seed=20):
    return numpy.random.default_rng(seed).standard_normal((n, dimension))


def shift(alpha):
    """N(0, I) to N(alpha (1, ..., 1), I). The mean of T(x) - x has no error by the points."""
    chosen = HIGH | {"source.name": "gaussian", "source.dimension": DIMENSION,
                     "target.name": "gaussian", "target.dimension": DIMENSION,
                     "target.mean": [float(alpha)] * DIMENSION}
    fit = common.fit(f"icnn_ot/shift-{alpha}", [], chosen)
    points = normal(POINTS, DIMENSION)
    error = float((((moved(fit.folder, points) - points).mean(0) - alpha) ** 2).sum())
    return {"alpha": alpha, "error": error, "relative": 100 * error / (alpha**2 * DIMENSION),
            "fit": fit.record()}


def mixture():
    """N(0, I) to four Gaussians in the plane of the first two coordinates, 0 in the others."""
    rng = numpy.random.default_rng(1)
    centres = 1.4 * numpy.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    target = numpy.zeros((10_000, DIMENSION), "float32")
    target[:, :2] = centres[rng.integers(4, size=len(target))] + \
        0.2**0.5 * rng.standard_normal((len(target), 2))
    FOLDER.mkdir(parents=True, exist_ok=True)
    numpy.save(FOLDER / "mixture.npy", target)
    chosen = HIGH | {"source.name": "gaussian", "source.dimension": DIMENSION,
                     "network.hidden": [64, 64, 32], "solver.inner_steps": 5,
                     "solver.learning_rate": 1e-2, "solver.convexity_weight": 0.01}
    fit = common.fit("icnn_ot/mixture", ["--target", FOLDER / "mixture.npy"], chosen)
    points = moved(fit.folder, normal(POINTS, DIMENSION))
    distances = ((points[:, None, :2] - centres) ** 2).sum(2)
    shares = numpy.bincount(distances.argmin(1), minlength=4) / len(points)
    return {"shares": shares.tolist(),
            "spread": float(distances.min(1).mean() / 2),
            "rest": float((points[:, 2:] ** 2).sum(1).mean()), "fit": fit.record()}


def plane(problem, method, seed):
    chosen = PLANE[problem] | METHODS[method] | {"seed": seed, "evaluate.points": 1000,
                                                 "train.max_seconds": 15 * SECONDS,
                                                 "train.evaluate_every": 1000}
    name = f"{problem}-{method}-{seed}".replace(" ", "-").replace(",", "")
    fit = common.fit(f"icnn_ot/{name}", [], chosen)
    return {"problem": problem, "method": method, "seed": seed, "folder": str(fit.folder),
            "fit": fit.record()}


def source_points(problem):
    if problem != "checkerboard":
        return normal(POINTS, 2)
    rng = numpy.random.default_rng(20)
    cells = numpy.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    return cells[rng.integers(5, size=POINTS)] + rng.uniform(-0.5, 0.5, (POINTS, 2))


def robustness(runs):
    """The variance of the map over the seeds at a point, in % of the target's."""
    maps = [moved(Path(run["folder"]), source_points(runs[0]["problem"])) for run in runs]
    gaps = [((a - b) ** 2).sum(1).mean() for a, b in itertools.combinations(maps, 2)]
    variance = statistics.median(points.var(0).sum() for points in maps)
    return 100 * statistics.mean(gaps) / 2 / variance if gaps else 0.0


def run():
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    parts = os.environ.get("BENCH_PARTS", "shift,mixture,plane").split(",")
    result = {"settings": {"seeds": SEEDS, "seconds": SECONDS, "points": POINTS, "parts": parts}}
    if "shift" in parts:
        result["shifts"] = common.in_parallel([lambda a=a: shift(a) for a in PAPER], workers)
    if "mixture" in parts:
        result["mixture"] = mixture()
    if "plane" in parts:
        runs = common.in_parallel([lambda p=p, m=m, s=s: plane(p, m, s)
                                   for s in SEEDS for p in PLANE for m in METHODS], workers)
        result["plane"] = runs
        result["robustness"] = [
            {"problem": p, "method": m, "variance": robustness(
                [run for run in runs if (run["problem"], run["method"]) == (p, m)])}
            for p in PLANE for m in METHODS]
    return result


def shift_table(shifts):
    rows = [[one["alpha"], f"{one['error']:.2g}", PAPER[one["alpha"]][0],
             f"{one['relative']:.2g}", PAPER[one["alpha"]][1], one["fit"]["steps"]]
            for one in shifts]
    return common.markdown(["α", "error of the mean", "paper", "in % of the shift's square",
                            "paper", "steps"], rows)


def mixture_text(one):
    shares = ", ".join(f"{share:.3f}" for share in one["shares"])
    return (f"784 dimensions to a mixture in two: shares of the four modes {shares} (0.25 each), "
            f"mean squared distance to the mode {one['spread']:.3f} a coordinate (0.2), what is "
            f"left in the other 782 coordinates {one['rest']:.3g} (0, before 782).")


def plane_table(result):
    rows = []
    for one in result["robustness"]:
        runs = [run["fit"] for run in result["plane"]
                if (run["problem"], run["method"]) == (one["problem"], one["method"])]
        rows.append([one["problem"], one["method"], common.digits(one["variance"]),
                     common.text_of(run["w2_squared"] for run in runs),
                     common.digits(statistics.median(run["w2_squared_floor"] for run in runs)),
                     common.text_of(run["transport_cost"] for run in runs),
                     common.digits(statistics.median(run["optimal_cost"] for run in runs))])
    return common.markdown(["problem", "method", "variance over starts, %", "W₂² to the target",
                            "floor", "transport cost", "optimal cost"], rows)


def table(result):
    parts = []
    if "shifts" in result:
        parts.append(shift_table(result["shifts"]))
    if "mixture" in result:
        parts.append(mixture_text(result["mixture"]))
    if "plane" in result:
        parts.append(plane_table(result) + f"\n\n{len(result['settings']['seeds'])} starts of every "
                     "method, as many seconds each; median (range). The variance of T(x) over "
                     "the starts is in % of the variance of the mapped points.")
    return "\n\n".join(parts)
