"""A DenseICNN's gradient at many points in eager PyTorch, by autograd in chunks.

python eager_apply.py DIMENSION WIDTH,WIDTH,... POINTS REPETITIONS: prints the seconds of every
repetition as JSON, with the fastest of the chunk sizes tried.
"""

import json
import sys
import time

import torch
from eager_w2gn import DenseICNN

CHUNKS = [1 << 10, 1 << 12, 1 << 14, 1 << 16]


def push(network, points, chunk):
    parts = []
    for part in points.split(chunk):
        x = part.clone().requires_grad_()
        parts.append(torch.autograd.grad(network(x).sum(), x)[0])
    return torch.cat(parts)


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main(dimension, hidden, points, repetitions):
    torch.manual_seed(0)
    network = DenseICNN(dimension, 1, hidden).requires_grad_(False)
    x = torch.randn(points, dimension)
    few = x[: 1 << 17]
    chunk = min(CHUNKS, key=lambda size: min(timed(lambda: push(network, few, size))
                                             for _ in range(2)))
    seconds = [timed(lambda: push(network, x, chunk)) for _ in range(repetitions)]
    print(json.dumps({"step": seconds, "chunk": chunk, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(h) for h in sys.argv[2].split(",")], *map(int, sys.argv[3:]))
