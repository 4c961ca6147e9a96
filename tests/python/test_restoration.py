"""Super-resolution and colourisation: maps of crops that were degraded, and their measures."""

import pathlib
import sys

import numpy
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from gallery import colourisation, restoration  # noqa: E402

TINY = ["source.size=16", "target.size=16", "network.width=6", "network.max_width=12",
        "solver.map_width=6", "solver.batch=8", "evaluate.points=40", "train.evaluate_every=1000"]


def fit(recipe, *settings, source="photos", target="others", out="run", steps=1):
    return ["fit", "--recipe", recipe, "--source", source, "--target", target, "--out", out,
            *(part for setting in [*TINY, f"train.max_steps={steps}", *settings]
              for part in ("--set", setting))]


@pytest.fixture(scope="module")
def photographs(binary, tmp_path_factory):
    """Photographs whose colours follow from their light: dark is blue and bright is yellow."""
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("photographs"))
    random = numpy.random.default_rng(0)
    for name in ("photos/a.png", "photos/b.png", "others/c.png", "others/d.png", "held.png"):
        light = Image.fromarray(random.integers(0, 256, (6, 8)).astype("u1")).resize(
            (52, 38), Image.Resampling.BICUBIC)
        level = numpy.asarray(light).astype(int)
        path = program.folder / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(numpy.stack([level, level, 128 - (level - 128) // 2], 2).astype("u1")).save(
            path)
    Image.open(program.folder / "held.png").resize((20, 7)).save(program.folder / "small.png")
    return program


def pixels(program, name):
    return numpy.asarray(Image.open(program.folder / name)).astype(float)


@pytest.fixture(scope="module")
def unlearned(photographs):
    """Two maps that have not moved from T(x) = x."""
    for recipe in ("super-resolution", "colourisation"):
        photographs.works(*fit(recipe, "solver.learning_rate=1e-12", out=recipe))
    return photographs


def test_a_map_that_has_learned_nothing_is_bicubic(unlearned):
    unlearned.works("apply", "super-resolution", "--in", "held.png", "--out", "large.png", "--force")
    held = Image.open(unlearned.folder / "held.png")
    bicubic = numpy.asarray(held.resize((104, 76), Image.Resampling.BICUBIC)).astype(float)
    numpy.testing.assert_allclose(pixels(unlearned, "large.png"), bicubic, atol=1)


def test_a_map_of_grey_photographs_sees_no_colours(unlearned):
    unlearned.works("apply", "colourisation", "--in", "held.png", "--out", "grey.png", "--force")
    grey = pixels(unlearned, "grey.png")
    assert grey.shape == (38, 52, 3) and (grey.std(2) == 0).all()
    numpy.testing.assert_allclose(
        grey[..., 0], numpy.asarray(colourisation.grey(Image.open(unlearned.folder / "held.png"))),
        atol=1)


def test_a_map_file_alone_enlarges(unlearned):
    unlearned.works("apply", "super-resolution", "--in", "held.png", "--out", "large.png", "--force")
    unlearned.works("apply", "super-resolution/map.safetensors", "--in", "photos", "--out", "moved",
                    "--force")
    assert pixels(unlearned, "moved/b.png").shape == (76, 104, 3)


def test_colours_that_follow_from_the_light_are_learned(photographs):
    photographs.works(*fit("colourisation", "solver.learning_rate=3e-3", "solver.average=0.98",
                           out="coloured", steps=150))
    Image.open(photographs.folder / "held.png").convert("L").save(photographs.folder / "l.png")
    photographs.works("apply", "coloured", "--in", "held.png", "--out", "out.png", "--force")
    truth, coloured = pixels(photographs, "held.png"), pixels(photographs, "out.png")
    grey = pixels(photographs, "l.png")[..., None]
    assert numpy.square(coloured - truth).mean() < 0.5 * numpy.square(grey - truth).mean()


@pytest.mark.parametrize("settings, words", [
    (["source.downscale=0"], "source.downscale: expected 1 to 16, got 0"),
    (["source.downscale=2.5"], "source.downscale: expected"),
    (["source.downscal=2"], "did you mean 'downscale'?"),
    (["source.gray=true"], "did you mean 'grey'?")])
def test_what_does_not_fit_is_refused(photographs, settings, words):
    assert words in photographs.refuses(*fit("super-resolution", *settings, out="new"))


def test_a_photograph_that_stays_smaller_than_a_tile_is_refused(unlearned):
    assert ("small.png: expected a photograph of at least 8x8 pixels, a tile of the map, got one of "
            "20x7") in unlearned.refuses("apply", "super-resolution", "--in", "small.png", "--out",
                                         "new.png")


def test_similarity_is_that_of_its_formula():
    """1 of equal pictures; of flat ones what their means say."""
    random = numpy.random.default_rng(0)
    picture = random.uniform(0, 255, (20, 30, 3))
    numpy.testing.assert_allclose(restoration.similarity(picture, picture), 1)
    flat, other = numpy.full((9, 9, 3), 100.0), numpy.full((9, 9, 3), 50.0)
    c1 = (0.01 * 255) ** 2
    numpy.testing.assert_allclose(restoration.similarity(flat, other),
                                  (2 * 100 * 50 + c1) / (100**2 + 50**2 + c1))
    assert abs(restoration.psnr(flat, flat + 25.5) - 20) < 1e-9


def test_strips_have_one_use_each(tmp_path):
    uses = [restoration.columns(640, use) for use in restoration.USES]
    assert (sum(use.astype(int) for use in uses) == 1).all()
    restoration.cut(tmp_path)
    truth = restoration.photographs()["china"]
    strips = [numpy.asarray(Image.open(path)) for path in
              sorted(tmp_path.glob("held-out/china-*.png"), key=lambda p: int(p.stem.split("-")[1]))]
    numpy.testing.assert_array_equal(numpy.concatenate(strips, 1), restoration.held_out(truth))


def test_the_mean_colour_of_each_grey(tmp_path):
    """Greys are as they were; between and beyond them colours are interpolated."""
    Image.fromarray(numpy.array([[[0, 0, 0], [200, 200, 200]]], "u1")).save(tmp_path / "a.png")
    colours = colourisation.mean_colours(tmp_path)
    numpy.testing.assert_allclose(colours[[0, 100, 200, 255], 0], [0, 100, 200, 200])
