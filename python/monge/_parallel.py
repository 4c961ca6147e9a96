"""The program in one of several processes, on torch.distributed as torchrun sets it up."""

import datetime
import os
import signal
import sys

# torch warns of sockets that the program speaks of itself.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
import torch
from torch import distributed

from monge import _core

# A process that is gone without a word, its machine off or its network cut, is missed after this.
TIMEOUT = datetime.timedelta(minutes=10)


def _store():
    """A way of its own to the launcher's store: that of a group forgets when a launch restarts."""
    return distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]),
                                is_master=False, timeout=TIMEOUT)


def _counter(store):
    def count(name, amount):
        try:
            return store.add(f"monge/{name}", amount)
        except RuntimeError:  # the launcher itself is gone
            return amount
    return count


def run(arguments):
    """Runs the program and ends this process with its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        cuda = torch.cuda.is_available() and distributed.is_nccl_available()
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=TIMEOUT)
        count = _counter(_store())
        distributed.barrier()  # before one of them may fail all have their way to the store
    except (ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0]
        sys.exit(f"monge: error: process group: expected the environment of torchrun, got: {line}")
    code = _core.run_program(arguments, distributed.group.WORLD.group_name, count,
                             int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)))
    sys.stdout.flush()
    if code == 0:
        distributed.destroy_process_group()
    # After a failure the others learn of it by the connections that close with this process.
    os._exit(code)
