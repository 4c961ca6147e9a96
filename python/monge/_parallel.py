"""The program in one of several processes, on torch.distributed as torchrun sets it up."""

import datetime
import os
import signal
import sys
import time
import uuid

# torch warns of sockets that the program speaks of itself.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
import torch
from torch import distributed

from monge import _core

# A process that is gone without a word, its machine off or its network cut, is missed after this.
TIMEOUT = datetime.timedelta(minutes=10)


def _number(name):
    """A variable of the environment; ValueError unless it is a whole number."""
    value = os.environ[name]
    if not value.isdecimal():
        raise ValueError(f"{name} '{value}'")
    return int(value)


def _store(rank):
    """The launcher's store, or one that the first process keeps where there is no launcher's."""
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    port = _number("MASTER_PORT")
    if port > 65535:
        raise ValueError(f"MASTER_PORT {port}")
    return distributed.TCPStore(os.environ["MASTER_ADDR"], port,
                                is_master=rank == 0 and not kept, wait_for_workers=False,
                                timeout=TIMEOUT)


def _attempt(store, rank, size):
    """A name that only the processes of this attempt have: the launcher's store goes on holding
    what those of earlier attempts said. The others ask under names of their own, which none can
    have asked under before, and the first process answers until all have heard."""
    mine = uuid.uuid4().hex
    if rank > 0:
        store.set(f"monge/ask/{rank}", mine)
        name = store.get(f"monge/answer/{mine}").decode()
        store.add(f"monge/heard/{name}", 1)
        return name
    end = time.monotonic() + TIMEOUT.total_seconds()
    while store.add(f"monge/heard/{mine}", 0) < size - 1:
        for other in range(1, size):
            if store.check([f"monge/ask/{other}"]):
                asked = store.get(f"monge/ask/{other}").decode()
                store.set(f"monge/answer/{asked}", mine)
        if time.monotonic() > end:
            raise RuntimeError("not all processes have come")
        time.sleep(0.01)
    return mine


def _counter(store):
    def count(name, amount):
        try:
            return store.add(f"monge/{name}", amount)
        except RuntimeError:  # the launcher itself is gone
            return amount
    return count


def _join():
    """This process as one of a group: the launcher's store and the attempt's name."""
    rank, size = _number("RANK"), _number("WORLD_SIZE")
    if not 0 <= rank < size:
        raise ValueError(f"RANK {rank} of WORLD_SIZE {size}")
    store = _store(rank)
    attempt = _attempt(store, rank, size)
    cuda = torch.cuda.is_available() and distributed.is_nccl_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)) % torch.cuda.device_count())
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=TIMEOUT,
                                   store=distributed.PrefixStore(attempt, store), rank=rank,
                                   world_size=size)
    return store, attempt


def run(arguments):
    """Runs the program and ends this process with its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        store, attempt = _join()
    except KeyError as missing:
        sys.exit(f"monge: error: environment: expected {missing.args[0]}, as torchrun sets it, "
                 "beside WORLD_SIZE, got none")
    except (ValueError, RuntimeError) as error:
        sys.exit(f"monge: error: process group: expected all processes to meet, got: "
                 f"{str(error).splitlines()[0]}")
    code = _core.run_program(arguments, distributed.group.WORLD.group_name, _counter(store),
                             attempt)
    sys.stdout.flush()
    if code == 0:
        distributed.destroy_process_group()
    # After a failure the others learn of it by the connections that close with this process.
    os._exit(code)
