"""A training step of W2GN beside eager PyTorch, and above the matrix products it needs."""

import json
import os
import statistics
import sys

import common

# name -> dimension, rank, widths, batch
SETTINGS = {
    "colour": (3, 1, [128, 128, 64], 1024),
    "toy": (2, 3, [128, 128, 64], 1024),
    "Gaussian, D = 16": (16, 1, [16, 16, 16], 256),
    "Gaussian, D = 64": (64, 1, [64, 64, 64], 256),
    "Gaussian, D = 256": (256, 1, [256, 256, 256], 256),
}
THREADS = [1, 2]
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 5))
STEPS = 40
PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_w2gn"
PEER = common.ROOT / "benchmarks" / "peers" / "eager_w2gn.py"


def arguments(setting):
    dimension, rank, hidden, batch = setting
    return [dimension, rank, ",".join(map(str, hidden)), batch, STEPS]


def output(command, threads):
    return json.loads(common.process(command, threads).text.splitlines()[-1])


def condensed(record):
    """One process: medians over its steps and products."""
    products = [{**product, "seconds": statistics.median(product["seconds"])}
                for product in record.get("products", [])]
    return {key: statistics.median(record[key]) for key in ("step", "objective") if key in record} \
        | {"products": products}


def floor(run):
    return sum(product["times"] * product["seconds"] for product in run["products"])


def measure(setting, threads):
    runs = {"monge": [], "eager": []}
    for _ in range(REPETITIONS):  # interleaved, so that a change of load meets all alike
        runs["monge"].append(condensed(output([PROGRAM, *arguments(setting)], threads)))
        runs["eager"].append(condensed(output([sys.executable, PEER, *arguments(setting)],
                                              threads)))
    return runs


def run():
    return {"settings": {"steps": STEPS, "repetitions": REPETITIONS},
            "runs": [{"name": name, "setting": setting, "threads": threads,
                      **measure(setting, threads)}
                     for name, setting in SETTINGS.items() for threads in THREADS]}


def rate(run):
    cube = next(product for product in run["products"] if product["name"] == "1024 cubed")
    return cube["flop"] / cube["seconds"] / 1e9


def table(result):
    rows = []
    for one in result["runs"]:
        dimension, rank, hidden, batch = one["setting"]
        ours, eager = one["monge"], one["eager"]
        flop = sum(p["times"] * p["flop"] for p in ours[0]["products"])
        rows.append([
            one["name"], f"[{rank}; {', '.join(map(str, hidden))}], {batch}", one["threads"],
            common.text_of(1e3 * run["step"] for run in ours),
            common.text_of(1e3 * run["step"] for run in eager),
            common.interval([e["step"] / m["step"] for m, e in zip(ours, eager)]),
            common.interval([run["step"] / floor(run) for run in ours]),
            f"{flop / 1e6:.0f}",
            common.text_of(flop / run["step"] / 1e9 for run in ours),
            common.text_of(rate(run) for run in ours)])
    header = ["step", "network, batch", "threads", "monge, ms", "eager PyTorch, ms",
              "eager / monge", "monge / floor", "MFLOP", "GFLOP/s", "of a 1024³ product"]
    return common.markdown(header, rows) + (
        f"\n\nMedian (range) over {result['settings']['repetitions']} interleaved pairs of "
        f"processes, each the median of {result['settings']['steps']} steps; ratios of pairs with "
        "the 95 % interval of a bootstrap. The floor: the step's products alone, whole batches at "
        "the rate measured for each shape in the same process.")
