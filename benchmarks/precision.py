"""A training step of strong NOT on images by device and precision, beside eager PyTorch."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import threading

import common
from common import interval
from conv import PEER, PROGRAM, output

STEPS = int(os.environ.get("BENCH_STEPS", 5))
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 3))
ON_PROCESSOR = [(8, 32)]  # batch and side
ON_GPU = [(64, 64), (64, 128)]
PRECISIONS = {"cpu": ["float32", "bfloat16"], "cuda": ["float32", "bfloat16", "float16"]}


def gpu():
    """Name of the GPU, or None."""
    if not shutil.which("nvidia-smi"):
        return None
    found = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
                           capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def gpu_megabytes():
    found = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader"],
                           capture_output=True, text=True, check=True)
    return int(re.match(r"\d+", found.stdout).group())


class PeakOfGpu:
    """The GPU's memory in use, watched while the body runs."""

    def __enter__(self):
        self.megabytes, self.over = gpu_megabytes(), threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.1):
            self.megabytes = max(self.megabytes, gpu_megabytes())

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def once(command, device):
    if device == "cpu":
        found = output(command, 1)
        return {"step": statistics.median(found["step"]), "megabytes": found["peak"] / 1e6}
    with PeakOfGpu() as peak:
        found = output(command, 1)
    return {"step": statistics.median(found["step"]), "megabytes": peak.megabytes}


def measure(device, precision, batch, size):
    steps = STEPS if device == "cpu" else 4 * STEPS
    eager = [sys.executable, PEER, "not", batch, size, steps]
    eager += ["--cuda"] if device == "cuda" else []
    eager += [f"--{precision}"] if precision != "float32" else []
    commands = {"monge": [PROGRAM, "game", batch, size, steps, device, precision], "eager": eager}
    runs = {side: [] for side in commands}
    for _ in range(REPETITIONS):
        for side, command in commands.items():
            runs[side].append(once(command, device))
    return {"device": device, "precision": precision, "batch": batch, "size": size, **runs}


def run():
    cases = [("cpu", *case) for case in ON_PROCESSOR]
    cases += [("cuda", *case) for case in ON_GPU] if gpu() else []
    return {"gpu": gpu(), "settings": {"repetitions": REPETITIONS, "steps": STEPS},
            "runs": [measure(device, precision, batch, size) for device, batch, size in cases
                     for precision in PRECISIONS[device]]}


def table(result):
    rows = []
    for one in result["runs"]:
        ours, eager = one["monge"], one["eager"]
        rows.append([one["device"], f"{one['batch']} of {one['size']} x {one['size']}",
                     one["precision"], common.text_of(1e3 * run["step"] for run in ours),
                     common.text_of(1e3 * run["step"] for run in eager),
                     interval([e["step"] / m["step"] for m, e in zip(ours, eager)]),
                     *(f"{statistics.median(run['megabytes'] for run in side):.0f}"
                       for side in (ours, eager))])
    where = f"; cuda: {result['gpu']}, its memory in use" if result["gpu"] else ""
    return common.markdown(["device", "images", "precision", "monge, ms", "eager PyTorch, ms",
                            "eager / monge", "monge, MB", "eager, MB"], rows) + (
        "\n\nA step of the map and one of the potential, both with Adam; eager PyTorch channels "
        "last with its autocast, GradScalers and fused Adam. cpu: one thread, memory of the "
        f"process{where}. Median (range) of {result['settings']['repetitions']} interleaved pairs of "
        "processes; ratios of pairs with the 95 % interval of a bootstrap.")
