"""Training steps and maps beside eager PyTorch, and above the matrix products they need."""

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


def output(command, threads):
    finished = common.process(command, threads)
    return json.loads(finished.text.splitlines()[-1]) | {"peak": finished.peak}


def condensed(record):
    """One process: medians over its steps and products."""
    products = [{**product, "seconds": statistics.median(product["seconds"])}
                for product in record.get("products", [])]
    return {key: statistics.median(record[key]) for key in ("step", "objective") if key in record} \
        | {"products": products, "peak": record["peak"]}


def floor(run):
    return sum(product["times"] * product["seconds"] for product in run["products"])


def measure(setting, threads):
    runs = {"monge": [], "eager": []}
    for _ in range(REPETITIONS):  # interleaved, so that a change of load meets all alike
        program = PROGRAMS / f"monge_bench_{setting.kind}"
        peer = PEERS / f"eager_{setting.kind}.py"
        runs["monge"].append(condensed(output([program, *setting.arguments], threads)))
        runs["eager"].append(condensed(output([sys.executable, peer, *setting.arguments],
                                              threads)))
    return runs


def run():
    return {"settings": {"repetitions": REPETITIONS},
            "runs": [{"name": name, "network": setting.network, "threads": threads,
                      "arguments": setting.arguments, **measure(setting, threads)}
                     for name, setting in SETTINGS.items() for threads in THREADS]}


def rate(run):
    cube = next(product for product in run["products"] if product["name"] == "1024 cubed")
    return cube["flop"] / cube["seconds"] / 1e9


def table(result):
    rows = []
    for one in result["runs"]:
        ours, eager = one["monge"], one["eager"]
        flop = sum(p["times"] * p["flop"] for p in ours[0]["products"])
        rows.append([
            one["name"], one["network"], one["threads"],
            common.text_of(1e3 * run["step"] for run in ours),
            common.text_of(1e3 * run["step"] for run in eager),
            common.interval([e["step"] / m["step"] for m, e in zip(ours, eager)]),
            common.interval([run["step"] / floor(run) for run in ours]),
            common.interval([e["step"] / floor(m) for m, e in zip(ours, eager)]),
            f"{flop / 1e6:.0f}",
            common.text_of(flop / run["step"] / 1e9 for run in ours),
            common.text_of(rate(run) for run in ours),
            common.text_of(run["peak"] for run in ours),
            common.text_of(run["peak"] for run in eager)])
    header = ["step", "network, batch", "threads", "monge, ms", "eager PyTorch, ms",
              "eager / monge", "monge / floor", "eager / floor", "MFLOP", "GFLOP/s", "of a 1024³ product",
              "peak MB, monge", "peak MB, eager"]
    return common.markdown(header, rows) + (
        f"\n\nMedian (range) over {result['settings']['repetitions']} interleaved pairs of "
        "processes, each the median of its steps; ratios of pairs with the 95 % interval of a "
        "bootstrap. A step of the minimax form and of NOT holds 15 and 10 inner steps. The floor: "
        "the step's products alone, whole batches at the rate measured for each shape in the same "
        "process. Peak memory is that of the whole process, libtorch included.")
