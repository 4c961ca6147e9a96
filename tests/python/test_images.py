"""Images from folders, IDX files and arrays: training on them, and mapping them."""

import gzip
import json
import pathlib
import shutil

import numpy
import pytest

image = pytest.importorskip("PIL.Image")
SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "data" / "fashion-mnist"
BAGS = SAMPLE / "sample-images-idx3-ubyte.gz"
SMALL = ["solver.name=dual", "network.hidden=[8,8]", "evaluate.points=20", "train.checkpoint_seconds=0"]


def settings(*chosen):
    return [part for setting in chosen for part in ("--set", setting)]


def arguments(source, target, *chosen, out="run", steps=5):
    return ["fit", "--source", source, "--target", target, "--out", out,
            *settings(*SMALL, f"train.max_steps={steps}", *chosen)]


def save(path, levels):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.fromarray(levels).save(path)


def folder_of(folder, count, seed, shape=(12, 10, 3)):
    random = numpy.random.default_rng(seed)
    for i in range(count):
        levels = random.integers(0, 256, shape).astype("u1")
        save(folder / ("deep" if i % 3 == 0 else "") / f"{i:02}.{'jpg' if i % 2 else 'png'}", levels)


@pytest.fixture
def pictures(monge):
    folder_of(monge.folder / "x", 30, 0)
    folder_of(monge.folder / "y", 40, 1, (9, 9, 3))
    return monge


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Of fewer numbers than there are pictures: the target fills its space, and the map has an inverse.
TINY = ["source.size=4", "target.size=4", "source.channels=1", "target.channels=1"]


def test_two_folders_are_learned_and_mapped(pictures):
    assert "energy_distance" in pictures.works(*arguments("x", "y", *TINY))
    run = pictures.folder / "run"
    assert 'name = "images"' in (run / "config.toml").read_text().replace("'", '"')
    assert not (run / "skipped.txt").exists()
    evaluated = (run / "evaluation.json").read_bytes()
    pictures.works("evaluate", "run")
    assert (run / "evaluation.json").read_bytes() == evaluated

    assert pictures.works("apply", "run", "--in", "x", "--out", "moved") == "30 images to moved\n"
    assert names(pictures.folder / "moved") == names(pictures.folder / "x")
    assert image.open(pictures.folder / "moved" / "02.png").size == (4, 4)
    one = pictures.folder / "x" / "02.png"
    pictures.works("apply", "run", "--in", one, "--out", "one.png")
    assert (numpy.asarray(image.open(pictures.folder / "one.png")) ==
            numpy.asarray(image.open(pictures.folder / "moved" / "02.png"))).all()
    pictures.works("apply", "run", "--inverse", "--in", "y", "--out", "back")

    levels = numpy.random.default_rng(2).integers(0, 256, (5, 4, 4, 1)).astype("u1")
    planes = moved_array(pictures, levels.transpose(0, 3, 1, 2).copy())
    pixels = moved_array(pictures, levels)
    numpy.testing.assert_array_equal(pixels.transpose(0, 3, 1, 2), planes)
    floats = moved_array(pictures, (levels / 127.5 - 1).astype("f4"))
    numpy.testing.assert_array_equal(((floats + 1) * 127.5).round().clip(0, 255), pixels)


def moved_array(program, array):
    """The array of the same kind that the map makes of it."""
    numpy.save(program.folder / "in.npy", array)
    program.works("apply", "run", "--in", "in.npy", "--out", "out.npy", "--force")
    out = numpy.load(program.folder / "out.npy")
    assert (out.shape, out.dtype) == (array.shape, array.dtype)
    return out


def test_what_is_no_picture_is_listed(pictures):
    (pictures.folder / "x" / "notes.txt").write_text("hello")
    cut = (pictures.folder / "x" / "01.jpg").read_bytes()
    (pictures.folder / "x" / "01.jpg").write_bytes(cut[:len(cut) // 2])
    run = pictures(*arguments("x", "y", *TINY))
    assert run.returncode == 0
    assert "source: 2 files are no pictures and were skipped: 01.jpg (" in run.stderr
    lines = (pictures.folder / "run" / "skipped.txt").read_text().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["source", "01.jpg"],
                                                        ["source", "notes.txt"]]
    moved = pictures("apply", "run", "--in", "x", "--out", "moved")
    assert moved.stdout == "29 images to moved\n" and "2 files are no pictures" in moved.stderr


def test_workers_and_the_cache_change_no_bit_and_a_resumed_run_goes_on(pictures):
    plain = [*TINY, "source.flip=true", "train.schedule=constant", "train.evaluate_every=4"]
    pictures.works(*arguments("x", "y", *plain, steps=12))
    cached = ["source.cache=cache", "target.cache=cache", "source.workers=3", "target.memory=1"]
    for out in ("made", "served"):
        pictures.works(*arguments("x", "y", *plain, *cached, steps=12, out=out))
        assert pictures.map_bytes(out) == pictures.map_bytes()
    pictures.works(*arguments("x", "y", *plain, *cached, steps=4, out="half"))
    shutil.rmtree(pictures.folder / "cache")
    pictures.works("fit", "--resume", "--out", "half", *settings("train.max_steps=12"))
    assert pictures.tensors("half") == pictures.tensors()


def idx_of(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(
        side.to_bytes(4, "big") for side in array.shape) + array.tobytes()


def read_idx(path, sides):
    data = gzip.decompress(path.read_bytes())
    return numpy.frombuffer(data[4 + 4 * sides:], "u1")


def test_bags_to_shoes(monge):
    """Labels of an IDX file; padded images come back in their own size."""
    images = read_idx(BAGS, 3).reshape(-1, 28, 28)[:120]
    labels = read_idx(SAMPLE / "sample-labels-idx1-ubyte.gz", 1)[:120]
    assert set(labels) == {5, 7, 8, 9}
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        (monge.folder / f"few-{name}-ubyte.gz").write_bytes(gzip.compress(idx_of(array)))
    few = "few-images-idx3-ubyte.gz"
    monge.works(*arguments(few, few, "source.labels=[8]", "target.labels=[5,7,9]", "source.size=4",
                           "target.size=4", "source.pad=6", "target.pad=6", steps=2))
    figures = json.loads((monge.folder / "run" / "evaluation.json").read_text())
    assert figures["points"] == 20 and figures["source_trained_on"] == 1
    monge.works("apply", "run", "--in", few, "--out", "moved.npy")
    moved = numpy.load(monge.folder / "moved.npy")
    assert (moved.shape, moved.dtype) == ((120, 4, 4), numpy.uint8)


def test_several_results_of_a_plan(monge):
    levels = numpy.random.default_rng(0).integers(0, 256, (60, 2, 2)).astype("u1")
    numpy.save(monge.folder / "x.npy", levels)
    numpy.save(monge.folder / "y.npy", 255 - levels)
    plan = ["solver.name=light_sb", "solver.components=3", "source.name=images",
            "target.name=images"]
    monge.works("fit", "--source", "x.npy", "--target", "y.npy", "--out", "run",
                *settings(*plan, "evaluate.points=20", "train.max_steps=5"))
    monge.works("apply", "run", "--in", "x.npy", "--out", "many.npy", "--samples", 3)
    many = numpy.load(monge.folder / "many.npy")
    assert (many.shape, many.dtype) == ((60, 3, 2, 2), numpy.uint8)
    assert (many[:, 0] != many[:, 1]).any()
    monge.works("apply", "run", "--in", "x.npy", "--out", "again.npy", "--samples", 3,
                "--seed", 0)
    numpy.testing.assert_array_equal(numpy.load(monge.folder / "again.npy"), many)
    monge.works("apply", "run", "--in", "x.npy", "--out", "other.npy", "--samples", 3, "--seed", 1)
    assert (numpy.load(monge.folder / "other.npy") != many).any()
    save(monge.folder / "pictures" / "a.png", levels[0])
    monge.works("apply", "run", "--in", "pictures", "--out", "moved", "--samples", 2)
    assert names(monge.folder / "moved") == ["a-1.png", "a-2.png"]
    monge.save("rows.npy", levels.reshape(60, 4).astype("f4"))
    monge.works("apply", "run", "--in", "rows.npy", "--out", "rows-out.npy", "--samples", 2)
    assert numpy.load(monge.folder / "rows-out.npy").shape == (60, 2, 4)


@pytest.fixture(scope="module")
def bad(fitted):
    """Beside the fitted run of points [n, 2]: folders and files that cannot be used."""
    folder = fitted.folder
    folder_of(folder / "colour", 6, 0)
    folder_of(folder / "mixed", 3, 0)
    save(folder / "mixed" / "grey.png", numpy.zeros((12, 12), "u1"))
    (folder / "empty").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("hello")
    whole = BAGS.read_bytes()
    (folder / "cut-images-idx3-ubyte.gz").write_bytes(whole[:9999])
    (folder / "magic.idx").write_bytes(b"\x89PNG not an array")
    shutil.copy(BAGS, folder / "few-images-idx3-ubyte.gz")
    with gzip.open(folder / "few-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]))
    numpy.save(folder / "wide.npy", numpy.full((9, 4, 4), 255, "f4"))
    return fitted


@pytest.mark.parametrize("source, chosen, words", [
    ("empty", [], "an empty one"), ("texts", [], "1 files that are none, such as a.txt"),
    ("mixed", [], "1 in grey.png"), ("colour", ["source.crop_size=11"], "11x11 pixels, got 10x12"),
    ("colour", ["source.crop_offset=2"], "2 above the centre"),
    ("colour", ["source.channels=2"], "0, 1 or 3"), ("colour", ["source.labels=[1]"], "labels"),
    ("colour", ["source.cache=a.npy"], "cache folder"),
    ("cut-images-idx3-ubyte.gz", [], "cut-images-idx3-ubyte.gz: expected"),
    ("magic.idx", [], "a PNG image"),
    ("few-images-idx3-ubyte.gz", ["source.labels=[1]"], "1200 labels, one for each image"),
    ("wide.npy", ["source.name=images"], "floats in [-1, 1]"),
    ("a.npy", ["source.name=images"], "an array [n, 2]"),
    ("colour", ["source.name=array"], "an array file, got a folder"),
    ("colour", ["source.size=4"], "of one shape, got [3, 4, 4] and [2]")])
def test_bad_images(bad, source, chosen, words):
    assert words in bad.refuses(*arguments(source, "b.npy", *chosen, out="new"))


@pytest.mark.parametrize("more, words", [
    (["--in", "colour", "--out", "new"], "the map moves no images and no colours, got a folder"),
    (["--in", "a.npy", "--out", "new.npy", "--samples", "2"], "--samples expected a map with noise"),
    (["--in", "a.npy", "--out", "new.npy", "--samples", "0"], "--samples")])
def test_what_a_map_of_points_refuses(bad, more, words):
    assert words in bad.refuses("apply", "run", *more)


def test_what_a_map_of_images_refuses(pictures):
    pictures.works(*arguments("x", "y", *TINY, steps=1))
    numpy.save(pictures.folder / "large.npy", numpy.zeros((3, 2, 2, 3), "f4"))
    (pictures.folder / "notes.txt").write_text("hello")
    for more, words in [
            (["--in", "large.npy", "--out", "new.npy"], "images [1, 4, 4], those of the map"),
            (["--in", "x", "--out", "x"], "another folder"),
            (["--in", "x", "--out", "y"], "pass --force"),
            (["--in", "x", "--out", "a.npy"], "a folder for the images"),
            (["--in", "nothing", "--out", "new"], "nothing: expected a file or a folder"),
            (["--in", "notes.txt", "--out", "new"], "another extension"),
            (["--in", "x/02.png", "--out", "new.txt"], "an extension among"),
            (["--in", "x", "--out", "new", "--samples", "2"], "a map with noise")]:
        assert words in pictures.refuses("apply", "run", *more)
