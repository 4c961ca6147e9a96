"""What the tests of the command line share: a small problem and a way to run the program."""

import json
import os
import pathlib
import subprocess
import time

import numpy
import pytest
from safetensors import safe_open

TINY = ["--set", "network.hidden=[8,8]", "--set", "evaluate.points=50"]


class Monge:
    """The program in a folder of its own that holds a.npy [300, 2] and b.npy [200, 2]."""

    def __init__(self, binary: str, folder: pathlib.Path):
        self.binary, self.folder = binary, folder
        random = numpy.random.default_rng(0)
        self.save("a.npy", random.normal(size=(300, 2)).astype("f4"))
        self.save("b.npy", random.normal(size=(200, 2)) * 2 + 1)

    def save(self, name, array):
        numpy.save(self.folder / name, array)
        return name

    def __call__(self, *arguments, **options):
        options = {"cwd": self.folder, "timeout": 120, **options}
        return subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True,
                              **options)

    def fits(self, *arguments, steps=20, source="a.npy", target="b.npy", out="run"):
        """Fits and expects success in silence."""
        return self.works(*fit_arguments(*arguments, steps=steps, source=source, target=target,
                                         out=out))

    def works(self, *arguments, **options):
        run = self(*arguments, **options)
        assert (run.returncode, run.stderr) == (0, ""), (arguments, run.stderr)
        return run.stdout

    def start(self, *arguments):
        """The program as a process that goes on beside the test."""
        return subprocess.Popen([self.binary, *map(str, arguments)], cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_for_lines(self, process, count):
        """Returns when the run has evaluated so often, or the process has ended."""
        metrics = self.folder / "run" / "metrics.jsonl"
        while process.poll() is None:
            if metrics.exists() and metrics.read_bytes().count(b"\n") >= count:
                return
            time.sleep(0.001)

    def refuses(self, *arguments, **options):
        """One clear line on stderr, a failure, and every file as it was; returns the line."""
        before = self.files()
        run = self(*arguments, **options)
        assert run.returncode in (1, 2), (arguments, run.returncode, run.stderr)
        assert run.stdout == ""
        assert run.stderr.startswith("monge: error: ") and run.stderr.count("\n") == 1, run.stderr
        assert "internal" not in run.stderr
        assert self.files() == before, arguments
        return run.stderr

    def files(self):
        return {str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
                for path in self.folder.rglob("*")}

    def lines(self, run="run"):
        """metrics.jsonl without the clock."""
        entries = [json.loads(line)
                   for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
        for entry in entries:
            del entry["seconds"]
        return entries

    def tensors(self, run="run"):
        """The checkpoint's tensors without the clock, as bytes."""
        with safe_open(self.folder / run / "checkpoint.safetensors", "numpy") as file:
            return {name: file.get_tensor(name).tobytes() for name in file.keys()
                    if name != "trainer.seconds"}

    def map_bytes(self, run="run"):
        return (self.folder / run / "map.safetensors").read_bytes()


def fit_arguments(*arguments, steps=20, source="a.npy", target="b.npy", out="run"):
    return ["fit", "--source", source, "--target", target, "--out", out,
            "--set", f"train.max_steps={steps}", *TINY, *arguments]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
