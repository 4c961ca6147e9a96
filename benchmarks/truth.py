"""L2-UVP on ground-truth pairs, solver by solver, from samples only (the Wasserstein-2 benchmark)."""

import json
import os
from pathlib import Path

import common
import numpy
import pairs

# One row of the table each: what `monge fit --source --target` is given besides.
SOLVERS = {
    "default (dual)": {},
    "dual, MM-1": {"solver.name": "dual", "solver.conjugate_tolerance": 1e-3,
                   "solver.conjugate_evaluations": 100},
    "W2GN": {"solver.name": "w2gn"},
    "MM-2": {"solver.name": "saddle_point", "network.name": "dense_icnn"},
    "MM:R": {"solver.name": "saddle_point", "network.name": "mlp", "solver.residual": True,
             "network.hidden": [128, 128, 128]},
}
# L2-UVP forward in %: the best of eleven solvers, after hours on a GPU.
PUBLISHED = {2: 0.1, 4: 0.3, 8: 0.7, 16: 1.4, 32: 2.8, 64: 3.2, 128: 2.0}


def chosen(name, everything):
    """The part of a list that an environment variable names, or all of it."""
    wanted = os.environ.get(name)
    return [one for one in everything if one in wanted.split(",")] if wanted else everything


SIDES = chosen("BENCH_SOLVERS", list(SOLVERS))
BUDGETS = [float(s) for s in os.environ.get("BENCH_SECONDS", "15,60,240").split(",")]
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
WORKERS = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
THREADS = int(os.environ.get("BENCH_THREADS", 1))
SAMPLES, HELD_OUT = 1 << 17, 1 << 14
FOLDER = common.OUT / "runs" / "truth"


def all_pairs():
    """The project's pairs, or those of the files that BENCH_PAIRS lists."""
    files = os.environ.get("BENCH_PAIRS")
    if not files:
        return pairs.bundled()
    return [pairs.Pair(Path(file)) for file in files.split(",")]


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


def one_run(pair, problem, side, budget, seed):
    run = problem.folder / f"{side.replace(' ', '-').replace(':', '')}-{budget:g}"
    options = SOLVERS[side] | {"seed": seed, "train.max_seconds": budget, "evaluate.points": 500}
    finished = common.monge("fit", "--source", problem.folder / "source.npy", "--target",
                            problem.folder / "target.npy", *common.sets(options), "--out", run,
                            "--force", threads=THREADS)
    forward = problem.applied(run, "x")
    record = {"pair": pair.name, "dimension": pair.dimension, "solver": side, "budget": budget,
              "seed": seed, "steps": common.metrics(run)[-1]["step"],
              "process_seconds": finished.wall,
              "l2_uvp": pairs.uvp(forward, problem.y, problem.y.var(0).sum()),
              "cosine": pairs.cosine(problem.x, forward, problem.y), "inverse_l2_uvp": None}
    if "inverse_energy_distance" in json.loads((run / "evaluation.json").read_text()):
        record["inverse_l2_uvp"] = pairs.uvp(problem.applied(run, "y", "--inverse"), problem.x,
                                             problem.x.var(0).sum())
    return record


def run():
    known = all_pairs()
    problems = {(pair.name, seed): Problem(pair, seed) for pair in known for seed in SEEDS}
    # The solvers in turn, so that a change of load meets all alike.
    cases = [(pair, problems[pair.name, seed], side, budget, seed) for pair in known
             for seed in SEEDS for budget in BUDGETS for side in SIDES]
    runs = common.in_parallel([lambda case=case: one_run(*case) for case in cases], WORKERS)
    plot(runs)
    return {"settings": {"budgets": BUDGETS, "seeds": SEEDS, "threads": THREADS,
                         "runs_at_once": WORKERS, "samples": SAMPLES, "held_out": HELD_OUT,
                         "solvers": {side: SOLVERS[side] for side in SIDES}}, "runs": runs}


def of(runs, **wanted):
    return [run for run in runs if all(run[key] == value for key, value in wanted.items())]


def names(runs, key):
    return list(dict.fromkeys(run[key] for run in runs))


def plot(runs):
    """Accuracy against time, one panel a pair: build/bench/truth.svg."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as pyplot

    every = names(runs, "pair")
    figure, panels = pyplot.subplots(1, len(every), figsize=(4 * len(every), 3.6), squeeze=False)
    for panel, pair in zip(panels[0], every):
        for side in names(runs, "solver"):
            rows = [[run["l2_uvp"] for run in of(runs, pair=pair, solver=side, budget=budget)]
                    for budget in BUDGETS]
            middle = [numpy.median(row) for row in rows]
            panel.plot(BUDGETS, middle, marker="o", label=side)
            panel.fill_between(BUDGETS, [min(row) for row in rows], [max(row) for row in rows],
                               alpha=0.2)
        dimension = of(runs, pair=pair)[0]["dimension"]
        if dimension in PUBLISHED:
            panel.axhline(PUBLISHED[dimension], color="grey", linestyle=":", label="best published")
        panel.set(xscale="log", yscale="log", xlabel="seconds of training", title=f"D = {dimension}")
    panels[0][0].set_ylabel("L2-UVP, %")
    panels[0][-1].legend(fontsize=7)
    figure.tight_layout()
    common.OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(common.OUT / "truth.svg")


def table(result):
    runs, rows = result["runs"], []
    for pair in names(runs, "pair"):
        for side in names(runs, "solver"):
            last = of(runs, pair=pair, solver=side, budget=max(result["settings"]["budgets"]))
            dimension = last[0]["dimension"]
            inverse = [run["inverse_l2_uvp"] for run in last if run["inverse_l2_uvp"] is not None]
            rows.append([dimension, side,
                         *(common.text_of(run["l2_uvp"] for run in
                                          of(runs, pair=pair, solver=side, budget=budget))
                           for budget in result["settings"]["budgets"]),
                         PUBLISHED.get(dimension, "–"),
                         common.text_of(inverse) if inverse else "–",
                         common.text_of(run["cosine"] for run in last),
                         common.text_of(run["steps"] for run in last)])
    settings = result["settings"]
    budgets = [f"forward, {budget:g} s" for budget in settings["budgets"]]
    return common.markdown(["D", "solver", *budgets, "best published", "inverse, at the end",
                            "cosine", "steps"], rows) + (
        f"\n\nL2-UVP in %, lower is better, after so many seconds of training from "
        f"{settings['samples']} samples of each measure, on {settings['held_out']} held-out points; "
        f"median (range) of {len(settings['seeds'])} seeds. {settings['threads']} thread(s) a run, "
        f"{settings['runs_at_once']} at once.")
