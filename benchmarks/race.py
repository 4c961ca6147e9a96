"""Accuracy against time: L2-UVP reached in a number of seconds, beside ENOT in OTT-JAX."""

import json
import os

import common
import numpy
import peers

DIMENSIONS = [16, 64]
BUDGETS = [4, 12, 36]  # seconds of training
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
SAMPLES, HELD_OUT = 100_000, 4000
FOLDER = common.OUT / "runs" / "race"
PEER = common.ROOT / "benchmarks" / "peers" / "ott_enot.py"
SIDES = {"monge": {}, "monge, identity start": {"solver.start": "identity"}, "ENOT, OTT-JAX": None}


def root_of_covariance(dimension, rng):
    """S^T Λ S with S a random rotation and Λ geometric from 1/2 to 2 (W2GN, appendix C.4)."""
    rotation, _ = numpy.linalg.qr(rng.normal(size=(dimension, dimension)))
    return rotation.T @ numpy.diag(numpy.geomspace(0.5, 2, dimension)) @ rotation


def power(matrix, exponent):
    values, vectors = numpy.linalg.eigh(matrix)
    return vectors @ numpy.diag(values**exponent) @ vectors.T


def make_problem(dimension, seed):
    """Samples of both Gaussians in files, held-out points, and their images under the true map."""
    rng = numpy.random.default_rng([dimension, seed])
    p, q = root_of_covariance(dimension, rng), root_of_covariance(dimension, rng)
    truth = power(p @ p, -0.5) @ power(p @ q @ q @ p, 0.5) @ power(p @ p, -0.5)
    folder = FOLDER / f"{dimension}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, root, count in [("source", p, SAMPLES), ("target", q, SAMPLES), ("held", p, HELD_OUT)]:
        points = rng.normal(size=(count, dimension)) @ root
        numpy.save(folder / f"{name}.npy", points.astype("float32"))
    held = numpy.load(folder / "held.npy")
    return folder, held @ truth, numpy.trace(q @ q)


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


def one_run(dimension, seed, side, budget):
    folder, truth, variance = PROBLEMS[dimension, seed]
    options = SIDES[side]
    mapped, record = (by_peer(folder, budget, seed) if options is None
                      else by_monge(folder, side, options, budget))
    error = ((numpy.load(mapped) - truth) ** 2).sum(1).mean()
    return {"dimension": dimension, "seed": seed, "side": side, "budget": budget,
            "l2_uvp": 100 * error / variance} | record


PROBLEMS = {}


def run():
    PROBLEMS.update({(dimension, seed): make_problem(dimension, seed)
                     for dimension in DIMENSIONS for seed in SEEDS})
    peers.environment("jax")
    # The sides in turn, so that a change of load meets all alike.
    cases = [(dimension, seed, side, budget) for dimension in DIMENSIONS for seed in SEEDS
             for budget in BUDGETS for side in SIDES]
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    runs = common.in_parallel([lambda case=case: one_run(*case) for case in cases], workers)
    return {"settings": {"budgets": BUDGETS, "seeds": SEEDS, "threads": 1,
                         "runs_at_once": workers, "samples": SAMPLES}, "runs": runs}


def table(result):
    settings = result["settings"]
    rows = []
    for dimension in DIMENSIONS:
        for side in SIDES:
            cells = []
            for budget in settings["budgets"]:
                chosen = [run for run in result["runs"] if run["dimension"] == dimension
                          and run["side"] == side and run["budget"] == budget]
                cells.append(common.text_of(run["l2_uvp"] for run in chosen))
            rows.append([dimension, side, *cells])
    header = ["D", "solver", *(f"{budget} s" for budget in settings["budgets"])]
    return common.markdown(header, rows) + (
        f"\n\nL2-UVP in % of the map, lower is better, after so many seconds of training from "
        f"{settings['samples']} samples of two Gaussians; median (range) of "
        f"{len(settings['seeds'])} pairs. One thread a run, {settings['runs_at_once']} at once; "
        "JAX's compilation does not count.")
