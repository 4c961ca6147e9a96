"""The gallery's applications, small: what their recipes do and what their readers refuse."""

import json
import pathlib
import re
import sys
import tomllib
import types

import numpy
import pytest
from sklearn.datasets import load_digits

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import bench  # noqa: E402
from gallery import coloured_digits, density, digits, domain_adaptation  # noqa: E402


@pytest.fixture(scope="module")
def domains():
    """Fainter digits on a grey ground, and other digits: features [n, 64] and labels of each."""
    images, labels = load_digits(return_X_y=True)
    features, half = (images / 16).astype("f4"), len(images) // 2
    return 0.4 * features[:half] + 0.5, labels[:half], features[half:], labels[half:]


@pytest.mark.parametrize("options", [["--set", "train.max_steps=20"],
                                     [ROOT / "recipes" / "domain-adaptation.toml", "--set",
                                      "train.max_steps=300", "--set", "solver.learning_rate=1e-2",
                                      "--set", "network.rank=1", "--set", "solver.start=affine"]])
def test_adapted_digits_are_recognised(monge, domains, options):
    source, labels, target, target_labels = domains
    monge.works("fit", *options, "--source", monge.save("s.npy", source), "--target",
                monge.save("t.npy", target), "--set", "evaluate.points=50", "--set",
                "train.evaluate_every=300", "--out", "run")
    monge.works("apply", "run", "--in", "s.npy", "--out", "adapted.npy")
    adapted = numpy.load(monge.folder / "adapted.npy")
    before, after = (domain_adaptation.one_nn_accuracy(points, labels, target, target_labels)
                     for points in (source, adapted))
    assert before < 75 and after > 90, (before, after)


def test_accuracy_is_the_share_of_right_neighbours():
    reference = numpy.array([[0.0, 0.0], [1.0, 1.0]])
    points = numpy.array([[0.1, 0.0], [0.9, 1.0], [0.2, 0.1], [2.0, 2.0]])
    assert domain_adaptation.one_nn_accuracy(points, [3, 5, 5, 5], reference, [3, 5]) == 75


def test_labels_that_do_not_match(domains, tmp_path):
    source, labels, target, target_labels = domains
    with pytest.raises(ValueError, match="expected one label for each of the 898 points, got 897"):
        domain_adaptation.one_nn_accuracy(source, labels[1:], target, target_labels)
    path = tmp_path / "digits.npz"
    images = numpy.ones((5, 16, 16), "u1")
    numpy.savez(path, images=images, labels=numpy.zeros(4))
    with pytest.raises(SystemExit) as refusal:
        digits.from_npz(path)
    assert str(refusal.value) == ("bench: digits.npz: expected one label for each of the 5 pictures, got "
                                  "labels of shape [4]")
    numpy.savez(path, images=images)
    with pytest.raises(SystemExit, match="expected arrays 'images'.*labels"):
        digits.from_npz(path)
    with pytest.raises(SystemExit, match="expected train-images-idx3-ubyte.gz"):
        digits.from_idx(tmp_path)


def test_parts_of_a_file_are_joined(tmp_path):
    images = numpy.arange(7 * 16, dtype="u1").reshape(7, 4, 4)
    numpy.savez(tmp_path / "usps.npz", test_images=images[:2], test_labels=[0, 1],
                train_images=images[2:], train_labels=[2, 3, 4, 5, 6])
    read = digits.from_npz(tmp_path / "usps.npz")
    assert read.images.shape == (7, 1, 28, 28) and read.images.max() == 1
    assert read.labels.tolist() == list(range(7))


def test_usps_is_read_where_it_is(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("GALLERY_USPS", raising=False)
    monkeypatch.delenv("GALLERY_MNIST", raising=False)
    monkeypatch.setattr(digits, "USPS", tmp_path / "usps.npz")
    assert digits.domains()[1].name == "scikit-learn's digits"
    line = capsys.readouterr().err
    assert "usps.npz is missing" in line and line.count("\n") == 1
    numpy.savez(tmp_path / "usps.npz", images=numpy.ones((5, 16, 16), "u1"), labels=numpy.arange(5))
    source, target = digits.domains()
    assert (source.name, len(source.labels), len(target.labels)) == ("usps.npz", 5, 10000)


def test_bundled_domains_show_the_same_digits_in_other_places():
    source, target = digits.bundled()
    assert source.images.shape[1:] == target.images.shape[1:] == (1, 28, 28)
    assert set(source.labels) == set(target.labels) == set(range(10))
    assert source.images.mean() < 0.5 * target.images.mean()


@pytest.mark.parametrize("name", density.TARGETS)
def test_true_densities_integrate_to_one(name):
    line = numpy.arange(-4, 4, 0.04)
    plane = numpy.stack(numpy.meshgrid(line, line), -1).reshape(-1, 2)
    mass = numpy.exp(density.log_density(density.target_of(name), plane)).sum() * 0.04**2
    assert abs(mass - 1) < 1e-4


def test_true_density_has_its_entropy():
    """That of modes that do not overlap in closed form, to five standard errors of 4000 points."""
    target = density.target_of("8 narrow Gaussians")
    points = target.sample(4000, numpy.random.default_rng(0))
    entropy = numpy.log(8 * 2 * numpy.pi * numpy.e * target.std**2)
    assert abs(density.log_density(target, points).mean() + entropy) < 5 / 4000**0.5


def test_colours_are_those_of_the_largest_channel():
    images = numpy.zeros((2, 3, 4, 4, 3), "u1")
    images[0, :, 1:3, 1:3] = [200, 0, 0]
    images[1, 0] = [30, 60, 10]
    images[1, 1:, 0] = [0, 0, 9]
    which, purity = coloured_digits.colours_of(images)
    assert which.tolist() == [[0, 0, 0], [1, 2, 2]]
    numpy.testing.assert_allclose(purity, [[1, 1, 1], [0.6, 1, 1]])


def test_shares_of_colours_are_of_each_digit(monkeypatch):
    """All digits red but ones, which are red or green by turns."""
    labels = numpy.arange(100) % 10
    monkeypatch.setattr(coloured_digits, "MAPPED", 100)
    monkeypatch.setattr(coloured_digits, "mnist", lambda part, header: labels)
    monkeypatch.setattr(coloured_digits, "kept", lambda images: 100.0)
    images = numpy.zeros((100, 2, 2, 2, 3), "u1")
    images[..., 0] = 255
    images[labels == 1, 1] = [0, 255, 0]
    found = coloured_digits.figures_of(images)
    assert found["shares"][0] == [100, 0, 0] and found["shares"][1] == [50, 50, 0]
    assert found["all"] == [95, 5, 0] and found["differing"] == 10 and found["pure"] == 100


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_says_how_it_is_run(path):
    """Its first comment has the command, and the pages that it names are there."""
    text = path.read_text()
    comment = text[:text.index("\n\n")]
    assert f"#   monge fit --recipe {path.stem}" in comment
    assert tomllib.loads(text)
    for page in re.findall(r"docs/[\w/-]+\.md", text):
        assert (ROOT / page).is_file(), page


def test_three_recipes_have_notebooks_and_their_pages_lead_to_them():
    for recipe, page in (("colour", "colour"), ("cells-h5ad", "cells"), ("cells-2-4", "cells"),
                         ("density", "density")):
        notebook = (ROOT / "docs" / "notebooks" / f"{page}.ipynb").read_text()
        assert f'recipe=\\"{recipe}\\"' in notebook and f"](../gallery/{page}.md)" in notebook
        assert f"](../notebooks/{page}.ipynb)" in (ROOT / "docs" / "gallery" / f"{page}.md").read_text()


def test_tables_bring_their_picture_to_pages_that_show_none(monkeypatch, tmp_path):
    module = types.SimpleNamespace(CAPTION="What it shows.", __doc__="A thing.\n", table=lambda result: "| 1 |")
    monkeypatch.setattr(bench, "module", lambda name: module)
    monkeypatch.setattr(bench, "NAMES", ["gallery.thing"])
    monkeypatch.setattr(bench.common, "OUT", tmp_path)
    monkeypatch.setattr(bench.common, "footer", lambda result: "Here.")
    (tmp_path / "gallery.thing.json").write_text(json.dumps({}))
    (tmp_path / "gallery.thing.png").write_bytes(b"png")
    page = tmp_path / "thing.md"
    page.write_text("# Thing\n\n<!-- bench:gallery.thing -->\nNone yet.\n<!-- /bench:gallery.thing -->\n")
    for _ in range(2):
        bench.write_tables(page)
        assert page.read_text() == ("# Thing\n\n<!-- bench:gallery.thing -->\n| 1 |\n\nHere.\n\n"
                                    "![A thing.](thing.png)\n\n*What it shows.*\n"
                                    "<!-- /bench:gallery.thing -->\n")
    shown = "![By hand](thing.png)\n\n" + page.read_text()
    page.write_text(shown)
    bench.write_tables(page)
    assert page.read_text().count("thing.png") == 1


def test_every_application_has_its_page():
    names = [name for name in bench.NAMES if name.startswith("gallery.")]
    assert bench.named(["gallery"]) == names and bench.named(["cells"]) == ["cells"]
    for name in names:
        page = ROOT / "docs" / "gallery" / (name.removeprefix("gallery.").replace("_", "-") + ".md")
        assert f"<!-- bench:{name} -->" in page.read_text()
        measured = f"<!-- bench:{name} -->\n| " in page.read_text()
        assert (f"]({page.stem}.png)" in page.read_text()) == measured
        assert not measured or page.with_suffix(".png").stat().st_size <= 450_000
