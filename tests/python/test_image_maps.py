"""Neural Optimal Transport of images: fitting, resuming, mapping, refusing."""

import json
import pathlib
import tomllib

import numpy
import pytest

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"
BAGS = DATA / "fashion-mnist" / "sample-images-idx3-ubyte.gz"
DIGITS = DATA / "mnist" / "t10k-images-idx3-ubyte.gz"
SMALL = ["network.name=resnet_critic", "network.width=4", "network.max_width=8",
         "solver.name=saddle_point", "solver.map_width=3", "solver.batch=6", "solver.inner_steps=2",
         "evaluate.points=20", "train.checkpoint_seconds=0", "train.evaluate_every=2"]
WEAK = ["cost.name=weak_quadratic", "cost.gamma_steps=3", "solver.noise_channels=1",
        "solver.noise_samples=2", "solver.micro_batch=6"]

NOISED = ["network.name=noised_resnet_critic", "network.unit=target"]
SMOOTHED = ["smoothing.kind=gaussian", "solver.map_network=song_unet", "solver.map_width=4",
            "solver.map_blocks=1", "solver.map_attention=8"]


def arguments(*chosen, source="x.npy", target="y.npy", out="run", steps=4, kind="images"):
    chosen = [*SMALL, f"train.max_steps={steps}", f"source.name={kind}", f"target.name={kind}",
              *chosen]
    return ["fit", "--source", source, "--target", target, "--out", out,
            *(part for setting in chosen for part in ("--set", setting))]


@pytest.fixture
def images(monge):
    """Arrays of bytes [n, 16, 16, c] of which y has three channels as x."""
    random = numpy.random.default_rng(0)
    for name, channels, side in (("x", 3, 16), ("y", 3, 16), ("grey", 1, 16), ("odd", 3, 24)):
        monge.save(f"{name}.npy", random.integers(0, 256, (40, side, side, channels)).astype("u1"))
    return monge


@pytest.mark.parametrize("chosen", [[], WEAK, NOISED + SMOOTHED],
                         ids=["strong", "weak", "noised, smoothed"])
def test_a_run_is_judged_resumed_and_maps_images(images, chosen):
    shown = images.works(*arguments(*chosen))
    assert "energy_distance" in shown and "plan check: " in shown
    config = (images.folder / "run" / "config.toml").read_text()
    assert "channels = 3" in config and "size = 16" in config
    judged = json.loads((images.folder / "run" / "evaluation.json").read_text())
    assert judged["plan_check"]["points"] == 20 and numpy.isfinite(judged["transport_cost"])

    constant = ["train.schedule=constant"]
    images.works(*arguments(*chosen, *constant, out="whole"))
    images.works(*arguments(*chosen, *constant, out="half", steps=2))
    images.works("fit", "--resume", "--out", "half", "--set", "train.max_steps=4")
    assert images.map_bytes("half") == images.map_bytes("whole")
    state = images.tensors("whole")
    assert images.tensors("half") == state
    kept = "solver.statistics." if chosen[:1] == NOISED[:1] else "solver.average_statistics."
    assert any(name.startswith(kept) for name in state)

    images.works("apply", "run", "--in", "x.npy", "--out", "moved.npy")
    moved = numpy.load(images.folder / "moved.npy")
    assert (moved.shape, moved.dtype) == ((40, 16, 16, 3), numpy.uint8)
    rows = numpy.load(images.folder / "x.npy").transpose(0, 3, 1, 2).reshape(40, -1) / 127.5 - 1
    images.save("rows.npy", rows.astype("f4"))
    images.works("apply", "run", "--in", "rows.npy", "--out", "rows-moved.npy")
    floats = numpy.load(images.folder / "rows-moved.npy").reshape(40, 3, 16, 16)
    levels = ((floats + 1) * 127.5).round().clip(0, 255).transpose(0, 2, 3, 1)
    numpy.testing.assert_array_equal(levels, moved)


@pytest.mark.parametrize("chosen, said", [
    (["cost.name=weak_quadratic"], "solver.noise_channels: expected at least 1"),
    ([*WEAK, "solver.noise_samples=1"], "solver.noise_samples: expected at least 2"),
    (["cost.name=weak_quadratic", "cost.gamma=1.5"], "cost.gamma: expected 0 to 1, got 1.5"),
    (["solver.map_hidden=[8]"], "solver.map_hidden: expected none and map_width"),
    (["solver.noise_dimension=2"], "solver.noise_dimension: expected 0 and noise_channels"),
    (["network.size=32"], "network.size: expected that of the images, 16, got 32"),
    (["solver.micro_bach=4"], "did you mean 'micro_batch'?"),
    ([*NOISED, "solver.noise_channels=1"], "solver.noise_channels: expected 0"),
    ([*NOISED, "network.sigma_min=200"], "network.sigma_min: expected at most sigma_max = 100"),
    (["solver.map_attention=8"], "solver.map_attention: expected 0"),
    (["solver.map_network=tunet"], "expected unet | song_unet"),
    (["target.hues=[0,120]"], "target.channels: expected 1, grey images"),
])
def test_options_that_do_not_fit_are_refused(images, chosen, said):
    assert said in images.refuses(*arguments(*chosen))


def test_measures_that_do_not_fit_are_refused(images):
    assert "[3, 24, 24]" in images.refuses(*arguments(source="odd.npy", target="odd.npy"))
    assert "got [3, 16, 16] and [1, 16, 16]" in images.refuses(*arguments(target="grey.npy"))
    # Of the same dimension, and no images.
    assert "expected images of one shape" in images.refuses(*arguments(kind="array"))
    assert "noise_dimension" in images.refuses(
        *arguments("network.name=mlp", "solver.noise_channels=1"))


def begin(monge, *chosen, settings=()):
    """One step on bags of one network's size; the config of the run."""
    monge.works("fit", *chosen, "--out", "run", "--source", BAGS, "--target", BAGS,
                *(part for setting in [*settings, "source.pad=32", "target.pad=32",
                                       "train.max_steps=1", "solver.inner_steps=1",
                                       "solver.micro_batch=6"] for part in ("--set", setting)))
    return (monge.folder / "run" / "config.toml").read_text().replace("'", '"')


@pytest.mark.parametrize("recipe", ["not-images", "not-images-paper", "not-images-weak-paper",
                                    "bags-to-shoes", "bags-to-shoes-weak", "digits"])
def test_the_recipes_begin(monge, recipe):
    config = begin(monge, "--recipe", recipe, settings=SMALL)
    assert ("weak_quadratic" in config) == ("weak" in recipe)


@pytest.mark.parametrize("recipe", ["bags-to-shoes", "digits", "otp-coloured-digits"])
def test_folders_take_the_place_of_a_recipes_images(monge, recipe):
    """Made as those were, and all of them."""
    image = pytest.importorskip("PIL.Image")
    random = numpy.random.default_rng(0)
    for i in range(40):
        path = monge.folder / ("some", "others")[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        image.fromarray(random.integers(0, 256, (40, 50)).astype("u1")).save(path)
    sizes = [one for one in SMALL if ".name=" not in one]
    monge.works("fit", "--recipe", recipe, "--source", "some", "--target", "others", "--out", "run",
                *(part for setting in [*sizes, "train.max_steps=2", "solver.inner_steps=1"]
                  for part in ("--set", setting)))
    target = tomllib.loads((monge.folder / "run" / "config.toml").read_text())["target"]
    coloured = {"size": 16, "hues": [0, 120, 240]}
    expected = coloured if recipe == "otp-coloured-digits" else {"size": 28, "pad": 32}
    assert target == expected | {"name": "images", "file": str(monge.folder / "others")}
    monge.works("apply", "run", "--in", "some", "--out", "moved")
    assert len(list((monge.folder / "moved").iterdir())) == 20


def test_images_take_the_parts_of_not_images(monge):
    """Where neither a solver nor a network is named."""
    config = begin(monge, settings=[one for one in SMALL if ".name=" not in one])
    assert 'name = "resnet_critic"' in config and "residual = true" in config


def few(file):
    """A recipe's images from another file, and two steps of small networks."""
    return [part for setting in [
        f"source.file={file}", f"target.file={file}", "solver.map_width=3", "solver.batch=6",
        "solver.inner_steps=1", "network.width=4", "network.max_width=8", "evaluate.points=20",
        "train.max_steps=2"] for part in ("--set", setting)]


def test_the_noised_recipe_begins(monge):
    monge.works("fit", "--recipe", "noised-not-images", "--out", "run", *few(BAGS))
    assert "noised_resnet_critic" in (monge.folder / "run" / "config.toml").read_text()
    assert {"offline_frechet", "l2"} < set(monge.lines()[-1])


@pytest.mark.parametrize("recipe", ["otp-coloured-digits", "otm-s-coloured-digits"])
def test_grey_digits_are_sent_to_coloured_ones(monge, recipe):
    """A plan: the same digits come back in colour and, asked again, otherwise."""
    monge.works("fit", "--recipe", recipe, "--out", "run", *few(DIGITS))
    grey = numpy.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype("u1")
    monge.works("apply", "run", "--in", monge.save("grey.npy", grey), "--out", "coloured.npy",
                "--samples", 3)
    coloured = numpy.load(monge.folder / "coloured.npy")
    assert (coloured.shape, coloured.dtype) == ((5, 3, 16, 16, 3), numpy.uint8)
    assert (coloured[:, 0] != coloured[:, 1]).any()
