"""Accuracy against time: L2-UVP reached in a number of seconds, beside ENOT in OTT-JAX."""

import json
import os

import common
import numpy
import pairs
import peers

DIMENSIONS = [16, 64]
BUDGETS = [4, 12, 36]  # seconds of training
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
SAMPLES, HELD_OUT = 100_000, 4000
FOLDER = common.OUT / "runs" / "race"
PEER = common.ROOT / "benchmarks" / "peers" / "ott_enot.py"
SIDES = {"monge": {}, "monge, identity start": {"solver.start": "identity"}, "ENOT, OTT-JAX": None}
# Gaussians are what the affine start solves by itself.
KINDS = {"Gaussians": list(SIDES), "benchmark pair": ["monge", "ENOT, OTT-JAX"]}


def root_of_covariance(dimension, rng):
    """S^T Λ S with S a random rotation and Λ geometric from 1/2 to 2 (W2GN, appendix C.4)."""
    rotation, _ = numpy.linalg.qr(rng.normal(size=(dimension, dimension)))
    return rotation.T @ numpy.diag(numpy.geomspace(0.5, 2, dimension)) @ rotation


def power(matrix, exponent):
    values, vectors = numpy.linalg.eigh(matrix)
    return vectors @ numpy.diag(values**exponent) @ vectors.T


def gaussians(dimension, rng):
    """Samplers of both Gaussians and the optimal map between them."""
    p, q = root_of_covariance(dimension, rng), root_of_covariance(dimension, rng)
    truth = power(p @ p, -0.5) @ power(p @ q @ q @ p, 0.5) @ power(p @ p, -0.5)
    return (lambda count: rng.normal(size=(count, dimension)) @ p,
            lambda count: rng.normal(size=(count, dimension)) @ q, lambda points: points @ truth)


def benchmark_pair(dimension, rng):
    """The same of the Wasserstein-2 benchmark's pair, whose map bends."""
    pair = next(pair for pair in pairs.bundled() if pair.dimension == dimension)
    return (lambda count: pair.sample_source(count, rng),
            lambda count: pair.map(pair.sample_source(count, rng)), pair.map)


def make_problem(kind, dimension, seed):
    """Samples of both measures in files, and the images of held-out points under the true map."""
    rng = numpy.random.default_rng([dimension, seed])
    source, target, truth = (gaussians if kind == "Gaussians" else benchmark_pair)(dimension, rng)
    folder = FOLDER / f"{kind.replace(' ', '-')}-{dimension}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw, count in [("source", source, SAMPLES), ("target", target, SAMPLES),
                              ("held", source, HELD_OUT)]:
        numpy.save(folder / f"{name}.npy", draw(count).astype("float32"))
    return folder, truth(numpy.load(folder / "held.npy"))


def by_monge(folder, name, options, budget):
    run = folder / f"run-{name.replace(', ', '-').replace(' ', '-')}-{budget}"
    chosen = options | {"train.max_seconds": budget, "evaluate.points": 200}
    finished = common.monge("fit", "--source", folder / "source.npy", "--target",
                            folder / "target.npy", *common.sets(chosen), "--out", run, "--force")
    mapped = run.with_suffix(".npy")
    common.monge("apply", run, "--in", folder / "held.npy", "--out", mapped, "--force")
    return mapped, {"process_seconds": finished.wall,
                    "steps": common.metrics(run)[-1]["step"]}


def by_peer(folder, budget, seed):
    mapped = folder / f"enot-{budget}.npy"
    finished = common.process([peers.environment("jax"), PEER, folder, budget, seed, mapped], 1)
    return mapped, {"process_seconds": finished.wall} | json.loads(finished.text.splitlines()[-1])


def one_run(kind, dimension, seed, side, budget):
    folder, truth = PROBLEMS[kind, dimension, seed]
    options = SIDES[side]
    mapped, record = (by_peer(folder, budget, seed) if options is None
                      else by_monge(folder, side, options, budget))
    return {"kind": kind, "dimension": dimension, "seed": seed, "side": side, "budget": budget,
            "l2_uvp": pairs.uvp(numpy.load(mapped), truth, truth.var(0).sum())} | record


PROBLEMS = {}


def run():
    problems = [(kind, dimension, seed) for kind in KINDS for dimension in DIMENSIONS
                for seed in SEEDS]
    PROBLEMS.update({problem: make_problem(*problem) for problem in problems})
    peers.environment("jax")
    # The sides in turn, so that a change of load meets all alike.
    cases = [(*problem, side, budget) for problem in problems for budget in BUDGETS
             for side in KINDS[problem[0]]]
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    runs = common.in_parallel([lambda case=case: one_run(*case) for case in cases], workers)
    return {"settings": {"budgets": BUDGETS, "seeds": SEEDS, "threads": 1,
                         "runs_at_once": workers, "samples": SAMPLES}, "runs": runs}


def row(result, kind, dimension, side):
    chosen = [run for run in result["runs"] if run["kind"] == kind
              and run["dimension"] == dimension and run["side"] == side]
    return [kind, dimension, side] + [
        common.text_of(run["l2_uvp"] for run in chosen if run["budget"] == budget)
        for budget in result["settings"]["budgets"]]


def table(result):
    settings = result["settings"]
    rows = [row(result, kind, dimension, side)
            for kind, sides in KINDS.items() for dimension in DIMENSIONS for side in sides]
    header = ["problem", "D", "solver", *(f"{budget} s" for budget in settings["budgets"])]
    return common.markdown(header, rows) + (
        f"\n\nL2-UVP in % of the map, lower is better, after so many seconds of training from "
        f"{settings['samples']} samples of both measures; median (range) of "
        f"{len(settings['seeds'])} seeds (Gaussians: pairs). One thread a run, "
        f"{settings['runs_at_once']} at once; JAX's compilation does not count.")
