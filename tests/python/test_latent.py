"""Transport in the latent space of an autoencoder: [latent] and --latent, from images to images."""

import gzip
import json
import pathlib
import signal
import time

import numpy
import pytest

image = pytest.importorskip("PIL.Image")
ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
BAGS = DATA / "fashion-mnist" / "sample-images-idx3-ubyte.gz"
SMALL = ["latent.width=4", "latent.dimension=6", "latent.steps=40", "network.hidden=[8,8]",
         "train.max_steps=20", "train.checkpoint_seconds=0", "evaluate.points=40"]
NOISE = ["source.name=gaussian", "source.dimension=6"]
SIDES = ["source.labels=[8]", "target.labels=[5,7,9]"]


def settings(*chosen):
    return [part for setting in chosen for part in ("--set", setting)]


def moving(*chosen, out="run", latent="autoencoder"):
    """From bags to shoes."""
    return ["fit", "--source", BAGS, "--target", BAGS, "--latent", latent, "--out", out,
            *settings(*SMALL, *SIDES, *chosen)]


def generating(*chosen, out="run", latent="vae"):
    """Bags from noise."""
    return ["fit", "--target", BAGS, "--latent", latent, "--out", out,
            *settings(*SMALL, *NOISE, "target.labels=[8]", *chosen)]


@pytest.fixture(scope="module")
def program(binary, tmp_path_factory):
    """A program with the finished runs "moved" and "generated"."""
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("latent"))
    program.printed = {"moved": program.works(*moving(out="moved")),
                       "generated": program.works(*generating(out="generated"))}
    return program


def bags(count):
    with gzip.open(BAGS) as file:
        return numpy.frombuffer(file.read(), "u1", offset=16).reshape(-1, 1, 28, 28)[:count]


def test_a_run_has_its_autoencoder_and_figures_of_both_spaces(program):
    for run in ("moved", "generated"):
        folder = program.folder / run
        assert sorted(path.name for path in (folder / "autoencoder").iterdir()) == [
            "events", "metrics.jsonl"]
        lines = [json.loads(line)
                 for line in (folder / "autoencoder" / "metrics.jsonl").read_text().splitlines()]
        assert lines[-1]["unexplained variance"] < lines[0]["unexplained variance"]
        figures = json.loads((folder / "evaluation.json").read_text())
        for name in ("latent_energy_distance", "latent_transport_cost", "offline_frechet",
                     "offline_frechet_identity", "offline_frechet_reconstruction"):
            assert figures[name] > 0 and name in program.printed[run]
        assert figures["plan_check"]["verdict"] in ("good", "unconverged")
        assert (folder / "report.html").stat().st_size > 0
        before = (folder / "evaluation.json").read_bytes()
        program.works("evaluate", run)
        assert (folder / "evaluation.json").read_bytes() == before
    # What the autoencoder's file does alone: images through it and back.
    numpy.save(program.folder / "x.npy", bags(20))
    program.works("apply", "moved/autoencoder.safetensors", "--in", "x.npy", "--out", "back.npy")
    back = numpy.load(program.folder / "back.npy")
    assert back.shape == (20, 1, 28, 28) and back.dtype == numpy.uint8
    gap = numpy.square(back.astype("f4") - bags(20)).sum()
    assert gap < numpy.square(bags(20) - 127.5).sum()  # the grey of networks that learned nothing


def recipe(name, *chosen):
    return ["fit", "--recipe", name, *settings(*SMALL, "latent.steps=4", "train.max_steps=2",
                                               "evaluate.holdout=0.01", *chosen)]


def test_the_recipe_of_digits_moves_them(monge):
    monge.works(*recipe("latent-digits", "latent.hidden=[16]"), "--out", monge.folder / "run", cwd=ROOT)
    monge.save("low.npy", numpy.zeros((3, 28, 28), "u1"))
    monge.works("apply", "run", "--in", "low.npy", "--out", "moved.npy")
    moved = numpy.load(monge.folder / "moved.npy")
    assert (moved.shape, moved.dtype) == ((3, 28, 28), numpy.uint8)


def test_the_recipe_of_generation_makes_digits_of_noise(monge):
    monge.works(*recipe("latent-generate", "source.dimension=6"), "--out", monge.folder / "run",
                cwd=ROOT)
    monge.works("sample", "run", "--count", 4, "--out", "digits.png")
    assert image.open(monge.folder / "digits.png").size[0] > 28
    figures = json.loads((monge.folder / "run" / "evaluation.json").read_text())
    assert {"offline_frechet", "offline_frechet_identity", "offline_frechet_reconstruction"} < set(figures)
    # Of a folder in the place of the digits.
    for i, levels in enumerate(bags(60)):
        (monge.folder / "bags").mkdir(exist_ok=True)
        image.fromarray(levels[0]).save(monge.folder / "bags" / f"{i}.png")
    monge.works(*recipe("latent-generate", "source.dimension=6", "target.size=28"), "--target", "bags",
                "--out", "own")


def test_images_are_mapped_as_by_any_map(program):
    folder = program.folder / "bags"
    folder.mkdir()
    for i, levels in enumerate(bags(5)):
        image.fromarray(levels[0]).save(folder / f"{i}.png")
    assert program.works("apply", "moved", "--in", "bags", "--out", "shoes") == \
        "5 images to shoes\n"
    program.works("apply", "moved", "--in", "bags/3.png", "--out", "shoe.png")
    shoe = numpy.asarray(image.open(program.folder / "shoe.png"))
    assert shoe.shape == (28, 28)
    assert (shoe == numpy.asarray(image.open(program.folder / "shoes" / "3.png"))).all()
    numpy.save(program.folder / "bags.npy", bags(5))
    program.works("apply", "moved/map.safetensors", "--in", "bags.npy", "--out", "shoes.npy")
    assert (numpy.load(program.folder / "shoes.npy")[3, 0] == shoe).all()
    for i, time_ in enumerate((0, 1)):
        program.works("apply", "moved", "--in", "bags.npy", "--out", f"way{i}.npy", "--time", time_)
    assert (numpy.load(program.folder / "way1.npy") ==
            numpy.load(program.folder / "shoes.npy")).all()
    program.works("apply", "moved", "--inverse", "--in", "shoes.npy", "--out", "again.npy")


def test_images_are_made_of_noise(program):
    program.works("sample", "generated", "--count", 12, "--out", "made.npy")
    made = numpy.load(program.folder / "made.npy")
    assert made.shape == (12, 1, 28, 28) and abs(made).max() <= 1 and made.std(0).max() > 0
    program.works("sample", "generated", "--count", 12, "--out", "made")
    names = sorted(path.name for path in (program.folder / "made").iterdir())
    assert names == [f"{i:02}.png" for i in range(1, 13)]
    levels = numpy.asarray(image.open(program.folder / "made" / "03.png"))
    assert (levels == ((made[2, 0] + 1) * 127.5).round()).all()
    program.works("sample", "generated", "--count", 12, "--out", "grid.png", "--seed", 1)
    assert min(image.open(program.folder / "grid.png").size) > 3 * 28
    # One's own noise, and the codes of images by the inverse.
    noise = numpy.random.default_rng(0).normal(size=(7, 6)).astype("f4")
    numpy.save(program.folder / "noise.npy", noise)
    program.works("apply", "generated", "--in", "noise.npy", "--out", "own.npy")
    assert numpy.load(program.folder / "own.npy").shape == (7, 1, 28, 28)
    program.works("apply", "generated", "--in", "noise.npy", "--out", "own")
    assert len(list((program.folder / "own").iterdir())) == 7
    program.works("apply", "generated", "--inverse", "--in", BAGS, "--out", "codes.npy")
    assert numpy.load(program.folder / "codes.npy").shape == (1200, 6)


def test_samples_of_any_run(fitted):
    fitted.works("sample", "run", "--count", 5, "--out", "drawn.csv")
    assert numpy.loadtxt(fitted.folder / "drawn.csv", delimiter=",").shape == (5, 2)
    refused = fitted.refuses("sample", "run", "--out", "drawn.png")
    assert "expected an array (npy, npz, safetensors, csv) for points that are no images" in refused
    assert "exists; pass --force" in fitted.refuses("sample", "run", "--out", "drawn.csv")
    (fitted.folder / "drawn.csv").unlink()


def test_an_autoencoder_serves_other_runs(program):
    kept = program.folder / "moved" / "autoencoder.safetensors"
    for file in ("moved", "moved/autoencoder.safetensors", "moved/map.safetensors"):
        program.works(*moving(f"latent.file={file}", "latent.steps=1000000", out="again"), "--force")
        assert not (program.folder / "again" / "autoencoder").exists()
        assert program.map_bytes("again") == program.map_bytes("moved")
    assert (program.folder / "again" / "autoencoder.safetensors").read_bytes() == kept.read_bytes()
    # The run goes on with its own copy.
    line = program.works("fit", "--resume", "--out", "again", *settings("train.max_steps=25"))
    assert line.startswith("finished after 25 steps")
    refused = program.refuses(*moving("latent.file=moved", "latent.dimension=5", out="other"))
    assert "latent.dimension: expected 6, that of the autoencoder in" in refused
    refused = program.refuses(*moving("latent.file=moved", out="other", latent="vae"))
    assert "latent.kind: expected \"autoencoder\", that of" in refused


LONG = ["train.evaluate_every=5", "latent.steps=200", "train.max_steps=80"]


@pytest.fixture(scope="module")
def whole(binary, tmp_path_factory):
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("whole"))
    program.works(*moving(*LONG))
    return program


def assert_same(monge, whole):
    for name in ("autoencoder.safetensors", "map.safetensors"):
        assert ((monge.folder / "run" / name).read_bytes() ==
                (whole.folder / "run" / name).read_bytes()), name
    assert monge.lines() == whole.lines()
    assert monge.tensors() == whole.tensors()


@pytest.mark.parametrize("when", ["autoencoder", "transport"])
def test_a_run_that_is_stopped_goes_on_to_the_same_numbers(monge, whole, when):
    process = monge.start(*moving(*LONG))
    watched = monge.folder / "run" / ("autoencoder" if when == "autoencoder" else "")
    while not (watched / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130 and message.count("\n") == 1
    assert "continue with: monge fit --resume --out run" in message
    if when == "autoencoder":
        assert message.startswith("monge: training of the autoencoder interrupted at step ")
        assert "its checkpoint is kept" in message
        assert not (monge.folder / "run" / "checkpoint.safetensors").exists()
    monge.works("fit", "--resume", "--out", "run")
    assert_same(monge, whole)


def test_a_kill_in_the_autoencoders_training(monge, whole):
    process = monge.start(*moving(*LONG))
    while not (monge.folder / "run" / "autoencoder" / "checkpoint.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert "exists; pass --resume" in monge.refuses(*moving())
    monge.works("fit", "--resume", "--out", "run")
    assert_same(monge, whole)
    (monge.folder / "run" / "autoencoder.safetensors").unlink()
    refused = monge.refuses("fit", "--resume", "--out", "run", *settings("train.max_steps=90"))
    assert "expected the autoencoder that the run began with, got none" in refused


@pytest.mark.parametrize("chosen, message", [
    (["latent.kind=gan"], "latent.kind: expected none | autoencoder | vae, got"),
    (["latent.dimensions=3"], "latent: unknown key 'dimensions'; did you mean 'dimension'?"),
    (["latent.dimension=784"], "latent.dimension: expected less than the 784 numbers of a point"),
    (["latent.hidden=[]", "latent.architecture=dense"],
     "latent.hidden: expected the width of at least one layer, got none"),
    (["latent.file=missing.safetensors"], "missing.safetensors"),
    (["source.size=14"], "expected points of one shape, or one of them of the latent dimension 6, "
     "got [1, 14, 14] and [1, 28, 28]"),
    (["solver.batch=-3"], "solver.batch: expected"),
])
def test_what_does_not_fit_is_one_line_before_any_training(monge, chosen, message):
    assert message in monge.refuses(*moving("latent.steps=100000000", *chosen))


def test_what_a_map_of_a_latent_space_does_not_take(program):
    numpy.save(program.folder / "wide.npy", numpy.zeros((3, 5), "f4"))
    refused = program.refuses("apply", "generated", "--in", "wide.npy", "--out", "o.npy")
    assert "expected points of dimension 6, that of the map, got 5" in refused
    assert "expected an array of codes [n, 6]" in program.refuses("apply", "generated", "--in", BAGS,
                                                                  "--out", "o.npy")
    refused = program.refuses("apply", "moved", "--in", "wide.npy", "--out", "o.npy", "--log-det")
    assert "--log-det expected the gradient of a convex potential" in refused
    refused = program.refuses("fit", "--target", BAGS, "--latent", "vae", "--out", "other",
                              *settings("source.name=gaussian", "source.dimension=7"))
    assert "one of them of the latent dimension 16, got [7] and [1, 28, 28]" in refused
