"""Seconds to a given accuracy from the affine, the identity and the pretrained start."""

import math
import os
import statistics

import common

STARTS = {
    "affine": {"solver.start": "affine"},
    "identity, network at 0": {"solver.start": "identity", "solver.network_share": 0},
    "identity, half by the network": {"solver.start": "identity", "solver.network_share": 0.5},
    "pretrain": {"solver.start": "pretrain"},
}
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
PRETRAIN_STEPS = 500
POINTS = 1000
SETTLED = {"train.evaluate_every": 100000, "evaluate.points": POINTS,
           "solver.pretrain_steps": PRETRAIN_STEPS}
PHOTOS = common.ROOT / "data" / "photos"


def gaussian(dimension):
    def problem(seed):
        return (["--recipe", "gaussian"],
                {"source.dimension": dimension, "target.dimension": dimension,
                 "source.seed": 2 * seed + 1, "target.seed": 2 * seed + 2})
    return problem


def photographs(_):
    return (["--recipe", "colour", "--source", PHOTOS / "china.jpg",
             "--target", PHOTOS / "flower.jpg"], {})


def worst_uvp(figures):
    return max(figures["l2_uvp"], figures["inverse_l2_uvp"])


def forward_energy(figures):
    return figures["energy_distance"]


# name -> the problem of a seed, the figure, its threshold, what that says
PROBLEMS = {
    "Gaussian, D = 16": (gaussian(16), worst_uvp, 1.0, "L2-UVP of both maps ≤ 1 %"),
    "Gaussian, D = 64": (gaussian(64), worst_uvp, 1.0, "L2-UVP of both maps ≤ 1 %"),
    "colour, china to flower": (photographs, forward_energy, 2e-3,
                                "energy distance ≤ 2e-3"),
}
# Steps; each budget is a run of its own, with the learning rate falling to 0 over it.
BUDGETS = [100, 200, 400, 800, 1600]


def one_run(problem, start, seed, steps):
    arguments, options = PROBLEMS[problem][0](seed)
    options |= SETTLED | STARTS[start] | {"seed": seed, "train.max_steps": steps}
    name = "-".join("".join(filter(str.isalnum, str(part)))
                    for part in (problem, start, seed, steps))
    return common.fit(f"starts/{name}", arguments, options)


def seconds_to_accuracy(problem, start, seed):
    """The smallest budget that reaches the threshold, and its processor seconds above those of
    a run of one step: loading, evaluation and the report are no part of learning."""
    _, figure, threshold, _ = PROBLEMS[problem]
    idle = one_run(problem, "identity, network at 0", seed, 1)
    found = {"problem": problem, "start": start, "seed": seed, "reached": False, "tried": []}
    for steps in BUDGETS:
        fit = one_run(problem, start, seed, steps)
        value = figure(fit.figures)
        found["tried"].append({"steps": steps, "figure": value,
                               "cpu_seconds": fit.finished.cpu - idle.finished.cpu})
        if value <= threshold:
            return found | {"reached": True, "steps": steps}
    return found


def run():
    cases = [(problem, start, seed) for problem in PROBLEMS for start in STARTS
             for seed in SEEDS]
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    runs = common.in_parallel(
        [lambda case=case: seconds_to_accuracy(*case) for case in cases], workers)
    return {"settings": {"seeds": SEEDS, "pretrain_steps": PRETRAIN_STEPS, "budgets": BUDGETS,
                         "points": POINTS, "threads": 1, "runs_at_once": workers},
            "runs": runs}


def cell(runs):
    reached = [run for run in runs if run["reached"]]
    best = statistics.median(run["tried"][-1]["figure"] for run in runs)
    if len(reached) < len(runs):
        return (f"reached by {len(reached)} of {len(runs)} in {BUDGETS[-1]} steps "
                f"(median figure {common.digits(best)})")
    seconds = common.text_of(max(run["tried"][-1]["cpu_seconds"], 0.0) for run in runs)
    steps = math.floor(statistics.median(run["steps"] for run in runs))
    return f"{seconds}; {steps} steps"


def table(result):
    rows = [[problem, PROBLEMS[problem][3]] +
            [cell([run for run in result["runs"]
                   if run["problem"] == problem and run["start"] == start])
             for start in STARTS] for problem in PROBLEMS]
    settings = result["settings"]
    return common.markdown(["problem", "reached when", *STARTS], rows) + (
        f"\n\nProcessor seconds of learning on one thread, median (range) of "
        f"{len(settings['seeds'])} seeds, at the smallest budget of "
        f"{', '.join(map(str, settings['budgets']))} steps that reaches the accuracy; "
        f"pretraining takes {settings['pretrain_steps']} steps of its own, which are counted.")
