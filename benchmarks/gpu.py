"""A training step of strong NOT on images on a CUDA GPU, by precision, beside eager PyTorch."""

import re
import shutil
import statistics
import subprocess
import sys
import threading

import precision
from conv import output
from precision import REPETITIONS, STEPS

BATCH, SIZE = 64, 64
PRECISIONS = ["float32", "bfloat16", "float16"]


def ask(what):
    found = subprocess.run(["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"],
                           capture_output=True, text=True, check=True)
    return found.stdout.strip()


class Peak:
    """The GPU's memory in use, watched while the body runs."""

    def __enter__(self):
        self.megabytes, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.1):
            self.megabytes = max(self.megabytes, int(re.match(r"\d+", ask("memory.used")).group()))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def once(command):
    with Peak() as peak:
        found = output(command, 1)
    return {"step": statistics.median(found["step"]), "megabytes": peak.megabytes}


def run():
    if not shutil.which("nvidia-smi"):
        sys.exit("bench: gpu: expected a CUDA GPU, found none")
    return {"gpu": ask("name"),
            "settings": {"repetitions": REPETITIONS, "steps": 2 * STEPS, "batch": BATCH,
                         "size": SIZE},
            "runs": [precision.measure("cuda", kind, BATCH, SIZE, 2 * STEPS, once)
                     for kind in PRECISIONS]}


def table(result):
    settings = result["settings"]
    return precision.rows_table(result) + (
        f"\n\n{result['gpu']}. A step of the map and one of the potential, {settings['batch']} "
        f"images of 3 x {settings['size']} x {settings['size']}; memory of the GPU in use. Median "
        f"(range) of {settings['repetitions']} interleaved pairs of processes; ratios of pairs "
        f"with {common.interval_name(settings['repetitions'])}.")
