"""Random numbers, batches of every measure, and their share of a training step."""

import json
import os
import statistics

import common

PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_sampling"
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 5))
ROUNDS = 15


def run():
    runs = [json.loads(common.process([PROGRAM, ROUNDS], 1).text.splitlines()[-1])
            for _ in range(REPETITIONS)]
    return {"settings": {"repetitions": REPETITIONS, "rounds": ROUNDS}, "runs": runs}


def numbers_table(runs):
    rows = []
    for kind in ("normal", "uniform", "integers", "permutation"):
        ours = [run["numbers"][kind] for run in runs]
        aten = [run["numbers"][f"{kind}, ATen"] for run in runs]
        rows.append([kind, common.text_of(1e9 * s for s in ours),
                     common.text_of(1e9 * s for s in aten),
                     common.interval([a / o for a, o in zip(aten, ours)])])
    return common.markdown(["numbers", "monge, ns each", "ATen, ns each", "ATen / monge"], rows)


def batches_table(runs):
    rows = [[name, common.text_of(1e6 * run["batches"][name] for run in runs)]
            for name in sorted(runs[0]["batches"])]
    return common.markdown(["one batch", "µs"], rows)


def steps_table(runs):
    rows = []
    for i, first in enumerate(runs[0]["steps"]):
        steps = [run["steps"][i] for run in runs]
        rows.append([
            f"{first['name']}, {first['batch']} points",
            common.text_of(1e3 * step["step"] for step in steps),
            *(f"{100 * statistics.median(step[part] / step['step'] for step in steps):.2f}"
              for part in ("drawing", "frame")),
            f"{max(step['allocations'] for step in steps):g}"])
    return common.markdown(["step", "ms", "drawing, %", "into the frame, %",
                            "heap allocations"], rows)


def table(result):
    runs = result["runs"]
    return (f"{numbers_table(runs)}\n\n{steps_table(runs)}\n\n{batches_table(runs)}\n\n"
            "Processor time of one thread. Median (range) over "
            f"{result['settings']['repetitions']} processes, in each of which everything takes "
            f"turns {result['settings']['rounds']} times; ratios within a process, with "
            f"{common.interval_name(result['settings']['repetitions'])}; an allocation is any call "
            "of malloc and its kin, from any library, in a step after the first.")
