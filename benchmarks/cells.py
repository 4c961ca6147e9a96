"""Cells of a day that nobody has seen, predicted from the days before and after it."""

import functools
import json
import os

import common
import numpy
import torch

SETUPS = [(2, 4, 3), (3, 7, 4)]  # first day, last day, the day predicted
DATA = common.ROOT / "data" / "single-cell"
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
THREADS = 1
# A solver and its options; a method is one line.
SOLVERS = {
    "light_sb": {"solver.name": "light_sb"},
    "light_sb, barycentric": {"solver.name": "light_sb", "solver.map": "barycentric"},
    "w2gn": {"solver.name": "w2gn"},
    "saddle_point": {"solver.name": "saddle_point"},
}
PUBLISHED = {"LightSB (Korotin et al. 2024), 4 cores": ("2.31 ± 0.27", "65")}
ROWS = 1000  # of distances at a time
FOLDER = common.OUT / "runs" / "cells"
EXACT = common.MONGE.parent / "benchmarks" / "monge_bench_discrete"


def path(day):
    return DATA / f"day{day}.npy"


def cells(day):
    return numpy.load(path(day)).astype("float64")


def energy(predicted, day):
    """E|a - b| - ½ E|a - a'| - ½ E|b - b'| without bias: half of Monge's energy distance, which is
    what the published figures are."""
    centre = torch.from_numpy(cells(day)).mean(0)
    a, b = (points_of(points, centre) for points in (predicted, cells(day)))
    across = sum(distances(part, b) for part in a.split(ROWS)) / (len(a) * len(b))
    return across - 0.5 * within(a) - 0.5 * within_day(day)


def points_of(points, centre):
    """float32 around the centre, which is enough for six digits of a mean distance."""
    return (torch.from_numpy(points.astype("float64")) - centre).float()


def distances(a, b):
    return torch.cdist(a, b).sum(dtype=torch.float64).item()


def within(points):
    """The mean distance of two different points; blocks off the diagonal are taken once."""
    parts = points.split(ROWS)
    total = sum(distances(part, part) for part in parts)
    total += 2 * sum(distances(part, points[i * ROWS + len(part):])
                     for i, part in enumerate(parts))
    return total / (len(points) * (len(points) - 1))


@functools.cache
def within_day(day):
    return within(points_of(cells(day), torch.from_numpy(cells(day)).mean(0)))


def record(method, setup, seed, predicted, seconds, **more):
    first, last, middle = setup
    return {"method": method, "first": first, "last": last, "middle": middle, "seed": seed,
            "energy": energy(predicted, middle), "seconds": seconds,
            **more}


def share(setup):
    first, last, middle = setup
    return (middle - first) / (last - first)


def random_pairs(setup, seed):
    rng = numpy.random.default_rng(seed)
    x, y = cells(setup[0]), cells(setup[1])
    t = share(setup)
    return record("straight lines between random pairs", setup, seed,
                  (1 - t) * x + t * y[rng.integers(len(y), size=len(x))], 0)


def exact(setup, seed):
    out = FOLDER / f"exact-{setup[0]}-{seed}.npy"
    done = common.process([EXACT, "displaced", path(setup[0]), path(setup[1]), share(setup), seed,
                           out], THREADS)
    return record("exact discrete plan", setup, seed, numpy.load(out),
                  json.loads(done.text.splitlines()[-1])["wall"])


def learned(method, setup, seed):
    name = f"{method.replace(', ', '-')}-{setup[0]}-{seed}"
    fit = common.fit(f"cells/{name}", ["--source", path(setup[0]), "--target", path(setup[1])],
                     {"seed": seed, **SOLVERS[method]}, THREADS)
    out = FOLDER / f"{name}.npy"
    common.monge("apply", fit.folder, "--in", path(setup[0]), "--out", out, "--time", share(setup),
                 "--force", threads=THREADS)
    return record(method, setup, seed, numpy.load(out), fit.train_seconds, fit=fit.record())


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    runs = [record("source unmoved", setup, 0, cells(setup[0]), 0) for setup in SETUPS]
    jobs = [lambda setup=setup, seed=seed, of=of: of(setup, seed)
            for of in (random_pairs, exact) for setup in SETUPS for seed in SEEDS]
    jobs += [lambda method=method, setup=setup, seed=seed: learned(method, setup, seed)
             for method in SOLVERS for setup in SETUPS for seed in SEEDS]
    return {"settings": {"setups": SETUPS, "seeds": SEEDS, "threads": THREADS,
                         "runs_at_once": workers},
            "runs": runs + common.in_parallel(jobs, workers)}


def table(result):
    rows = [[name, "–", "–", value, seconds] for name, (value, seconds) in PUBLISHED.items()]
    for method in dict.fromkeys(one["method"] for one in result["runs"]):
        runs = [one for one in result["runs"] if one["method"] == method]
        of_setups = [[one["energy"] for one in runs if one["first"] == setup[0]]
                     for setup in result["settings"]["setups"]]
        means = [numpy.mean(pair) for pair in zip(*of_setups)]
        rows.append([method, *(common.text_of(values) for values in of_setups),
                     common.text_of(means),
                     common.text_of(one["seconds"] for one in runs) if runs[0]["seconds"] else "–"])
    header = ["method", *(f"day {first} → {last}, day {middle} predicted"
                          for first, last, middle in result["settings"]["setups"]),
              "mean of both", "training s"]
    settings = result["settings"]
    return common.markdown(header, rows) + (
        "\n\nEnergy distance E‖a − b‖ − ½ E‖a − a′‖ − ½ E‖b − b′‖ between predicted and true cells, "
        f"50 principal components, lower is better; median (range) of {len(settings['seeds'])} "
        f"seeds, every solver at its defaults, {settings['threads']} thread.")
