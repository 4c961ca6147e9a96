"""L2-UVP of both maps between random Gaussians, D = 2 to 256 (W2GN, appendix C.4)."""

import os
import statistics

import common

# L2-UVP in % of the paper's W2GN (table 1); where the paper says "< 1", 1 is the bound.
PAPER = {2: "< 1", 4: "< 1", 8: "< 1", 16: "< 1", 32: "< 1", 64: "< 1", 128: "1", 256: "1.1"}
STEPS = {2: 3000, 4: 3000, 8: 3000, 16: 1200, 32: 1200, 64: 1000, 128: 700, 256: 700}
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
MOST_SECONDS = 60  # on the clock, of the whole process: start, training, evaluation and report
THREADS = 2
POINTS = 1000


def bound(dimension):
    return float(PAPER[dimension].removeprefix("< "))


def options(dimension, start, seed):
    return {
        "seed": seed, "source.dimension": dimension, "target.dimension": dimension,
        "source.seed": 2 * seed + 1, "target.seed": 2 * seed + 2,
        "solver.start": start, "network.rank": 1, "network.hidden": [dimension] * 3,
        "train.max_steps": STEPS[dimension],
        "train.evaluate_every": STEPS[dimension] // 5 + 1, "evaluate.points": POINTS,
    }


def learn(dimension, start, seed):
    chosen = options(dimension, start, seed)
    if start == "affine, not trained":
        chosen |= {"solver.start": "affine", "solver.network_share": 0, "train.max_steps": 1,
                   "solver.learning_rate": 1e-12}
    name = f"gaussian/{dimension}-{start.split(',')[0]}{'-0' if ',' in start else ''}-{seed}"
    fit = common.fit(name, ["--recipe", "gaussian"], chosen, threads=THREADS)
    return {"dimension": dimension, "start": start, "seed": seed} | fit.record()


def run():
    cases = [(dimension, start, seed)
             for dimension in sorted(PAPER, reverse=True) for seed in SEEDS
             for start in ("affine", "identity", "affine, not trained")
             if seed == SEEDS[0] or "not" not in start]
    runs = [learn(*case) for case in cases]
    return {"settings": {"steps": STEPS, "seeds": SEEDS, "most_seconds": MOST_SECONDS,
                         "points": POINTS, "hidden": "[D, D, D]", "rank": 1,
                         "threads": THREADS},
            "paper": PAPER, "runs": runs, "failed": failures(runs)}


def chosen_runs(runs, dimension, start):
    return [run for run in runs if run["dimension"] == dimension and run["start"] == start]


def failures(runs):
    """Where a median is above the paper's figure, or a run takes more than its time."""
    failed = []
    for dimension in PAPER:
        for start in ("affine", "identity"):
            chosen = chosen_runs(runs, dimension, start)
            for key in ("l2_uvp", "inverse_l2_uvp"):
                value = statistics.median(run[key] for run in chosen)
                if value > bound(dimension):
                    failed.append(f"D = {dimension}, {start}, {key}: {value:.2f}")
            seconds = statistics.median(run["process_seconds"] for run in chosen)
            if seconds > MOST_SECONDS:
                failed.append(f"D = {dimension}, {start}: {seconds:.0f} s")
    return failed


def table(result):
    rows = []
    for dimension in PAPER:
        row = [dimension, PAPER[dimension]]
        for start in ("affine", "identity", "affine, not trained"):
            chosen = chosen_runs(result["runs"], dimension, start)
            row += [common.text_of(run[key] for run in chosen)
                    for key in ("l2_uvp", "inverse_l2_uvp")]
        trained = [run for run in result["runs"]
                   if run["dimension"] == dimension and run["steps"] > 1]
        row.append(common.text_of(run["train_seconds"] for run in trained))
        row.append(common.text_of(run["process_seconds"] for run in trained))
        rows.append(row)
    header = ["D", "paper, forward", "affine start, forward", "inverse",
              "identity start, forward", "inverse", "affine map alone, forward", "inverse",
              "training s", "whole process s"]
    settings = result["settings"]
    text = common.markdown(header, rows)
    text += (f"\n\nL2-UVP in %, median (range) of {len(settings['seeds'])} pairs of Gaussians, "
             f"lower is better; DenseICNN [1; D, D, D], {settings['threads']} threads, one run at a "
             f"time, seconds on the clock.")
    if result["failed"]:
        text += "\n\nFailed: " + "; ".join(result["failed"]) + "."
    return text
