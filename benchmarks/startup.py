"""Start-up time and peak memory of the program beside importing what the peers need."""

import os
import sys

import common
import numpy
import peers

REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 7))


def small_run():
    """A fitted map and ten points: what a start-up is for."""
    folder = common.OUT / "startup"
    folder.mkdir(parents=True, exist_ok=True)
    points = numpy.random.default_rng(0).normal(size=(200, 2)).astype("f4")
    numpy.save(folder / "points.npy", points)
    common.monge("fit", "--source", folder / "points.npy", "--target", folder / "points.npy",
                 "--set", "train.max_steps=5", "--out", folder / "run", "--force")
    return folder


def commands(folder):
    python = peers.environment("jax")
    return {
        "monge --version": [common.MONGE, "--version"],
        "monge apply, 200 points": [common.MONGE, "apply", folder / "run", "--in",
                                    folder / "points.npy", "--out", folder / "out.npy", "--force"],
        "python -c 'import torch'": [sys.executable, "-c", "import torch"],
        "python -c 'import ott' (JAX)": [python, "-c", "import ott.neural"],
    }


def run():
    folder = small_run()
    rows = {name: {"wall": [], "peak": []} for name in commands(folder)}
    for repetition in range(REPETITIONS + 1):
        for name, command in commands(folder).items():
            finished = common.process(command, 2)
            if repetition == 0:
                continue  # files come into the cache
            rows[name]["wall"].append(finished.wall)
            rows[name]["peak"].append(finished.peak)
    return {"settings": {"repetitions": REPETITIONS}, "rows": rows}


def table(result):
    lines = [[name, common.text_of(row["wall"]), common.text_of(row["peak"])]
             for name, row in result["rows"].items()]
    return common.markdown(["command", "s", "peak MB"], lines) + (
        f"\n\nMedian (range) of {result['settings']['repetitions']} interleaved processes after a "
        "first one.")
