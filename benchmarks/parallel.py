"""Data parallel training: steps on 1, 2 and 4 processes, bytes a step, a plan for 8 to 512."""

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import common

# Where ./dev test puts the wheel.
PYTHON = Path(os.environ.get("MONGE_PYTHON",
                             common.ROOT / "build" / "python-env" / "bin" / "python"))
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 3))
MEASURED = [2, 4]
RANKS = [8, 64, 512]
EXCHANGE = common.ROOT / "benchmarks" / "exchange.py"


@dataclass
class Setting:
    """One row: options of the fit, its steps, and how many exchanges a step of it has."""

    options: dict
    steps: int
    exchanges: int

    @property
    def batch(self):
        return self.options["solver.batch"]


def dual(dimension, batch, steps):
    """Calibrated batches: two exchanges for the weights, one for the guesses of where searches
    begin, one for the derivatives, one for the decisions of the loop."""
    return Setting({"source.dimension": dimension, "solver.name": "dual",
                    "solver.batch": batch}, steps, 5)


def w2gn(dimension, batch, steps):
    return Setting({"source.dimension": dimension, "solver.name": "w2gn",
                    "solver.batch": batch}, steps, 2)


def saddle(dimension, hidden, batch, steps, inner=3):
    """An exchange for each inner step, one for the potential, one for the decisions."""
    return Setting({"source.dimension": dimension, "solver.name": "saddle_point",
                    "network.name": "mlp", "network.hidden": hidden, "solver.batch": batch,
                    "solver.inner_steps": inner}, steps, inner + 2)


SETTINGS = {
    "dual, D = 16": dual(16, 512, 400),
    "dual, D = 64": dual(64, 512, 120),
    "dual, D = 64, large batch": dual(64, 4096, 24),
    "dual, D = 256": dual(256, 1024, 16),
    "W2GN, D = 64": w2gn(64, 1024, 60),
    "max–min, 3 x 64": saddle(2, [64] * 3, 64, 1500),
    "max–min, 3 x 1024": saddle(64, [1024] * 3, 1024, 8),
}


@dataclass
class Network:
    """What a plan assumes of the network between processes."""

    name: str
    latency: float  # seconds of a message
    bandwidth: float  # bytes a second, each way, of one process

    def seconds(self, ranks, size, exchanges):
        """Gloo sums around a ring: every sum passes 2 (N - 1) times on to the next process, and
        each process sends 2 (N - 1) / N of the bytes."""
        return (2 * (ranks - 1) / ranks * size / self.bandwidth
                + exchanges * 2 * (ranks - 1) * self.latency)


NETWORKS = [Network("10 Gbit/s, 30 µs", 30e-6, 1.25e9), Network("100 Gbit/s, 5 µs", 5e-6, 12.5e9)]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@dataclass
class Launch:
    """What so many processes took together: bytes that passed their network, where they had one of
    their own, and processor seconds of each."""

    wire: int
    cpu: float


def launch(command, ranks, isolated=False):
    variables = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(ranks)}
    quoted = " ".join(f"'{part}'" for part in map(str, command))
    script = ("set -e; " + ("ip link set lo up; " if isolated else "")
              + "pids=; " + "".join(f"RANK={rank} {quoted} >&2 & pids=\"$pids $!\"; "
                                    for rank in range(ranks))
              + "for pid in $pids; do wait $pid; done; "
              + "awk '/lo:/ { print $2 }' /proc/net/dev")
    prefix = ["unshare", "--net"] if isolated else []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*prefix, "sh", "-c", script], env={**os.environ, **variables},
                          capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\nfailed:\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Launch(int(done.stdout), cpu / ranks)


@dataclass
class Step:
    """A step of a fit: seconds by the clock, processor seconds and bytes sent by each process."""

    wall: float
    cpu: float
    wire: float

    @staticmethod
    def median(steps):
        return Step(*(statistics.median(getattr(step, name) for step in steps)
                      for name in ("wall", "cpu", "wire")))


def fit(setting, ranks, steps, batch, isolated):
    folder = common.OUT / "runs" / "parallel"
    options = {"source.name": "gaussian", "target.name": "random_gaussian",
               "target.dimension": setting.options["source.dimension"], "evaluate.points": 50,
               "train.max_steps": steps, "train.evaluate_every": max(steps // 2, 1),
               "train.checkpoint_seconds": 1e6, **setting.options, "solver.batch": batch}
    program = [common.MONGE] if ranks == 1 else [PYTHON, "-m", "monge"]
    command = [*program, "fit", *common.sets(options), "--out", folder, "--force"]
    launched = launch(command, ranks, isolated)
    middle, last = common.metrics(folder)[-2:]
    wall = (last["seconds"] - middle["seconds"]) / (last["step"] - middle["step"])
    return launched, wall


def step(setting, ranks, batch, isolated=False):
    """By the difference of a long fit and a short one, which start and end alike."""
    short, long = max(setting.steps // 8, 2), setting.steps
    steps = []
    for _ in range(REPETITIONS):
        begun, _ = fit(setting, ranks, short, batch, isolated)
        whole, wall = fit(setting, ranks, long, batch, isolated)
        steps.append(Step(wall, (whole.cpu - begun.cpu) / (long - short),
                          (whole.wire - begun.wire) / (long - short) / ranks))
    return Step.median(steps)


def can_isolate():
    """Whether this user may make a network of its own."""
    return subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"],
                          capture_output=True).returncode == 0


def exchange(ranks, numbers=16, count=300):
    """What one of a few numbers costs each process, beside the sending of many."""
    found = common.OUT / "exchange.json"
    found.parent.mkdir(parents=True, exist_ok=True)
    runs = []
    for _ in range(REPETITIONS):
        launch([PYTHON, EXCHANGE, numbers, count, found], ranks)
        runs.append(json.loads(found.read_text()))
    found.unlink()
    return {kind: statistics.median(run[kind] for run in runs) for kind in ("wall", "cpu")}


def measured(setting):
    isolated = can_isolate()
    steps = {ranks: step(setting, ranks, setting.batch, isolated and ranks > 1)
             for ranks in (1, *MEASURED)}
    half = step(setting, 1, setting.batch // 2)
    return {"batch": setting.batch, "exchanges": setting.exchanges, "half": vars(half),
            "steps": {str(ranks): vars(found) for ranks, found in steps.items()},
            "bytes": steps[2].wire if isolated else None}


def run():
    if not PYTHON.exists():
        sys.exit(f"bench: {PYTHON} is missing: run ./dev test")
    return {"settings": {"repetitions": REPETITIONS},
            "exchange": {str(ranks): exchange(ranks) for ranks in MEASURED},
            "rows": {name: measured(setting) for name, setting in SETTINGS.items()}}


def one(row):
    return row["steps"]["1"]["cpu"]


def fixed(row):
    """Seconds of a step that do not depend on its points: by a whole batch and half of one."""
    return max(2 * row["half"]["cpu"] - one(row), 0)


def computing(row, ranks, batch, per_exchange):
    """A process's seconds of a step of `batch` points in all, the network's aside."""
    per_point = (one(row) - fixed(row)) / row["batch"]
    return fixed(row) + per_point * batch / ranks + row["exchanges"] * per_exchange


def scaled(row, ranks, network, per_exchange):
    """How many times as fast a step of the same batch is, and the share of the processors' time
    that is put to use where each process has the whole batch of one."""
    waiting = network.seconds(ranks, row["bytes"] or 0, row["exchanges"])
    return [one(row) / (computing(row, ranks, batch, per_exchange) + waiting)
            for batch in (row["batch"], row["batch"] * ranks)]


def steps_table(result):
    lines = []
    for name, row in result["rows"].items():
        steps, line = row["steps"], [name, row["batch"], f"{1e3 * one(row):.2f}"]
        for ranks in MEASURED:
            planned = computing(row, ranks, row["batch"], result["exchange"][str(ranks)]["cpu"])
            line += [f"{1e3 * steps[str(ranks)]['cpu']:.2f}", f"{1e3 * planned:.2f}"]
        line += [common.digits(1 / steps[str(ranks)]["wall"]) for ranks in (1, 2)]
        lines.append([*line, "–" if row["bytes"] is None else f"{row['bytes'] / 1e3:.0f}",
                      row["exchanges"]])
    return common.markdown(
        ["solver", "batch", "1 process, CPU ms",
         *(f"each of {ranks}, {kind}" for ranks in MEASURED for kind in ("CPU ms", "planned")),
         "1 process, steps/s", "2 processes, steps/s", "kB a step", "exchanges"], lines)


def table(result):
    text = steps_table(result)
    per_exchange = result["exchange"]["2"]["cpu"]
    for network in NETWORKS:
        plans = [[name, *(f"{same:.1f} · {grown:.0%}" for same, grown in
                          (scaled(row, ranks, network, per_exchange) for ranks in RANKS))]
                 for name, row in result["rows"].items()]
        text += f"\n\nPlanned, {network.name}:\n\n" + common.markdown(
            ["solver", *(f"{ranks} processes" for ranks in RANKS)], plans)
    costs = "; ".join(f"{ranks} processes {1e3 * found['cpu']:.2f} ({1e3 * found['wall']:.2f})"
                      for ranks, found in result["exchange"].items())
    return text + (
        "\n\nOne thread a process. Medians of "
        f"{result['settings']['repetitions']} pairs of fits; bytes are those that each process "
        "sends, counted on a network of their own. An exchange of a few numbers takes, ms of each "
        f"process's processor (by the clock): {costs}. Planned: how many times as fast a step of "
        "the same batch is · the share of the processors' time put to use where every process has "
        "such a batch.")
