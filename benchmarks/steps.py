"""Training steps and maps beside PyTorch, eager and compiled, and above their matrix products."""

import json
import os
import statistics
import sys
from dataclasses import dataclass

import common

PROGRAMS = common.MONGE.parent / "benchmarks"
PEERS = common.ROOT / "benchmarks" / "peers"


@dataclass
class Setting:
    """One row: the program and its peer take the same arguments."""

    kind: str
    network: str
    arguments: list


def w2gn(dimension, rank, hidden, batch, steps=40):
    return Setting("w2gn", f"[{rank}; {', '.join(map(str, hidden))}], {batch}",
                   [dimension, rank, widths(hidden), batch, steps])


def saddle(form, dimension, hidden, batch, inner, network, steps=40):
    return Setting("saddle", f"{network}, {batch}",
                   [form, dimension, widths(hidden), batch, inner, steps])


def apply(dimension, hidden, points=10**6, repetitions=2):
    return Setting("apply", f"[1; {', '.join(map(str, hidden))}], {points}",
                   [dimension, widths(hidden), points, repetitions])


def widths(hidden):
    return ",".join(map(str, hidden))


def minimax(dimension):
    """The networks of the Wasserstein-2 benchmark's MM-2."""
    hidden = [max(2 * dimension, 64), max(2 * dimension, 64), max(dimension, 32)]
    return saddle("mm2", dimension, hidden, 1024, 15, f"[1; {', '.join(map(str, hidden))}]", 8)


SETTINGS = {
    "W2GN, colour": w2gn(3, 1, [128, 128, 64], 1024),
    "W2GN, toy": w2gn(2, 3, [128, 128, 64], 1024),
    "W2GN, Gaussian, D = 16": w2gn(16, 1, [16, 16, 16], 256),
    "W2GN, Gaussian, D = 64": w2gn(64, 1, [64, 64, 64], 256),
    "W2GN, Gaussian, D = 256": w2gn(256, 1, [256, 256, 256], 256),
    "minimax ICNN, D = 16": minimax(16),
    "minimax ICNN, D = 64": minimax(64),
    "NOT, strong toy": saddle("strong", 2, [100] * 3, 64, 10, "3 x 100"),
    "NOT, weak toy": saddle("weak", 2, [100] * 3, 64, 10, "3 x 100, 4 of z"),
    "gradient of a DenseICNN, D = 3": apply(3, [128, 128, 64]),
    "gradient of a DenseICNN, D = 64": apply(64, [128, 128, 64]),
}
THREADS = [1, 2]
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 5))
COMPILED = int(os.environ.get("BENCH_COMPILED", 3))  # repetitions of what compiles for long
# A step of networks of one unit: PyTorch loads much of its own at the first step of Adam.
IDLE = {"monge": [PROGRAMS / "monge_bench_saddle", "strong", 1, 1, 1, 1, 1],
        "eager": [sys.executable, PEERS / "eager_saddle.py", "strong", 1, 1, 1, 1, 1]}


def output(command, threads):
    finished = common.process(command, threads)
    return {"peak": finished.peak} | json.loads(finished.text.splitlines()[-1])


def condensed(record):
    """One process: medians over its steps and products."""
    products = [{**product, "seconds": statistics.median(product["seconds"])}
                for product in record.get("products", [])]
    return {"step": statistics.median(record["step"]), "products": products,
            "peak": record["peak"]}


def floor(run):
    return sum(product["times"] * product["seconds"] for product in run["products"])


def commands(setting):
    """One of each side."""
    peer = [sys.executable, PEERS / f"eager_{setting.kind}.py", *setting.arguments]
    sides = {"monge": [PROGRAMS / f"monge_bench_{setting.kind}", *setting.arguments],
             "eager": peer}
    return sides | ({"compiled": [*peer, "--compile"]} if COMPILED else {})


def measure(setting, threads):
    sides = commands(setting)
    runs = {side: [] for side in sides}
    for repetition in range(REPETITIONS):  # interleaved: a change of load meets all alike
        for side, command in sides.items():
            if side == "compiled" and repetition >= COMPILED:
                continue
            runs[side].append(condensed(output(command, threads)))
    return runs


def run():
    return {"settings": {"repetitions": REPETITIONS, "compiled": COMPILED},
            "idle": {side: output(command, 1)["peak"] for side, command in IDLE.items()},
            "runs": [{"name": name, "network": setting.network, "threads": threads,
                      "arguments": setting.arguments, **measure(setting, threads)}
                     for name, setting in SETTINGS.items() for threads in THREADS]}


def rate(run):
    cube = next(product for product in run["products"] if product["name"] == "1024 cubed")
    return cube["flop"] / cube["seconds"] / 1e9


def ratios(ours, other):
    return common.interval([o["step"] / m["step"] for m, o in zip(ours, other)]) if other else "–"


def megabytes(runs, idle):
    peak = statistics.median(run["peak"] for run in runs)
    return f"{peak:.0f} ({peak - idle:.0f})"


def table(result):
    rows = []
    for one in result["runs"]:
        ours, eager, idle = one["monge"], one["eager"], result["idle"]
        flop = sum(p["times"] * p["flop"] for p in ours[0]["products"])
        rows.append([
            one["name"], one["network"], one["threads"],
            common.text_of(1e3 * run["step"] for run in ours),
            common.text_of(1e3 * run["step"] for run in eager),
            ratios(ours, eager), ratios(ours, one.get("compiled")),
            common.interval([run["step"] / floor(run) for run in ours]),
            common.interval([run["step"] * rate(run) * 1e9 / flop for run in ours]),
            f"{flop / 1e6:.0f}",
            common.text_of(flop / run["step"] / 1e9 for run in ours),
            common.text_of(rate(run) for run in ours),
            megabytes(ours, idle["monge"]), megabytes(eager, idle["eager"])])
    header = ["step", "network, batch", "threads", "monge, ms", "eager PyTorch, ms",
              "eager / monge", "compiled / monge", "monge / floor", "monge / 1024³", "MFLOP",
              "GFLOP/s", "of a 1024³ product", "peak MB, monge (above idle)",
              "peak MB, eager (above idle)"]
    return common.markdown(header, rows) + (
        f"\n\nMedian (range) over {result['settings']['repetitions']} interleaved processes of "
        "each side, each the median of its steps; ratios of processes side by side with "
        f"{common.interval_name(result['settings']['repetitions'])}. "
        "Compiled: the same PyTorch through torch.compile, in "
        f"{result['settings']['compiled']} of them; its own time does not count. "
        "A step of the minimax form and of NOT holds 15 and 10 inner steps. The floor: the step's "
        "products alone, whole batches at the rate measured for each shape in the same process; "
        "1024³: the same products at the rate of one of that size. Peak memory is that of the whole "
        "process to the end of the timed steps, libtorch included, and in brackets what it holds "
        "above one that has made a step with networks of one unit.")
