"""The program in the wheel, and the files that it shares with Python."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy
import pytest
from safetensors import safe_open

import monge
from conftest import TINY

SCRIPT = [str(pathlib.Path(sys.executable).with_name("monge"))]
MODULE = [sys.executable, "-m", "monge"]
BINARY = os.environ.get("MONGE_BINARY")


def run(program, *arguments, **options):
    return subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=300,
                          **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, clouds):
    folder = tmp_path_factory.mktemp("runs")
    for name, points in zip("ab", clouds):
        numpy.save(folder / f"{name}.npy", points)
    fit = run(MODULE, "fit", "--source", "a.npy", "--target", "b.npy", "--out", "run", "--set",
              "train.max_steps=100", "--set", "network.hidden=[16]", cwd=folder)
    assert fit.returncode == 0, fit.stderr
    return folder


@pytest.mark.parametrize("arguments", [["--version"], ["list"], ["describe", "dual"],
                                       ["describe", "duel"], ["fit", "--help"], ["fitt"], []],
                         ids=" ".join)
def test_module_and_script_are_the_program(arguments, folder):
    results = [run(program, *arguments, cwd=folder) for program in
               (MODULE, SCRIPT, *([[BINARY]] if BINARY else []))]
    seen = {(one.returncode, one.stdout, one.stderr) for one in results}
    assert len(seen) == 1, seen


def test_module_starts_without_torch():
    code = ("import sys; sys.argv = ['monge', 'list']; import os; "
            "os.execve = lambda *_: sys.exit('torch' in sys.modules); "
            "import monge.__main__; monge.__main__.main()")
    assert run([sys.executable, "-c", code]).returncode == 0


def test_interrupt_reaches_the_program(folder, tmp_path):
    process = subprocess.Popen(
        [*MODULE, "fit", "--source", "a.npy", "--target", "b.npy", "--out", tmp_path / "run",
         "--set", "train.max_steps=100000000", "--set", "network.hidden=[16]"], cwd=folder,
        stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run/map.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130 and "monge fit --resume" in process.stderr.read()


def tensors(path):
    with safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}


def test_fits_the_same_map_as_the_program(folder, fitted, tmp_path):
    fitted.save(tmp_path / "map.safetensors")
    assert tensors(tmp_path / "map.safetensors") == tensors(folder / "run/map.safetensors")


def test_evaluates_to_the_same_figures(folder, fitted):
    figures = json.loads(run(MODULE, "evaluate", "run", "--json", cwd=folder).stdout)
    for one in (fitted, monge.load(folder / "run")):
        assert {"solver": "dual", "seed": 0, **one.evaluate(),
                "plan_check": one.plan_check()} == figures


def test_loads_what_the_program_fits(folder, clouds, tmp_path):
    run(MODULE, "apply", "run", "--in", "a.npy", "--out", str(tmp_path / "moved.npy"), cwd=folder)
    for place in ("run", "run/map.safetensors"):
        ot = monge.load(folder / place)
        numpy.testing.assert_array_equal(ot.transform(clouds[0]),
                                         numpy.load(tmp_path / "moved.npy"))
    assert (ot.solver, ot.cost) == ("dual", "quadratic")  # of the map file
    assert monge.load(folder / "run").hidden == [16]


def test_the_program_applies_what_python_saves(fitted, folder, clouds, tmp_path):
    path = tmp_path / "map.safetensors"
    fitted.save(path)
    with pytest.raises(ValueError, match="exists"):
        fitted.save(path)
    fitted.save(path, overwrite=True)
    out = tmp_path / "back.csv"
    assert run(MODULE, "apply", str(path), "--inverse", "--in", "b.npy", "--out", str(out),
               cwd=folder).returncode == 0
    numpy.testing.assert_allclose(numpy.loadtxt(out, delimiter=","),
                                  fitted.inverse_transform(clouds[1]), rtol=1e-6)


def test_refuses_files_in_the_program_s_words(tmp_path):
    (tmp_path / "map.safetensors").write_bytes(b"no map")
    for path in (tmp_path / "map.safetensors", tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError) as refusal:
            monge.load(path)
        line = run(MODULE, "apply", str(path), "--in", "a.npy", "--out",
                   str(tmp_path / "out.npy")).stderr
        assert line == f"monge: error: {refusal.value}\n"


def test_log_density_of_a_run(tmp_path, clouds):
    (tmp_path / "config.toml").write_text(
        '[source]\nname = "gaussian"\ndimension = 2\n[target]\nname = "random_gaussian"\n'
        '[train]\nmax_steps = 100\n[network]\nhidden = [16]\n')
    assert run(MODULE, "fit", "config.toml", "--out", "run", cwd=tmp_path).returncode == 0
    numpy.save(tmp_path / "y.npy", clouds[0][:50])
    assert run(MODULE, "apply", "run", "--log-density", "--in", "y.npy", "--out", "p.npy",
               cwd=tmp_path).returncode == 0
    numpy.testing.assert_allclose(monge.load(tmp_path / "run").log_density(clouds[0][:50]),
                                  numpy.load(tmp_path / "p.npy")[:, 0], rtol=1e-5)
