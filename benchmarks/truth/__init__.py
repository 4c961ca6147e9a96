"""L2-UVP on ground-truth pairs (the Wasserstein-2 benchmark): problems, fits and their figures."""

import os
import re
import threading
from pathlib import Path

import common
import numpy
import pairs

# L2-UVP forward in %: the best of eleven solvers, after hours on a GPU.
PUBLISHED = {2: 0.1, 4: 0.3, 8: 0.7, 16: 1.4, 32: 2.8, 64: 3.2, 128: 2.0}
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
WORKERS = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
SAMPLES, HELD_OUT = 1 << 19, 1 << 14
FOLDER = common.OUT / "runs" / "truth"


def all_pairs():
    """The project's pairs, or those of the files that BENCH_PAIRS lists."""
    if "BENCH_PAIRS" not in os.environ:
        return pairs.bundled()
    return [pairs.Pair(Path(file)) for file in words("BENCH_PAIRS", "")]


def words(name, usual):
    """The list that an environment variable holds, its parts parted by commas."""
    return os.environ.get(name, usual).split(",")


def budgets(usual):
    """[seconds, threads] of BENCH_SECONDS, each written as 240 or, with two threads, 240x2."""
    parted = [word.partition("x") for word in words("BENCH_SECONDS", usual)]
    return [[float(seconds), int(threads or 1)] for seconds, _, threads in parted]


class Problem:
    """Independent samples of both measures in files, and held-out points with their images."""

    def __init__(self, pair, seed):
        rng = numpy.random.default_rng([pair.dimension, seed])
        self.folder = FOLDER / f"{pair.name}-{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.x = pair.sample_source(HELD_OUT, rng)
        self.y = pair.map(self.x)
        for name, points in {
                "source": pair.sample_source(SAMPLES, rng),
                "target": pair.map(pair.sample_source(SAMPLES, rng)),
                "x": self.x, "y": self.y}.items():
            numpy.save(self.folder / f"{name}.npy", points.astype("float32"))

    def applied(self, run, points, *how):
        out = run / f"{points}.npy"
        common.monge("apply", run, "--in", self.folder / f"{points}.npy", "--out", out, "--force",
                     *how)
        return numpy.load(out)


def one_run(pair, problem, side, options, budget, seed):
    seconds, threads = budget
    name = f"{problem.folder.relative_to(common.OUT / 'runs')}/{side}-{seconds:g}x{threads}"
    fit = common.fit(re.sub("[ :,]+", "-", name),
                     ["--source", problem.folder / "source.npy", "--target",
                      problem.folder / "target.npy"],
                     options | {"seed": seed, "train.max_seconds": seconds,
                                "evaluate.points": 500}, threads, may_diverge=True)
    forward = problem.applied(fit.folder, "x")
    record = {"pair": pair.name, "dimension": pair.dimension, "solver": side, "budget": budget,
              "seed": seed, "steps": fit.steps, "seconds": fit.train_seconds,
              "process_seconds": fit.finished.wall,
              "ended_early": fit.ended_early,
              "l2_uvp": pairs.uvp(forward, problem.y, problem.y.var(0).sum()),
              "cosine": pairs.cosine(problem.x, forward, problem.y), "inverse_l2_uvp": None}
    if "inverse_energy_distance" in fit.figures:
        record["inverse_l2_uvp"] = pairs.uvp(problem.applied(fit.folder, "y", "--inverse"),
                                             problem.x, problem.x.var(0).sum())
    return record


def result_of(benchmark, solvers, times):
    """Every pair, seed, [seconds, threads] of `times` and solver {name: options}."""
    known, problems, made = all_pairs(), {}, threading.Lock()

    def problem(pair, seed):
        with made:
            if (pair.name, seed) not in problems:
                problems[pair.name, seed] = Problem(pair, seed)
            return problems[pair.name, seed]

    def measured(pair, side, options, budget, seed):
        question = {"pair": pair.name, "options": options, "budget": budget, "seed": seed,
                    "samples": SAMPLES, "held_out": HELD_OUT}
        return common.case(benchmark, question, lambda: one_run(
            pair, problem(pair, seed), side, options, budget, seed))

    lines = []
    for threads in sorted({threads for _, threads in times}):
        # The solvers in turn, so that a change of load meets all alike.
        cases = [(pair, side, options, budget, seed) for seed in SEEDS for pair in known
                 for budget in times if budget[1] == threads for side, options in solvers.items()]
        lines += common.in_parallel([lambda case=case: measured(*case) for case in cases],
                                    max(1, WORKERS // threads))
    lines = [line for line in lines if line]
    return {"settings": {"budgets": times, "seeds": SEEDS, "threads_at_once": WORKERS,
                         "samples": SAMPLES, "held_out": HELD_OUT, "solvers": solvers},
            "places": common.places(lines), "runs": [line["figures"] for line in lines]}


def of(runs, **wanted):
    return [run for run in runs if all(run[key] == value for key, value in wanted.items())]


def names(runs, key):
    return list(dict.fromkeys(run[key] for run in runs))


def figures(runs, key, seeds):
    """The median and range of a figure of runs, "–" where none has it; of fewer runs than seeds,
    how many."""
    values = [run[key] for run in runs if run[key] is not None]
    few = f", {len(runs)} of {len(seeds)} seeds" if len(runs) < len(seeds) else ""
    return common.text_of(values) + few if values else "–"


def footer(result):
    settings = result["settings"]
    return (f"L2-UVP in %, lower is better, after training from {settings['samples']} samples of "
            f"each measure, on {settings['held_out']} held-out points; median (range) of "
            f"{len(settings['seeds'])} seeds, {settings['threads_at_once']} threads at once. "
            f"{result['places']}")
