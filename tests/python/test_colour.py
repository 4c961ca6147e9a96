"""Colours: several palettes, strength, spaces, folders of photographs, and LUTs from elsewhere."""

import numpy
import pytest
from command_line import TINY
from PIL import Image

QUICK = ["--set", "train.max_steps=40", *TINY]


def save(path, low, high, seed, shape=(30, 40)):
    """Random colours between two corners of the cube."""
    share = numpy.random.default_rng(seed).random((*shape, 1)) * 0.9
    noise = numpy.random.default_rng(seed + 1).random((*shape, 3)) * 0.1
    colours = numpy.array(low) + (share + noise) * (numpy.array(high) - numpy.array(low))
    path.parent.mkdir(exist_ok=True)
    Image.fromarray((255 * colours).round().astype("u1")).save(path)


@pytest.fixture
def photos(monge):
    save(monge.folder / "photo.png", (0.2, 0.2, 0.2), (0.6, 0.6, 0.6), 0)
    save(monge.folder / "red.png", (0.4, 0.1, 0.1), (0.9, 0.3, 0.2), 2)
    save(monge.folder / "blue.png", (0.1, 0.1, 0.4), (0.2, 0.3, 0.9), 4)
    return monge


def pixels(monge, name):
    return numpy.asarray(Image.open(monge.folder / name).convert("RGB")).astype(float) / 255


def test_the_barycentre_of_palettes(photos):
    """The mean colour of the average of maps is the mean of theirs, and its file is a map."""
    for name in ("red", "blue"):
        photos.works("colour", "photo.png", f"{name}.png", "-o", f"{name}-out.png", *QUICK)
    text = photos.works("colour", "photo.png", "red.png", "blue.png", "--weights", "3,1", "-o",
                        "both.png", "--save-map", "both.safetensors", *QUICK)
    assert "to_palette_2_before" in text and "blue.png" in text
    mixed = 0.75 * pixels(photos, "red-out.png") + 0.25 * pixels(photos, "blue-out.png")
    assert numpy.abs(pixels(photos, "both.png") - mixed).max() < 1.01 / 255
    photos.works("apply", "both.safetensors", "--in", "photo.png", "--out", "again.png")
    assert numpy.array_equal(pixels(photos, "again.png"), pixels(photos, "both.png"))
    assert "no inverse" in photos.refuses("apply", "both.safetensors", "--in", "photo.png", "--out",
                                          "new.png", "--inverse")
    photos.works("colour", "photo.png", "red.png", "blue.png", "-o", "equal.png", *QUICK)
    assert numpy.abs(pixels(photos, "equal.png").mean((0, 1)) - (pixels(photos, "red.png").mean((0, 1))
                     + pixels(photos, "blue.png").mean((0, 1))) / 2).max() < 0.05


def test_strength_is_the_share_of_the_way(photos):
    photos.works("colour", "photo.png", "red.png", "-o", "full.png", "--save-map", "m.safetensors",
                 *QUICK)
    photos.works("colour", "photo.png", "red.png", "-o", "half.png", "--strength", 0.5, "--lut",
                 "half.cube", *QUICK)
    middle = (pixels(photos, "photo.png") + pixels(photos, "full.png")) / 2
    assert numpy.abs(pixels(photos, "half.png") - middle).max() < 1.01 / 255
    photos.works("apply", "m.safetensors", "--in", "photo.png", "--time", 0.5, "--out", "time.png")
    assert numpy.array_equal(pixels(photos, "time.png"), pixels(photos, "half.png"))
    photos.works("apply", "half.cube", "--in", "photo.png", "--out", "lut.png")
    assert numpy.abs(pixels(photos, "lut.png") - pixels(photos, "half.png")).max() < 0.02
    photos.works("apply", "half.cube", "--in", "photo.png", "--out", "none.png", "--time", 0)
    assert numpy.array_equal(pixels(photos, "none.png"), pixels(photos, "photo.png"))


@pytest.mark.parametrize("space", ["linear", "lab", "oklab"])
def test_spaces(photos, space):
    """The map's file knows its space, and a run as well as the short command learns in it."""
    photos.works("colour", "photo.png", "red.png", "-o", "out.png", "--space", space, "--save-map",
                 "map.safetensors", *QUICK)
    photos.works("apply", "map.safetensors", "--in", "photo.png", "--out", "again.png")
    assert numpy.array_equal(pixels(photos, "again.png"), pixels(photos, "out.png"))
    reached = pixels(photos, "out.png").mean((0, 1)) - pixels(photos, "red.png").mean((0, 1))
    assert numpy.abs(reached).max() < 0.05
    photos.works("fit", "--recipe", "colour", "--source", "photo.png", "--target", "red.png",
                 *QUICK, "--set", f"source.space={space}", "--set", f"target.space={space}", "--out",
                 "run")
    photos.works("apply", "run", "--in", "photo.png", "--out", "run.png")
    assert numpy.array_equal(pixels(photos, "run.png"), pixels(photos, "out.png"))


def test_a_folder_of_photographs(photos):
    photos.works("colour", "photo.png", "red.png", "-o", "out.png", "--save-map", "m.safetensors",
                 *QUICK)
    folder = photos.folder / "frames"
    for i in range(3):
        save(folder / f"frame-{i}.png", (0.2, 0.2, 0.2), (0.6, 0.6, 0.6), 10 + i, (20, 25))
    save(folder / "night" / "a.jpg", (0.2, 0.2, 0.2), (0.6, 0.6, 0.6), 20)
    Image.open(folder / "frame-0.png").save(folder / "old.gif")
    (folder / "notes.txt").write_text("hello")
    whole = (folder / "frame-1.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:len(whole) // 2])
    run = photos("apply", "m.safetensors", "--in", "frames", "--out", "moved")
    assert (run.returncode, run.stdout) == (0, "5 images to moved\n")
    assert run.stderr.count("\n") == 1 and "2 files" in run.stderr, run.stderr
    written = {str(path.relative_to(photos.folder / "moved"))
               for path in (photos.folder / "moved").rglob("*") if path.is_file()}
    assert written == {"frame-0.png", "frame-1.png", "frame-2.png", "night/a.jpg", "old.gif.png"}
    photos.works("apply", "m.safetensors", "--in", "frames/frame-2.png", "--out", "one.png")
    assert numpy.array_equal(pixels(photos, "one.png"), pixels(photos, "moved/frame-2.png"))
    assert Image.open(photos.folder / "moved" / "night" / "a.jpg").size == (40, 30)
    assert "--force" in photos.refuses("apply", "m.safetensors", "--in", "frames", "--out", "moved")
    assert "the same" in photos.refuses("apply", "m.safetensors", "--in", "frames", "--out", "frames",
                                        "--force")
    for name in ("new.npy", "new.png"):
        assert f"{name}: expected a folder" in photos.refuses("apply", "m.safetensors", "--in",
                                                              "frames", "--out", name)


def test_a_lut_from_elsewhere(photos):
    rows = [f"{0.5 * r:.3f} {g} {1 - b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    (photos.folder / "look.cube").write_text(
        "# by hand\n\nTITLE \"half red, blue inverted\"\nLUT_3D_SIZE 2\n" + "\n".join(rows) + "\n")
    photos.works("apply", "look.cube", "--in", "photo.png", "--out", "out.png")
    before, after = pixels(photos, "photo.png"), pixels(photos, "out.png")
    expected = numpy.stack([before[..., 0] / 2, before[..., 1], 1 - before[..., 2]], -1)
    assert numpy.abs(after - expected).max() < 0.51 / 255 + 1e-6
    colours = before.reshape(-1, 3).astype("f4")
    photos.works("apply", "look.cube", "--in", photos.save("c.npy", colours), "--out", "d.npy")
    assert numpy.allclose(numpy.load(photos.folder / "d.npy"), expected.reshape(-1, 3), atol=1e-6)
    (photos.folder / "bad.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n0 0 x\n")
    for arguments, words in [
            (["look.cube", "--in", "photo.png", "--inverse"], "look.cube: this map has no inverse"),
            (["bad.cube", "--in", "photo.png"], "bad.cube, line 3: expected a number, got 'x'"),
            (["look.cube", "--in", "a.npy"], "points of dimension 3, that of the map, got 2")]:
        assert words in photos.refuses("apply", *arguments, "--out", "new.npy" if "a.npy" in arguments
                                       else "new.png")


@pytest.mark.parametrize("more, words", [
    (["red.png", "--weights", "1,2"], "--weights: expected 1, one for each palette, got 2"),
    (["red.png", "blue.png", "--weights", "0,0"], "a positive sum"),
    (["red.png", "blue.png", "--weights=-1,2"], "at or above 0, got -1"),
    (["red.png", "none.png"], "none.png: expected a picture file, got no such file"),
    (["red.png", "--strength", "1.5"], "--strength"), (["red.png", "--space", "hsv"], "--space"),
    (["red.png", "--set", "source.space=hsv"], "srgb | linear | lab | oklab"),
    (["red.png", "--set", "target.space=lab"], "target.space: expected srgb, as the source's, got lab")])
def test_refusals(photos, more, words):
    assert words in photos.refuses("colour", "photo.png", *more, "-o", "new.png", *QUICK)
