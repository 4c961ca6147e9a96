"""Recolours every STRIDE-th pixel of a picture in eager PyTorch: recolour.py MAP IN OUT THREADS STRIDE.

Writes the moved levels [n, 3] as npy, and prints the seconds of decoding and evaluation as JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from peers.eager_icnn import EagerMap  # noqa: E402


def main(map_file, source, target, threads, stride):
    torch.set_num_threads(int(threads))
    eager = EagerMap(map_file)
    marks = [time.perf_counter()]
    picture = numpy.asarray(Image.open(source).convert("RGB"))
    marks.append(time.perf_counter())
    colours = torch.from_numpy(picture.reshape(-1, 3)[:: int(stride)].astype("float32") / 255)
    levels = (eager(colours) * 255).round_().clamp_(0, 255).byte()
    marks.append(time.perf_counter())
    numpy.save(target, levels.numpy())
    names = ("decode", "evaluate")
    print(json.dumps(dict(zip(names, (b - a for a, b in zip(marks, marks[1:]))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
