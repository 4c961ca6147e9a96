"""A training step of strong NOT on images in float32 and bfloat16, beside eager PyTorch."""

import os
import statistics
import sys

import common
from common import interval
from conv import PEER, PROGRAM, output

REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 3))
STEPS = int(os.environ.get("BENCH_STEPS", 5))
BATCH, SIZE = 4, 32
PRECISIONS = ["float32", "bfloat16"]


def once(command):
    found = output(command, 1)
    return {"step": statistics.median(found["step"]), "megabytes": found["peak"] / 1e6}


def measure(device, precision, batch, size, steps, run_once):
    eager = [sys.executable, PEER, "not", batch, size, steps]
    eager += ["--cuda"] if device == "cuda" else []
    eager += [f"--{precision}"] if precision != "float32" else []
    commands = {"monge": [PROGRAM, "game", batch, size, steps, device, precision], "eager": eager}
    runs = {side: [] for side in commands}
    for _ in range(REPETITIONS):  # interleaved, so that a change of load meets all alike
        for side, command in commands.items():
            runs[side].append(run_once(command))
    return {"precision": precision, **runs}


def run():
    return {"settings": {"repetitions": REPETITIONS, "steps": STEPS, "batch": BATCH, "size": SIZE},
            "runs": [measure("cpu", precision, BATCH, SIZE, STEPS, once)
                     for precision in PRECISIONS]}


def rows_table(result):
    rows = []
    for one in result["runs"]:
        ours, eager = one["monge"], one["eager"]
        rows.append([one["precision"], common.text_of(1e3 * run["step"] for run in ours),
                     common.text_of(1e3 * run["step"] for run in eager),
                     interval([e["step"] / m["step"] for m, e in zip(ours, eager)]),
                     *(f"{statistics.median(run['megabytes'] for run in side):.0f}"
                       for side in (ours, eager))])
    return common.markdown(["precision", "monge, ms", "eager PyTorch, ms", "eager / monge",
                            "monge, MB", "eager, MB"], rows)


def table(result):
    settings = result["settings"]
    return rows_table(result) + (
        f"\n\nA step of the map and one of the potential, {settings['batch']} images of 3 x "
        f"{settings['size']} x {settings['size']}, one thread; memory of the process. Median "
        f"(range) of {settings['repetitions']} interleaved pairs of processes; ratios of pairs "
        f"with {common.interval_name(settings['repetitions'])}.")
