"""Log-densities of learned maps in the plane beside the true ones, by change of variables."""

import math
import os

import common
import numpy
import torch
import toys
from gallery.figure import plt, save

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
POINTS = 4000  # of the target, on which errors are taken
SIDE = 150  # of the picture's grid
REACH = 2.2  # of the picture around 0
DEPTH = 12  # nats below the highest density that the picture shows
THREADS = 1
ALONG = 500  # Gaussians along the roll, closer than their deviation
TARGETS = {
    "8 wide Gaussians": {"name": "gaussian_ring", "count": 8, "radius": 2**0.5, "std": 0.3},
    "8 narrow Gaussians": {"name": "gaussian_ring", "count": 8, "radius": 2**0.5, "std": 0.05},
    "Swiss roll": {"name": "swiss_roll", "noise": 0.25, "scale": 2 / 15},
}
RECIPE = common.ROOT / "recipes" / "density.toml"
SOLVERS = {  # over the recipe
    "dual": {},
    "W2GN": {"solver.name": "w2gn", "solver.cycle_weight": 10, "solver.batch": 64,
             "solver.learning_rate": 1e-2, "train.max_steps": 8000},
}
FOLDER = common.OUT / "runs" / "gallery" / "density"


def log_density(target, points):
    """That of equal round Gaussians; those of the roll lie along its curve."""
    centres = (target.centres if isinstance(target, toys.Mixture)
               else target.curve((numpy.arange(ALONG) + 0.5) / ALONG))
    variance = target.std**2
    parts = [torch.logsumexp(-torch.cdist(part, torch.from_numpy(centres)) ** 2 / (2 * variance), 1)
             for part in torch.from_numpy(points).split(2000)]
    return torch.cat(parts).numpy() - math.log(len(centres) * 2 * math.pi * variance)


def target_of(name):
    return toys.target_of({"target": TARGETS[name]})


def grid():
    line = numpy.linspace(-REACH, REACH, SIDE)
    return numpy.stack(numpy.meshgrid(line, line), -1).reshape(-1, 2)


def learned_log_density(run, points, name):
    numpy.save(FOLDER / f"{name}-at.npy", points.astype("float32"))
    common.monge("apply", run, "--in", FOLDER / f"{name}-at.npy", "--log-density", "--out",
                 FOLDER / f"{name}.npy", "--force", threads=THREADS)
    return numpy.load(FOLDER / f"{name}.npy")[:, 0].astype("float64")


def learn(name, solver, seed):
    target = target_of(name)
    options = {f"target.{key}": value for key, value in TARGETS[name].items()}
    label = f"{name}-{solver}-{seed}".replace(" ", "-")
    fit = common.fit(f"gallery/density/{label}", [RECIPE],
                     {"seed": seed} | options | SOLVERS[solver], THREADS)
    points = target.sample(POINTS, numpy.random.default_rng(20))
    gaps = log_density(target, points) - learned_log_density(fit.folder, points, label)
    return {"target": name, "solver": solver, "seed": seed, "folder": str(fit.folder),
            "absolute_error": float(numpy.abs(gaps).mean()),
            "median_error": float(numpy.median(numpy.abs(gaps))),
            "kl_target": float(gaps.mean()), "fit": fit.record()}


def draw(runs):
    columns = ["true", *SOLVERS]
    figure, axes = plt.subplots(len(TARGETS), len(columns), figsize=(7.2, 7.2), sharex=True,
                                sharey=True)
    for row, name in zip(axes, TARGETS):
        true = log_density(target_of(name), grid())
        for axis, column in zip(row, columns):
            values = true
            if column != "true":
                run = next(one for one in runs
                           if (one["target"], one["solver"]) == (name, column))
                values = learned_log_density(run["folder"], grid(), "grid")
            axis.imshow(values.reshape(SIDE, SIDE), origin="lower", extent=2 * [-REACH, REACH],
                        cmap="magma", vmin=true.max() - DEPTH, vmax=true.max())
            axis.set(xticks=[], yticks=[])
            if name == next(iter(TARGETS)):
                axis.set_title(column)
        row[0].set_ylabel(name)
    save(figure, "gallery.density")


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    jobs = [lambda name=name, solver=solver, seed=seed: learn(name, solver, seed)
            for name in TARGETS for solver in SOLVERS for seed in SEEDS]
    runs = common.in_parallel(jobs, workers)
    draw(runs)
    return {"settings": {"points": POINTS, "threads": THREADS, "runs_at_once": workers,
                         "targets": TARGETS, "solvers": SOLVERS}, "runs": runs}


def kl_pushed(one):
    """None where the density of the target is not known to the program."""
    return one["fit"].get("kl_pushed")


def table(result):
    rows = []
    for name in TARGETS:
        for solver in SOLVERS:
            runs = [one for one in result["runs"]
                    if (one["target"], one["solver"]) == (name, solver)]
            pushed = [kl_pushed(one) for one in runs if kl_pushed(one) is not None]
            rows.append([name, solver,
                         *(common.text_of(one[key] for one in runs)
                           for key in ("absolute_error", "median_error", "kl_target")),
                         common.text_of(pushed) if pushed else "–",
                         common.text_of(one["fit"]["cpu_seconds"] for one in runs)])
    header = ["target Q", "solver", "mean absolute error", "median absolute error", "KL(Q ‖ T#P)",
              "KL(T#P ‖ Q)", "processor s"]
    return common.markdown(header, rows) + (
        f"\n\nErrors of log-densities in nats on {result['settings']['points']} fresh points of Q; "
        f"median (range) of {len({one['seed'] for one in result['runs']})} seeds; "
        f"processor seconds of whole processes, {result['settings']['threads']} thread.")
