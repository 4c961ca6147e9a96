"""`python -m monge fit` in several processes, as torchrun starts them."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy
import pytest
from safetensors import safe_open
from torch.distributed import TCPStore

STEPS = 240
FIT = ["fit", "--source", "a.npy", "--target", "b.npy", "--set", "network.hidden=[8,8]", "--set",
       "evaluate.points=50", "--set", "solver.batch=64", "--set", "train.evaluate_every=20",
       "--set", "train.checkpoint_seconds=0", "--set", f"train.max_steps={STEPS}"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
MODULE = [sys.executable, "-m", "monge"]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def launcher():
    """The environment that torchrun's agent gives to its processes, and the store that it keeps."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield {"MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    del store


def start(rank, size, arguments, launch, prefix=(), **options):
    """One of `size` processes, as torchrun would start it."""
    environment = {**ENVIRONMENT, "RANK": str(rank), "WORLD_SIZE": str(size),
                   "MASTER_ADDR": "127.0.0.1", **launch}
    return subprocess.Popen([*prefix, *MODULE, *arguments], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def finish(processes):
    """Exit code, output and errors of each."""
    ends = []
    for process in processes:
        out, error = process.communicate(timeout=120)
        ends.append((process.returncode, out, error))
    return ends


def together(size, *arguments, cwd):
    """A run of `size` processes that is expected to succeed in silence."""
    with launcher() as launch:
        ends = finish([start(rank, size, arguments, launch, cwd=cwd) for rank in range(size)])
    assert [(code, error) for code, _, error in ends] == [(0, "")] * size
    assert [bool(out) for _, out, _ in ends] == [True] + [False] * (size - 1)


def alone(*arguments, cwd):
    subprocess.run([*MODULE, *arguments], cwd=cwd, check=True, capture_output=True)


def curve(run):
    """Step and figures of every evaluation, without the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def assert_same_curve(run, other):
    one, two = curve(run), curve(other)
    assert [line["step"] for line in one] == [line["step"] for line in two]
    for mine, its in zip(one, two):
        for name in mine:
            assert mine[name] == pytest.approx(its[name], rel=1e-4, abs=1e-5), (mine["step"], name)
    assert one[-1]["quality"] < 0.6 * one[0]["quality"]


def tensors(run):
    with safe_open(run / "checkpoint.safetensors", "numpy") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()
                if name != "trainer.seconds"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Points far from Gaussian, and the runs "one" and "two" of so many processes."""
    folder = tmp_path_factory.mktemp("parallel")
    random = numpy.random.default_rng(0)
    numpy.save(folder / "a.npy", random.normal(size=(600, 2)).astype("f4"))
    points = random.normal(size=(500, 2)) * 0.2 + random.choice([-1, 1], size=(500, 2))
    numpy.save(folder / "b.npy", points.astype("f4"))
    alone(*FIT, "--out", "one", cwd=folder)
    together(2, *FIT, "--out", "two", cwd=folder)
    return folder


def test_processes_learn_as_one_with_the_whole_batch(folder):
    assert_same_curve(folder / "two", folder / "one")
    together(4, *FIT, "--out", "four", cwd=folder)
    assert_same_curve(folder / "four", folder / "one")
    assert sorted(path.name for path in (folder / "two").iterdir()) == sorted(
        path.name for path in (folder / "one").iterdir())


def test_a_run_goes_on_with_another_number_of_processes(folder):
    some = [*FIT, "--set", f"train.max_steps={STEPS // 2}", "--set", "train.schedule=constant"]
    resume = ["fit", "--resume", "--out", "run", "--set"]
    together(2, *some, "--out", "run", cwd=folder)
    alone(*resume, f"train.max_steps={STEPS * 3 // 4}", cwd=folder)
    together(4, *resume, f"train.max_steps={STEPS}", cwd=folder)
    alone(*FIT, "--set", "train.schedule=constant", "--out", "straight", cwd=folder)
    assert_same_curve(folder / "run", folder / "straight")


def workers(agent):
    """The process ids of an agent's workers by rank."""
    found = {}
    children = pathlib.Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    for child in children:
        with contextlib.suppress(OSError):
            environment = pathlib.Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            ranks = [part[5:] for part in environment if part.startswith(b"RANK=")]
            if ranks:
                found[int(ranks[0])] = int(child)
    return found


def wait_for_evaluations(run, process):
    """Until a run has four evaluations, or its process has ended."""
    metrics = run / "metrics.jsonl"
    while process.poll() is None and (not metrics.exists()
                                      or metrics.read_bytes().count(b"\n") < 4):
        time.sleep(0.001)


def test_a_lost_process_ends_the_run_with_a_hint(folder):
    with launcher() as launch:
        processes = [start(rank, 2, [*FIT, "--out", "left"], launch, cwd=folder)
                     for rank in range(2)]
        wait_for_evaluations(folder / "left", processes[0])
        processes[1].kill()
        (code, _, error), _ = finish(processes)
    assert (code, error) == (1, "monge: error: another process of the run has ended or cannot be "
                                "reached; continue with: monge fit --resume --out left\n")
    assert len(curve(folder / "left")) < len(curve(folder / "two"))
    alone("fit", "--resume", "--out", "left", cwd=folder)
    assert_same_curve(folder / "left", folder / "two")


def test_torchrun_restarts_a_run_that_lost_a_process(folder):
    agent = subprocess.Popen([*TORCHRUN, "--nproc_per_node=2", "--max-restarts=1", "-m", "monge",
                              *FIT, "--out", "lost"], cwd=folder, env=ENVIRONMENT, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_evaluations(folder / "lost", agent)
    os.kill(workers(agent)[1], signal.SIGKILL)
    out, error = agent.communicate(timeout=120)
    assert agent.returncode == 0, error
    assert out.startswith(f"finished after {STEPS} steps")
    lines = [line for line in error.splitlines() if line.startswith("monge: ")]
    assert lines in ([], [
        "monge: error: another process of the run has ended or cannot be reached; continue with: "
        "monge fit --resume --out lost"])
    assert tensors(folder / "lost") == tensors(folder / "two")
    assert ((folder / "lost" / "map.safetensors").read_bytes()
            == (folder / "two" / "map.safetensors").read_bytes())
    assert curve(folder / "lost") == curve(folder / "two")


def test_bad_input_of_one_process_ends_all_with_its_line(folder, tmp_path):
    for rank in (0, 1):
        (tmp_path / str(rank)).mkdir()
        points = numpy.load(folder / "a.npy")
        if rank == 1:
            points[7, 1] = numpy.nan
        numpy.save(tmp_path / str(rank) / "points.npy", points)
    arguments = ["fit", "--source", "/proc/self/cwd/points.npy", "--target",
                 str(folder / "b.npy"), "--out", str(tmp_path / "run")]
    with launcher() as launch:
        ends = finish([start(rank, 2, arguments, launch, cwd=tmp_path / str(rank))
                       for rank in (0, 1)])
    assert [code for code, _, _ in ends] == [1, 1]
    error = "".join(error for _, _, error in ends)
    assert error.startswith("monge: error: process 1: /proc/self/cwd/points.npy, row 7"), ends
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_run_in_several_processes_is_refused(folder):
    for arguments, line in [
            (FIT, "fit of several processes: expected --out RUN, got none\n"),
            ([*FIT, "--out", "small", "--set", "solver.batch=1"],
             "batch: expected at least 2 points, one for each process, got 1\n"),
            (["list"], "list: expected one process, got 2; only fit is for several\n")]:
        with launcher() as launch:
            ends = finish([start(rank, 2, arguments, launch, cwd=folder) for rank in (0, 1)])
        assert all(code == 1 for code, _, _ in ends)
        error = "".join(error for _, _, error in ends)
        assert error.startswith("monge: error: ") and error.endswith(line), ends
        assert error.count("\n") == 1
    assert not (folder / "small").exists()


def test_a_restart_leaves_the_runs_of_others(folder):
    """A launch that was refused a folder is refused it again, however often it is restarted."""
    before = tensors(folder / "two")
    with launcher() as launch:
        for _ in range(2):
            (code, _, error), = finish([start(0, 1, [*FIT, "--out", "two"], launch, cwd=folder)])
            assert (code, error) == (1, "monge: error: two: exists; pass --resume to continue it "
                                        "or --force to replace it\n")
    assert tensors(folder / "two") == before


@pytest.fixture
def namespaces():
    """Two network namespaces with a wire between them; 10.77.0.1 and 10.77.0.2."""
    names = [f"monge{os.getpid()}-{end}" for end in (0, 1)]
    wire = [f"mg{os.getpid()}e{end}" for end in (0, 1)]

    def ip(*arguments):
        return subprocess.run(["ip", *arguments], capture_output=True, text=True)

    try:
        for name in names:
            made = ip("netns", "add", name)
            if made.returncode != 0:
                pytest.skip(f"network namespaces: {made.stderr.strip()}")
        made = ip("link", "add", wire[0], "netns", names[0], "type", "veth", "peer", "name",
                  wire[1], "netns", names[1])
        if made.returncode != 0:
            pytest.skip(f"a wire between namespaces: {made.stderr.strip()}")
        for end in (0, 1):
            ip("-n", names[end], "addr", "add", f"10.77.0.{end + 1}/24", "dev", wire[end])
            ip("-n", names[end], "link", "set", wire[end], "up")
            ip("-n", names[end], "link", "set", "lo", "up")
        yield list(zip(names, wire))
    except FileNotFoundError:
        pytest.skip("network namespaces need the program ip")
    finally:
        with contextlib.suppress(FileNotFoundError):
            for name in names:
                ip("netns", "del", name)


@pytest.mark.parametrize("environment, message", [
    ({"WORLD_SIZE": "0"}, "RANK 0 of WORLD_SIZE 0"), ({"RANK": "2"}, "RANK 2 of WORLD_SIZE 2"),
    ({"RANK": "-1"}, "RANK '-1'"), ({"MASTER_PORT": "99999"}, "MASTER_PORT 99999"),
    ({"MASTER_PORT": "x"}, "MASTER_PORT 'x'"),
])
def test_an_environment_of_no_launcher_is_refused(folder, environment, message):
    code, _, error = finish([start(0, 2, ["list"], {"MASTER_PORT": "1", **environment},
                                   cwd=folder)])[0]
    assert code == 1
    assert error == ("monge: error: process group: expected all processes to meet, "
                     f"got: {message}\n")


def test_processes_on_two_hosts(folder, namespaces):
    port = free_port()
    processes = [start(rank, 2, [*FIT, "--out", "hosts"],
                       {"MASTER_ADDR": "10.77.0.1", "MASTER_PORT": str(port),
                        "GLOO_SOCKET_IFNAME": wire},
                       cwd=folder, prefix=["ip", "netns", "exec", name])
                 for rank, (name, wire) in enumerate(namespaces)]
    ends = finish(processes)
    assert [(code, error) for code, _, error in ends] == [(0, "")] * 2
    assert tensors(folder / "hosts") == tensors(folder / "two")
