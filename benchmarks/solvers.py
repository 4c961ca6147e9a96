"""The solvers of W2GN's table between random Gaussians, D = 2 to 4096, in equal times (table 1)."""

import os
import statistics

import common

DIMENSIONS = [int(word) for word in
              os.environ.get("BENCH_DIMENSIONS",
                             "2,4,8,16,32,64,128,256,512,1024,2048,4096").split(",")]
MODERATE = 256  # above it only the solvers that begin at the affine map, with narrow networks
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
THREADS = 1
POINTS = 1000


def seconds(dimension):
    """Of training, for every solver."""
    return 20 if dimension <= 16 else 40 if dimension <= MODERATE else 60


def icnn(dimension, **options):
    return {"network.name": "dense_icnn", "network.rank": 1, "network.hidden": [dimension] * 3,
            "solver.start": "identity"} | options


def lsot(dimension):
    return {"solver.name": "regularized_dual", "solver.epsilon": 0.01,
            "network.hidden": [max(64, dimension)] * 3, "network.activation": "celu",
            "solver.map_activation": "celu"}


def mm2(dimension):
    return icnn(dimension) | {"solver.name": "saddle_point", "solver.inner_steps": 5,
                              "solver.learning_rate": 5e-3, "solver.beta1": 0.5}


def mm1(dimension):
    return icnn(dimension) | {"solver.name": "dual", "solver.conjugate_tolerance": 1e-3,
                              "solver.conjugate_evaluations": 100}


def default(dimension):
    return {"solver.name": "dual"}


def w2gn(dimension):
    if dimension > MODERATE:
        return {"solver.name": "w2gn", "solver.start": "affine", "network.rank": 1,
                "network.hidden": [256, 256, 128]}
    return icnn(dimension) | {"solver.name": "w2gn"}


# A solver is a line here, with the paper's L2-UVP in % for D = 2, 4, ... 4096.
ROWS = {
    "LSOT": (lsot, ["< 1", "3.7", "7.5", "14.3", "23", "34.7", "46.9", *["> 50"] * 5]),
    "MM-1": (mm1, [*["< 1"] * 5, "1.2", "1.4", "1.3", "1.5", "1.6", "1.8", "2.7"]),
    "MM-2": (mm2, [*["< 1"] * 6, "1", "–", "–", "1.3", "1.5", "–"]),
    "W2GN": (w2gn, [*["< 1"] * 6, "1", "1.1", "1.3", "1.3", "1.8", "1.5"]),
    "default (dual, affine start)": (default, ["–"] * 12),
}


def rows_of(dimension):
    return [row for row, (options, _) in ROWS.items()
            if dimension <= MODERATE or options in (w2gn, default)]


def learn(row, dimension, seed):
    chosen = {
        "seed": seed, "source.dimension": dimension, "target.dimension": dimension,
        "source.seed": 2 * seed + 1, "target.seed": 2 * seed + 2,
        "train.max_seconds": seconds(dimension), "train.evaluate_every": 500,
        "evaluate.points": POINTS,
    } | ROWS[row][0](dimension)
    fit = common.fit(f"solvers/{row}-{dimension}-{seed}", ["--recipe", "gaussian"], chosen, THREADS)
    return {"solver": row, "dimension": dimension, "seed": seed} | fit.record()


def run():
    # The solvers in turn, so that a change of load meets all alike.
    runs = [learn(row, dimension, seed)
            for dimension in DIMENSIONS for seed in SEEDS
            for row in rows_of(dimension)]
    return {"settings": {"seeds": SEEDS, "threads": THREADS, "points": POINTS,
                         "dimensions": DIMENSIONS,
                         "seconds": {dimension: seconds(dimension) for dimension in DIMENSIONS}},
            "paper": {row: figures for row, (_, figures) in ROWS.items()}, "runs": runs,
            "failed": failures(runs)}


def values(runs, row, dimension, key="l2_uvp"):
    return [run[key] for run in runs if run["solver"] == row and run["dimension"] == dimension]


def failures(runs):
    """Where the order is not the paper's: from D = 4 on LSOT is the worst."""
    failed = []
    for dimension in DIMENSIONS:
        medians = {row: statistics.median(values(runs, row, dimension))
                   for row in rows_of(dimension)}
        worst = max(medians, key=medians.get)
        if 4 <= dimension <= MODERATE and worst != "LSOT":
            failed.append(f"D = {dimension}: {worst} is the worst")
    return failed


def table(result):
    rows = []
    for dimension in result["settings"]["dimensions"]:
        cells = [dimension]
        for row, figures in result["paper"].items():
            paper = figures[dimension.bit_length() - 2]
            found = values(result["runs"], row, dimension)
            cells.append(f"{common.text_of(found) if found else '–'}; {paper}")
        steps = "; ".join(common.digits(statistics.median(
            values(result["runs"], row, dimension, "steps"))) for row in rows_of(dimension))
        rows.append([*cells, steps])
    header = ["D", *(f"{row}; paper" for row in result["paper"]), "steps"]
    settings = result["settings"]
    text = common.markdown(header, rows)
    text += (f"\n\nL2-UVP of the map in %, median (range) of {len(settings['seeds'])} pairs of "
             "Gaussians, lower is better, and after the semicolon the paper's figure; every solver "
             f"trains {min(settings['seconds'].values())} to {max(settings['seconds'].values())} s "
             f"on {settings['threads']} thread, from the identity where it has a start. Above D = "
             f"{MODERATE} W2GN has the affine start too, and widths of [256, 256, 128].")
    if result["failed"]:
        text += "\n\nOrder other than the paper's: " + "; ".join(result["failed"]) + "."
    return text
