"""Kernels by Google Benchmark: GFLOP/s and the share of the machine's 1024³ product."""

import json
import os
import statistics

import common

PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_kernels"
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 5))
CUBE = "cube"


def run():
    finished = common.process(
        [PROGRAM, "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}",
         "--benchmark_enable_random_interleaving=true", "--benchmark_min_time=0.2"], 1)
    text = finished.text[finished.text.index("{"):]
    rows = [row for row in json.loads(text)["benchmarks"] if row["run_type"] == "iteration"]
    return {"settings": {"repetitions": REPETITIONS, "threads": 1}, "rows": rows}


def by_name(rows):
    """The repetitions of each kernel, in the order of the program."""
    order = sorted(rows, key=lambda row: (row["family_index"], row["per_family_instance_index"]))
    return {name: [row for row in rows if row["name"] == name]
            for name in dict.fromkeys(row["name"] for row in order)}


def table(result):
    kernels = by_name(result["rows"])
    rate = statistics.median(row["GFLOP/s"] for row in kernels[CUBE])
    lines = []
    for name, rows in kernels.items():

        def column(key, unit=1):
            return common.text_of(row[key] / unit for row in rows) if key in rows[0] else ""

        lines.append([name.replace(CUBE, "1024³ product"), column("cpu_time", 1e3),
                      column("GFLOP/s"), column("GFLOP/s", rate), column("ns each")])
    header = ["kernel", "µs", "GFLOP/s", "of a 1024³ product", "ns a number"]
    return common.markdown(header, lines) + (
        "\n\nProcessor time of one thread, a block of 128 points, median (range) of "
        f"{result['settings']['repetitions']} repetitions, in which the kernels take turns; shares "
        "of the product's median rate. Only matrix products count as FLOP, those with the input as "
        "products with its forms, though up to four dimensions monomials take their place. "
        "Backward: the derivatives of the value in the parameters; double backward: value, gradient and the derivatives of both.")
