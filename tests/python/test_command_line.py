"""What the commands do with good input."""

import json
import os
import re
import subprocess
import sys

import numpy
import pytest
from safetensors.numpy import load_file, save_file

from command_line import TINY, fit_arguments


def test_a_fit_leaves_a_whole_run(fitted):
    assert sorted(path.name for path in (fitted.folder / "run").iterdir()) == [
        "checkpoint.safetensors", "config.toml", "evaluation.json", "events", "map.safetensors",
        "metrics.jsonl", "report.html"]
    assert "energy_distance" in fitted.stdout and "run/report.html" in fitted.stdout
    page = (fitted.folder / "run" / "report.html").read_text()
    assert "displacement interpolation" in page and "t = 0.5" in page
    page = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert not re.findall(r"<link[^>]+stylesheet|@import|url\(\s*['\"]?http", page)


def test_evaluate_and_report(fitted):
    figures = json.loads(fitted.works("evaluate", "run", "--json"))
    assert figures == json.loads((fitted.folder / "run" / "evaluation.json").read_text())
    assert figures["solver"] == "dual" and numpy.isfinite(figures["energy_distance"])
    assert figures["source_trained_on"] == 1  # 300 rows are too few to hold any out
    assert "energy_distance" in fitted.works("evaluate", "run")
    assert fitted.works("report", "run") == "run/report.html\n"


def test_figures_stand_on_rows_held_out(monge):
    random = numpy.random.default_rng(1)
    for name, rows in [("x.npy", 600), ("y.npy", 500)]:
        monge.save(name, random.normal(size=(rows, 2)))
    monge.fits(source="x.npy", target="y.npy", steps=1)
    figures = json.loads((monge.folder / "run" / "evaluation.json").read_text())
    assert figures["points"] == 25  # half of the fifty of the smaller
    assert not [name for name in figures if name.endswith("trained_on")]


def test_list_and_describe(fitted):
    names = re.findall(r"^  (\S+)", fitted.works("list"), re.M)
    assert {"w2gn", "dense_icnn", "quadratic", "gaussian", "colour"} <= set(names)
    for name in ("w2gn", "dense_icnn", "gaussian", "train", "colour"):
        assert name in fitted.works("describe", name)


def test_every_format_in_and_out(fitted):
    points = numpy.load(fitted.folder / "a.npy")
    numpy.savez(fitted.folder / "in.npz", one=points, other=points[:3])
    save_file({"x": points}, fitted.folder / "in.safetensors")
    numpy.savetxt(fitted.folder / "in.csv", points, fmt="%.9g", delimiter=",")
    fitted.works("apply", "run", "--in", "a.npy", "--out", "out.npy")
    mapped = numpy.load(fitted.folder / "out.npy")
    assert mapped.shape == points.shape
    for name, read in [("in.npz:one", lambda path: numpy.load(path)["points"]),
                       ("in.safetensors", lambda path: load_file(path)["points"]),
                       ("in.csv", lambda path: numpy.loadtxt(path, delimiter=",", dtype="f4"))]:
        out = "out" + os.path.splitext(name.split(":")[0])[1]
        fitted.works("apply", "run/map.safetensors", "--in", name, "--out", out)
        numpy.testing.assert_array_equal(read(fitted.folder / out), mapped)
    fitted.works("apply", "run", "--in", "out.npy", "--out", "back.npy", "--inverse")
    fitted.works("apply", "run", "--in", "a.npy", "--out", "back.npy", "--force")
    numpy.testing.assert_array_equal(numpy.load(fitted.folder / "back.npy"), mapped)


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_points(fitted):
    peaks = []
    for count in (200_000, 4_000_000):
        name = fitted.save("many.npy", numpy.random.default_rng(0).normal(size=(count, 2)))
        run = subprocess.run([sys.executable, "-c", PEAK, fitted.binary, "apply", "run", "--in",
                              name, "--out", "many_out.npy", "--force"],
                             cwd=fitted.folder, check=True, capture_output=True, text=True)
        peaks.append(int(run.stdout) / 1024)
    # The larger table is 64 MB as it is read and 32 MB as it is written; allocators keep some MB.
    assert peaks[1] < peaks[0] + 30, peaks


@pytest.mark.parametrize("name, source, target", [
    ("one dimension", lambda r: r.normal(size=300), lambda r: r.normal(size=(200, 1)) + 1),
    ("smaller than a batch", lambda r: r.normal(size=(5, 2)), lambda r: r.normal(size=(300, 2))),
    ("more dimensions than points", lambda r: r.normal(size=(100, 200)),
     lambda r: r.normal(size=(100, 200)) + 1),
    ("a constant column", lambda r: r.normal(size=(300, 2)) * [1, 0] + 3,
     lambda r: r.normal(size=(300, 2)) * [0, 1]),
    ("large and tiny", lambda r: r.normal(size=(300, 2)) * 1e6,
     lambda r: r.normal(size=(300, 2)) * 1e-6),
    ("beyond squares in float32", lambda r: r.normal(size=(300, 2)) * 1e25,
     lambda r: r.normal(size=(300, 2))),
    ("integers", lambda r: r.integers(0, 9, (300, 2)), lambda r: r.integers(0, 9, (300, 2)) - 4)])
def test_unusual_points(monge, name, source, target):
    random = numpy.random.default_rng(3)
    monge.save("x.npy", source(random))
    monge.save("y.npy", target(random))
    monge.fits(source="x.npy", target="y.npy")
    figures = json.loads((monge.folder / "run" / "evaluation.json").read_text())
    plan = figures.pop("plan_check")
    assert plan.pop("verdict") in ("good", "fake", "unconverged") and plan.pop("reason")
    assert all(numpy.isfinite(value) for key, value in [*figures.items(), *plan.items()]
               if key != "solver")
    monge.works("apply", "run", "--in", "x.npy", "--out", "z.npy")
    assert numpy.isfinite(numpy.load(monge.folder / "z.npy")).all()


def test_source_is_target(monge):
    monge.fits(source="a.npy", target="a.npy")


def test_names_with_spaces_home_and_relative_files(monge):
    folder = monge.folder / "a place"
    folder.mkdir()
    (monge.folder / "a.npy").rename(folder / "my points.npy")
    (folder / "config.toml").write_text('[source]\nfile = "my points.npy"\n')
    home = {"env": {**os.environ, "HOME": str(monge.folder)}}
    monge.works("fit", "a place/config.toml", "--target=~/b.npy", "--out", "a place/run", *TINY,
                "--set", "train.max_steps=2", **home)
    monge.works("fit", "--resume", "--out", "run", "--set", "train.max_steps=4", cwd=folder)
    monge.works("fit", "--set", "source.file=my points.npy", "--set", "source.name=array",
                "--set", "target.file=../b.npy", "--out", "other", "--set", "train.max_steps=2",
                *TINY, cwd=folder)
    monge.works("fit", "--resume", "--out", "a place/other")


def test_runs_are_numbered(monge):
    for number in (1, 2):
        monge.works("fit", "--source", "a.npy", "--target", "b.npy", *TINY,
                    "--set", "train.max_steps=1")
        assert (monge.folder / "runs" / f"dual-{number}" / "report.html").is_file()


def test_colour(monge):
    image = pytest.importorskip("PIL.Image")
    random = numpy.random.default_rng(2)
    for name, low in [("photo.png", 0), ("palette.png", 100)]:
        pixels = random.integers(low, low + 100, (40, 60, 3)).astype("u1")
        image.fromarray(pixels).save(monge.folder / name)
    command = ["colour", "photo.png", "palette.png", "-o", "out.png", "--save-map",
               "map.safetensors", "--lut", "look.cube", "--lut-size", "4",
               "--set", "train.max_steps=5", *TINY]
    out = monge.works(*command)
    assert [line for line in out.splitlines() if line.startswith("wrote")] == [
        "wrote out.png", "wrote map.safetensors", "wrote look.cube"]
    assert "LUT_3D_SIZE 4" in (monge.folder / "look.cube").read_text()
    monge.works("apply", "map.safetensors", "--in", "photo.png", "--out", "same.png")
    assert (image.open(monge.folder / "same.png").tobytes()
            == image.open(monge.folder / "out.png").tobytes())
    assert "--force" in monge.refuses(*command)
    monge.works(*command, "--force")
