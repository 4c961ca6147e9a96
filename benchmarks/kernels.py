"""Kernels by Google Benchmark: GFLOP/s and the share of the machine's 1024³ product."""

import json
import os

import common

PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_kernels"
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 5))


def run():
    finished = common.process(
        [PROGRAM, "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}",
         "--benchmark_min_time=0.2"], 1)
    text = finished.text[finished.text.index("{"):]
    rows = [row for row in json.loads(text)["benchmarks"] if row["run_type"] == "iteration"]
    return {"settings": {"repetitions": REPETITIONS, "threads": 1}, "rows": rows}


def table(result):
    names = list(dict.fromkeys(row["name"] for row in result["rows"]))
    lines = []
    for name in names:
        rows = [row for row in result["rows"] if row["name"] == name]

        def column(key):
            return (common.text_of(row[key] for row in rows) if key in rows[0] else "")

        lines.append([name, common.text_of(row["real_time"] / 1e3 for row in rows),
                      column("GFLOP/s"), column("share"), column("ns each")])
    header = ["kernel", "µs", "GFLOP/s", "of a 1024³ product", "ns a number"]
    return common.markdown(header, lines) + (
        f"\n\nOne thread, a block of 128 points, median (range) of {REPETITIONS} repetitions. "
        "Only matrix products count as FLOP; products with 2 or 3 inputs are loops of ours.")
