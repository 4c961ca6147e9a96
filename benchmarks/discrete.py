"""Exact and entropic discrete transport beside POT, at the same points, cores and tolerance."""

import json
import os
import sys

import common
import numpy
import peers

POINTS = [int(n) for n in os.environ.get("BENCH_POINTS", "1000,5000").split(",")]
DIMENSIONS = [2, 64]
THREADS = [1, 2]
EPSILON = 0.05  # of the mean cost
TOLERANCE = 1e-6
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 3))
ONCE_ABOVE = 40  # seconds: slower runs are not repeated
PEERS = {"exact": ["emd"], "entropic": ["sinkhorn_log", "sinkhorn"]}
VALUE_TOLERANCE = 1e-6  # relative

FOLDER = common.OUT / "runs" / "discrete"
PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_discrete"
PEER = common.ROOT / "benchmarks" / "peers" / "pot_discrete.py"
# Some machines set these to an older processor, which slows NumPy.
SLOWING = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


def write_points(n, dimension):
    """Two standard Gaussian clouds, the second moved and stretched; float32 numbers, so that both
    sides solve the same problem. Returns their files and the mean cost."""
    rng = numpy.random.default_rng([n, dimension])
    x = rng.normal(size=(n, dimension)).astype("float32")
    y = (0.5 + 1.5 * rng.normal(size=(n, dimension))).astype("float32")
    paths = [FOLDER / f"{side}-{n}-{dimension}.npy" for side in ("source", "target")]
    for path, points in zip(paths, (x, y)):
        numpy.save(path, points)
    x, y = x.astype("float64"), y.astype("float64")
    apart = ((x.mean(0) - y.mean(0)) ** 2).sum() + x.var(0).sum() + y.var(0).sum()
    return paths, 0.5 * apart


def solve(side, arguments, threads):
    command = {"monge": [PROGRAM], "pot": [peers.environment("discrete"), PEER]}[side]
    return json.loads(common.process([*command, *arguments], threads, without=SLOWING)
                      .text.splitlines()[-1])


def measure(kind, n, dimension, threads):
    paths, mean_cost = write_points(n, dimension)
    limits = [] if kind == "exact" else [EPSILON * mean_cost, TOLERANCE]
    runs = {name: [] for name in ("monge", *PEERS[kind])}
    for _ in range(REPETITIONS):  # interleaved, so that a change of load meets all alike
        runs["monge"].append(solve("monge", [kind, *paths, *limits], threads))
        for method in PEERS[kind]:
            if runs[method] and runs[method][0]["wall"] > ONCE_ABOVE:
                continue
            runs[method].append(solve("pot", [method, *paths, *limits], threads))
    return runs


def disagreement(runs, method):
    """Relative, of the costs."""
    ours, theirs = runs["monge"][0]["cost"], runs[method][0]["cost"]
    return abs(ours - theirs) / abs(theirs)


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    return {"settings": {"repetitions": REPETITIONS, "epsilon": EPSILON, "tolerance": TOLERANCE,
                         "peer": peers.requirements_file("discrete").read_text().split()},
            "runs": [{"kind": kind, "n": n, "dimension": d, "threads": threads,
                      "runs": measure(kind, n, d, threads)}
                     for kind in PEERS for n in POINTS for d in DIMENSIONS for threads in THREADS]}


def rows_of(one):
    runs, rows = one["runs"], []
    for method in PEERS[one["kind"]]:
        def ratio(clock):
            return common.interval([theirs[clock] / ours[clock]
                                    for ours, theirs in zip(runs["monge"], runs[method])])

        def both(key, form):
            return " / ".join(format(runs[side][0][key], form) for side in ("monge", method)
                              if key in runs[side][0]) or "–"

        rows.append([one["kind"], one["n"], one["dimension"], one["threads"],
                     common.text_of(run["wall"] for run in runs["monge"]), method,
                     common.text_of(run["wall"] for run in runs[method]),
                     ratio("wall"), ratio("cpu"), both("iterations", "d"),
                     both("marginal_error", ".0e"),
                     f"{disagreement(runs, method):.0e}"])
    return rows


def table(result):
    header = ["problem", "n", "D", "threads", "monge, s", "POT", "s", "POT / monge, clock",
              "processor", "iterations", "marginal error", "difference of costs"]
    settings = result["settings"]
    rows = [row for one in result["runs"] for row in rows_of(one)]
    pot = next(line for line in settings["peer"] if line.startswith("POT"))
    apart = [f"{one['kind']} n = {one['n']}, D = {one['dimension']}" for one in result["runs"]
             if disagreement(one["runs"], PEERS[one["kind"]][0]) > VALUE_TOLERANCE]
    text = common.markdown(header, rows) + (
        f"\n\nMedian (range) of {settings['repetitions']} interleaved pairs of processes (one "
        f"where POT takes more than {ONCE_ABOVE} s), the matrix of costs included; ratios of pairs "
        f"with {common.interval_name(settings['repetitions'])}. "
        f"Quadratic cost, equal weights; entropic: epsilon {settings['epsilon']:g} of the mean "
        f"cost, marginal error at most {settings['tolerance']:g} in the 1-norm (monge / POT: "
        f"iterations and the error that they reached). {pot}.")
    if apart:
        text += f"\n\nCosts differ by more than {VALUE_TOLERANCE:g}: {', '.join(apart)}."
    return text
