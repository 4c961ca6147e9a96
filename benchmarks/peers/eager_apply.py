"""A DenseICNN's gradient at many points in PyTorch, by autograd in chunks.

python eager_apply.py DIMENSION WIDTH,WIDTH,... POINTS REPETITIONS [--compile]: prints the seconds
of every repetition as JSON, with the fastest of the chunk sizes tried. With --compile a chunk's
gradient goes through torch.compile, which has come to an end before anything is timed.
"""

import json
import sys
import time
from functools import partial

import torch
from eager_w2gn import DenseICNN

CHUNKS = [1 << 10, 1 << 12, 1 << 14, 1 << 16]


def in_chunks(push, points, chunk):
    return torch.cat([push(part) for part in points.split(chunk)])


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main(dimension, hidden, points, repetitions, compiled):
    torch.manual_seed(0)
    network = DenseICNN(dimension, 1, hidden).requires_grad_(False)
    push = partial(network.push, create_graph=False)
    if compiled:
        push = torch.compile(push, dynamic=False)
    x = torch.randn(points, dimension)
    few = x[: 1 << 17]
    chunk = min(CHUNKS, key=lambda size: min(timed(lambda: in_chunks(push, few, size))
                                             for _ in range(3)))
    in_chunks(push, x, chunk)
    seconds = [timed(lambda: in_chunks(push, x, chunk)) for _ in range(repetitions)]
    print(json.dumps({"step": seconds, "chunk": chunk, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(h) for h in sys.argv[2].split(",")], *map(int, sys.argv[3:5]),
         "--compile" in sys.argv[5:])
