"""What an exchange costs each process of a group: python exchange.py NUMBERS COUNT FILE

The first process writes the wall and processor seconds of one all-reduce of float32 numbers over
Gloo as JSON; torch.distributed's variables of the environment say who is there.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch import distributed


def main(numbers, count, file):
    distributed.init_process_group("gloo")
    values = torch.zeros(numbers)
    for _ in range(10):
        distributed.all_reduce(values)
    begin, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        distributed.all_reduce(values)
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    if distributed.get_rank() == 0:
        Path(file).write_text(json.dumps({"wall": wall / count, "cpu": cpu / count}))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
