"""Image data: pictures decoded a second, from files, cache and memory, and what steps wait."""

import json
import os

import common

PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_images"
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 3))
PHOTOGRAPH = common.ROOT / "data" / "photos" / "china.jpg"
SIZES = {(178, 218): 1920, (512, 512): 1280}  # of CelebA's aligned faces and of NOT's anime faces


def run():
    runs = [json.loads(common.process([PROGRAM, PHOTOGRAPH, *size, count], 1).text.splitlines()[-1])
            for size, count in SIZES.items() for _ in range(REPETITIONS)]
    return {"settings": {"repetitions": REPETITIONS}, "runs": runs}


def table(result):
    rows, waits = [], []
    for width, height in SIZES:
        runs = [run for run in result["runs"] if (run["width"], run["height"]) == (width, height)]
        name = f"JPEG of {width} x {height}"
        rows.append([name, common.text_of(1 / run["heads"] for run in runs),
                     *(common.text_of(1 / run[way]["cpu"] for run in runs)
                       for way in ("decoded", "cached", "kept"))])
        for i, first in enumerate(runs[0]["waiting"]):
            waits.append([name, f"{first['step']:g}",
                          common.text_of(100 * run["waiting"][i]["share"] for run in runs),
                          common.text_of(1e3 * run["waiting"][i]["first"] for run in runs)])
    return (common.markdown(["images a second of a core", "heads read", "decoded to 64 pixels",
                             "from the cache", "from memory"], rows) + "\n\n" +
            common.markdown(["first pass, batches of 64", "step, ms", "waiting, %",
                             "first batch, ms"], waits) +
            "\n\nOne worker beside one computing thread; with shuffled order, scaling to floats "
            f"included. Median (range) of {result['settings']['repetitions']} processes.")
