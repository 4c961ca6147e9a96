"""Cells of one day moved to another, from an AnnData file to an AnnData file."""

import os

import anndata
import common
import numpy
import pandas
from gallery.energy import energy
from gallery.figure import plt, save

PAIRS = [(2, 3), (3, 4)]
DAYS = [2, 3, 4]
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
METHODS = {"recipe cells-h5ad (dual)": {}, "light_sb": {"solver.name": "light_sb"}}
THREADS = 1
HELD_OUT = 0.2  # of the cells of a day, which no map sees
SHOWN = 1500  # cells of a kind in the picture
FOLDER = common.OUT / "runs" / "gallery-cells"


def make_file(path):
    """The bundled days in one AnnData file, as a laboratory would keep them: obs and obsm/X_pca."""
    points = [numpy.load(common.ROOT / "data" / "single-cell" / f"day{day}.npy") for day in DAYS]
    days = numpy.repeat(DAYS, [len(part) for part in points])
    held_out = numpy.random.default_rng(0).random(len(days)) < HELD_OUT
    obs = pandas.DataFrame({"day": pandas.Categorical(days),
                            "split": pandas.Categorical(numpy.where(held_out, "test", "train"))},
                           index=[f"cell-{i}" for i in range(len(days))])
    cells = anndata.AnnData(obs=obs)
    cells.obsm["X_pca"] = numpy.concatenate(points).astype("f4")
    cells.write_h5ad(path)
    return cells


def chosen(path, day, split):
    return f"{path}:X_pca:day={day}:split={split}"


def points_of(cells, day, split="test"):
    return cells.obsm["X_pca"][((cells.obs["day"] == day) & (cells.obs["split"] == split)).values]


def floor(points, rng):
    """Between two halves."""
    order = rng.permutation(len(points))
    return energy(points[order[::2]], points[order[1::2]])


def explained(x, predicted, y):
    """The share of the shift of the means that is predicted."""
    x, predicted, y = (points.mean(0) for points in (x, predicted, y))
    return 1 - ((predicted - y)**2).sum() / ((x - y)**2).sum()


def predicted(path, cells, method, pair, seed):
    """Fits on the one part of the cells and moves the others; what monge wrote is read by anndata."""
    first, last = pair
    name = f"{method.split()[0]}-{first}-{last}-{seed}"
    recipe = ["--recipe", "cells-h5ad"] if "recipe" in method else []
    fit = common.fit(f"gallery-cells/{name}",
                     [*recipe, "--source", chosen(path, first, "train"), "--target",
                      chosen(path, last, "train")], {"seed": seed, **METHODS[method]}, THREADS)
    out = FOLDER / f"{name}.h5ad"
    common.monge("apply", fit.folder, "--in", chosen(path, first, "test"), "--out", out, "--force",
                 threads=THREADS)
    moved = anndata.read_h5ad(out)
    test = cells[((cells.obs["day"] == first) & (cells.obs["split"] == "test")).values]
    assert list(moved.obs_names) == list(test.obs_names)
    return moved.obsm["X_pca"], fit


def record(method, pair, seed, x, points, y, **more):
    return {"method": method, "first": pair[0], "last": pair[1], "seed": seed,
            "energy": energy(points, y), "explained": float(explained(x, points, y)), **more}


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "cells.h5ad"
    cells = make_file(path)
    runs, floors, shown = [], [], {}
    for pair in PAIRS:
        x, y = points_of(cells, pair[0]), points_of(cells, pair[1])
        floors.append(floor(y, numpy.random.default_rng(0)))
        runs.append(record("cells unmoved", pair, 0, x, x, y))
        for method in METHODS:
            for seed in SEEDS:
                points, fit = predicted(path, cells, method, pair, seed)
                runs.append(record(method, pair, seed, x, points, y, seconds=fit.finished.cpu,
                                   fit=fit.record()))
                shown.setdefault(pair, points)
    draw(cells, shown)
    return {"settings": {"pairs": PAIRS, "seeds": SEEDS, "threads": THREADS, "held_out": HELD_OUT,
                         "cells": {str(day): int((cells.obs["day"] == day).sum()) for day in DAYS}},
            "floors": floors, "runs": runs}


def draw(cells, shown):
    figure, axes = plt.subplots(1, len(PAIRS), figsize=(8, 3.8))
    for axis, pair in zip(axes, PAIRS):
        clouds = [(points_of(cells, pair[0]), f"day {pair[0]}", "tab:blue"),
                  (points_of(cells, pair[1]), f"day {pair[1]}", "tab:orange"),
                  (shown[pair], "predicted", "black")]
        for points, label, colour in clouds:
            axis.scatter(*points[:SHOWN, :2].T, s=2, alpha=0.4, color=colour, label=label,
                         linewidths=0)
        axis.set(xticks=[], yticks=[], title=f"day {pair[0]} to day {pair[1]}")
        axis.legend(markerscale=5, fontsize=7, loc="best")
    save(figure, "gallery.cells")


def table(result):
    rows = []
    for place, pair in enumerate(result["settings"]["pairs"]):
        for method in dict.fromkeys(one["method"] for one in result["runs"]):
            runs = [one for one in result["runs"]
                    if one["method"] == method and [one["first"], one["last"]] == list(pair)]
            seconds = [one["seconds"] for one in runs if "seconds" in one]
            rows.append([f"day {pair[0]} → {pair[1]}", method,
                         common.text_of(one["energy"] for one in runs),
                         f"{result['floors'][place]:.2g}",
                         common.text_of(100 * one["explained"] for one in runs),
                         common.text_of(seconds) if seconds else "–"])
    header = ["days", "method", "energy distance", "floor", "explained shift, %", "processor s"]
    settings = result["settings"]
    counts = ", ".join(f"{count} of day {day}" for day, count in settings["cells"].items())
    return common.markdown(header, rows) + (
        f"\n\nOn the {100 * settings['held_out']:.0f} % of the cells that no map has seen; {counts}; 50 "
        "principal components. Energy distance 2 E‖a − b‖ − E‖a − a′‖ − E‖b − b′‖ to the later day's "
        "cells; floor: between two halves of these. Explained shift: 1 − ‖E T(x) − E y‖² / ‖E x − E "
        f"y‖². Median (range) of {len(settings['seeds'])} seeds; processor seconds of the whole fit, "
        f"{settings['threads']} thread.")
