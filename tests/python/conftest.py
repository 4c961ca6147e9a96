"""Where the programs that these tests run were built: the environment variable MONGE_BUILD_DIR."""

import os
import pathlib

import numpy
import pytest


@pytest.fixture(scope="session")
def build_dir() -> pathlib.Path:
    folder = os.environ.get("MONGE_BUILD_DIR")
    if not folder:
        pytest.skip("MONGE_BUILD_DIR is not set")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def sample(build_dir):
    """The path of a sample program; one that was not built is a failure, not a skip."""

    def find(name: str) -> str:
        path = build_dir / "tests" / "cpp" / f"monge_{name}_sample"
        assert path.is_file(), f"{path} is missing: build the C++ tests"
        return str(path)

    return find


@pytest.fixture(scope="session")
def binary() -> str:
    """The program: MONGE_BINARY, or the one in MONGE_BUILD_DIR."""
    path = os.environ.get("MONGE_BINARY")
    if not path and (folder := os.environ.get("MONGE_BUILD_DIR")):
        path = os.path.join(folder, "monge")
    if not path:
        pytest.skip("MONGE_BINARY is not set")
    assert os.access(path, os.X_OK), f"{path} is missing: build monge_cli"
    return os.path.abspath(path)


@pytest.fixture
def monge(binary, tmp_path):
    from command_line import Monge

    return Monge(binary, tmp_path)


@pytest.fixture(scope="module")
def fitted(binary, tmp_path_factory):
    """A program with the finished run "run"; tests leave it as it is."""
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("fitted"))
    program.stdout = program.fits()
    return program


def smooth(count, level, seed):
    """Images [n, 8, 8, 3] of bytes, gradients of random directions around a level of grey."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[-1:1:8j, -1:1:8j]
    slopes = random.normal(size=(count, 2, 1, 1, 3))
    images = level + 30 * (slopes[:, 0] * y[..., None] + slopes[:, 1] * x[..., None])
    return images.clip(0, 255).astype("u1")


@pytest.fixture(scope="session")
def image_run(binary, tmp_path_factory):
    """A program with the finished run "run" between images; tests leave it as it is."""
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("images"))
    program.save("x.npy", smooth(120, 100, 0))
    program.save("y.npy", smooth(140, 160, 1))
    program.works("fit", "--source", "x.npy", "--target", "y.npy", "--out", "run",
                  *[part for setting in ["source.name=images", "target.name=images",
                                         "solver.name=dual", "network.hidden=[8,8]", "train.max_steps=5",
                                         "train.image_every=2", "evaluate.points=40"]
                    for part in ("--set", setting)])
    return program
