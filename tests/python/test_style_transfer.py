"""W2GN of photographs' crops by convolutional potentials: fitting, resuming, mapping, refusing."""

import json

import numpy
import pytest
from PIL import Image

TINY = ["source.size=16", "target.size=16", "source.short_side=0", "target.short_side=0",
        "source.rotation=0", "target.rotation=0", "network.width=4", "network.linear_layers=1",
        "network.convex_layers=2", "network.hidden=[8]", "solver.batch=4",
        "solver.pretrain_steps=20", "solver.learning_rate=1e-2", "evaluate.points=40", "train.evaluate_every=50"]


def sets(*settings):
    return [part for setting in settings for part in ("--set", setting)]


def fit(*settings, source="dark.png", target="bright.png", out="run", steps=150,
        recipe="style-transfer"):
    return ["fit", "--recipe", recipe, "--source", source, "--target", target, "--out", out,
            *sets(*TINY, f"train.max_steps={steps}", *settings)]


@pytest.fixture(scope="module")
def photographs(binary, tmp_path_factory):
    """A dark and a bright photograph, smooth; a small and a grey one; folders of them."""
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("photographs"))
    random = numpy.random.default_rng(0)

    def save(name, low, high, size=(52, 38), mode="RGB"):
        coarse = random.integers(low, high, (6, 8, 3)).astype("u1")
        path = program.folder / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)

    for name in ("dark.png", "dark/a.png", "dark/b.png"):
        save(name, 0, 120)
    save("bright.png", 120, 255)
    save("small.png", 0, 255, (40, 15))
    save("grey.png", 0, 255, mode="L")
    save("mixed/a.png", 0, 255)
    save("mixed/b.png", 0, 255, mode="L")
    save("few/a.png", 0, 255)
    save("few/small.png", 0, 255, (40, 15))
    return program


@pytest.fixture(scope="module")
def fitted_style(photographs):
    photographs.works(*fit())
    return photographs


def pixels(program, name):
    return numpy.asarray(Image.open(program.folder / name)).astype(float)


def test_a_photograph_of_any_size_becomes_like_the_other(fitted_style):
    program = fitted_style
    program.works("apply", "run", "--in", "dark.png", "--out", "styled.png", "--force")
    program.works("apply", "run", "--in", "bright.png", "--out", "back.png", "--inverse", "--force")
    dark, bright, styled, back = (pixels(program, f"{name}.png")
                                  for name in ("dark", "bright", "styled", "back"))
    assert styled.shape == dark.shape == (38, 52, 3)
    assert styled.mean() > dark.mean() + 0.3 * (bright.mean() - dark.mean())
    assert back.mean() < bright.mean() - 0.3 * (bright.mean() - dark.mean())
    # The structure stays: a monotone map.
    assert numpy.corrcoef(styled.ravel(), dark.ravel())[0, 1] > 0.8


def test_a_map_file_alone_moves_photographs_and_folders_of_them(fitted_style):
    program = fitted_style
    program.works("apply", "run", "--in", "dark/a.png", "--out", "by-run.png", "--force")
    program.works("apply", "run/map.safetensors", "--in", "dark", "--out", "moved", "--force")
    assert pixels(program, "moved/b.png").shape == (38, 52, 3)
    numpy.testing.assert_array_equal(pixels(program, "moved/a.png"), pixels(program, "by-run.png"))


def test_a_run_is_judged(fitted_style):
    judged = json.loads((fitted_style.folder / "run" / "evaluation.json").read_text())
    assert judged["convexity_violation"] < 1e-5
    assert judged["cycle_error"] < 50 and judged["plan_check"]["points"] >= 40
    assert {"offline_frechet", "offline_frechet_identity", "inverse_offline_frechet"} < set(judged)
    config = (fitted_style.folder / "run" / "config.toml").read_text().replace("'", '"')
    assert 'name = "conv_icnn"' in config and "size = 16" in config


def test_a_run_is_resumed_bit_by_bit(photographs):
    constant = "train.schedule=constant"
    photographs.works(*fit(constant, out="whole", steps=6))
    photographs.works(*fit(constant, out="half", steps=3))
    photographs.works("fit", "--resume", "--out", "half", *sets("train.max_steps=6"))
    assert photographs.tensors("half") == photographs.tensors("whole")


def test_crops_take_the_parts_of_the_recipe(photographs):
    chosen = [one for one in TINY if not one.endswith("_side=0")]
    photographs.works("fit", "--source", "dark", "--target", "bright.png", "--out", "named",
                      *sets(*chosen, "source.name=crops", "target.name=crops", "train.max_steps=2",
                            "source.short_side=20", "target.short_side=20"))
    assert "conv_icnn" in (photographs.folder / "named" / "config.toml").read_text()


def test_the_recipe_of_the_paper_begins(photographs):
    photographs.works(*fit(recipe="style-transfer-paper", out="paper", steps=2))
    config = (photographs.folder / "paper" / "config.toml").read_text()
    assert "skip = false" in config and "weight_l1 = 1e-10" in config


@pytest.mark.parametrize("settings, sides, words", [
    ([], {"source": "small.png"}, "small.png: expected photographs of at least 16x16 pixels, for "
                                  "crops of 16, got one of 40x15"),
    ([], {"source": "few"}, "few: expected photographs of at least 16x16 pixels"),
    ([], {"source": "mixed"}, "3 in a.png and 1 in b.png"),
    ([], {"source": "grey.png"}, "expected points of one shape, got [1, 16, 16] and "
                                 "[3, 16, 16]"),
    (["target.size=8"], {}, "got [3, 16, 16] and [3, 8, 8]"),
    (["solver.start=affine"], {}, "solver.start: expected identity or pretrain"),
    (["network.size=32"], {}, "network.size: expected that of the images, 16, got 32"),
    (["network.hidden=[]"], {}, "conv_icnn.hidden: expected at least one width"),
    (["source.rotaton=3"], {}, "did you mean 'rotation'?"),
    (["solver.name=dual", "network.name=conv_icnn"], {}, "expected dense_icnn for the solver"),
])
def test_what_does_not_fit_is_refused(photographs, settings, sides, words):
    assert words in photographs.refuses(*fit(*settings, out="new", **sides))


@pytest.mark.parametrize("more, words", [
    (["--in", "small.png", "--out", "new.png"], "at least 16x16 pixels, a tile of the map"),
    (["--in", "few", "--out", "new"], "small.png: expected a photograph of at least 16x16"),
    (["--in", "dark", "--out", "dark"], "another folder"),
    (["--in", "dark.png", "--out", "new.png", "--samples", "2"], "a map with noise"),
    (["--in", "dark.png", "--out", "new.txt"], "an extension among")])
def test_what_a_map_of_crops_refuses(fitted_style, more, words):
    assert words in fitted_style.refuses("apply", "run", *more)
