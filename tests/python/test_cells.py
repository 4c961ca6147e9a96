"""Cells of AnnData files: what is read, chosen, predicted, reported and refused."""

import pathlib
import re

import numpy
import pandas
import pytest
from command_line import TINY

anndata = pytest.importorskip("anndata")
scipy_sparse = pytest.importorskip("scipy.sparse")
h5py = pytest.importorskip("h5py")

ROOT = pathlib.Path(__file__).resolve().parents[2]
CELLS, GENES = 400, 12


def make_cells():
    """Two days of 150 and 250 cells in a random order; on day 3 gene g2 has risen by 3."""
    random = numpy.random.default_rng(0)
    days = numpy.array([2] * 150 + [3] * 250)
    random.shuffle(days)
    counts = random.poisson(1.0, (CELLS, GENES)).astype("f4")
    counts[:, 2] += 3 * (days == 3)
    obs = pandas.DataFrame(index=[f"cell-{i}" for i in range(CELLS)])
    obs["day"] = pandas.Categorical(days)
    obs["hour"] = days * 12.0
    obs["batch"] = days % 2
    obs["late"] = days == 3
    obs["donor"] = pandas.Categorical(random.choice(["A", "B: new"], CELLS))
    obs["note"] = [f"note {i % 3}" for i in range(CELLS)]
    obs["score"] = pandas.array([None if i % 50 == 0 else i % 4 for i in range(CELLS)], "Int64")
    cells = anndata.AnnData(scipy_sparse.csr_matrix(counts), obs=obs,
                            var=pandas.DataFrame({"chromosome": ["1"] * GENES},
                                                 index=[f"g{i}" for i in range(GENES)]))
    cells.obsm["X_pca"] = random.normal(size=(CELLS, 3)) + 2.0 * (days == 3)[:, None]
    cells.layers["counts"] = scipy_sparse.csc_matrix(counts)
    cells.layers["dense"] = counts.astype("i4")
    cells.raw = cells
    return cells


@pytest.fixture
def cells(monge):
    made = make_cells()
    made.write_h5ad(monge.folder / "cells.h5ad", compression="gzip")
    return made


@pytest.fixture(scope="module")
def fitted_cells(binary, tmp_path_factory):
    """A finished run from day 2 to day 3 in the folder of cells.h5ad; tests leave it as it is."""
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("cells"))
    program.cells = make_cells()
    program.cells.write_h5ad(program.folder / "cells.h5ad")
    program.fits(source="cells.h5ad:X_pca:day=2", target="cells.h5ad:X_pca:day=3", steps=200)
    return program


def identity(monge, dimension):
    """A map file of x -> x."""
    import json

    from safetensors.numpy import save_file

    save_file({"map.matrix": numpy.eye(dimension), "map.offset": numpy.zeros(dimension)},
              monge.folder / f"identity{dimension}.safetensors",
              {"format": "monge-map", "version": "1",
               "map": json.dumps({"kind": "affine", "dimension": dimension})})
    return f"identity{dimension}.safetensors"


def dense(matrix):
    return numpy.asarray(matrix.todense() if scipy_sparse.issparse(matrix) else matrix)


@pytest.mark.parametrize("matrix, of", [
    ("X", lambda cells: cells.X), ("layers/counts", lambda cells: cells.layers["counts"]),
    ("dense", lambda cells: cells.layers["dense"]), ("raw/X", lambda cells: cells.raw.X),
    ("obsm/X_pca", lambda cells: cells.obsm["X_pca"]), ("X_pca", lambda cells: cells.obsm["X_pca"])])
def test_every_matrix_is_read(monge, cells, matrix, of):
    expected = dense(of(cells)).astype("f4")[numpy.asarray(cells.obs["day"] == 2)]
    monge.works("apply", identity(monge, expected.shape[1]), "--in", f"cells.h5ad:{matrix}:day=2",
                "--out", "out.npy")
    assert numpy.array_equal(numpy.load(monge.folder / "out.npy"), expected)


@pytest.mark.parametrize("conditions, chosen", [
    ("", lambda obs: obs["day"] > 0), ("hour=36", lambda obs: obs["hour"] == 36),
    ("batch=1", lambda obs: obs["batch"] == 1), ("late=True", lambda obs: obs["late"]),
    ("donor=B: new", lambda obs: obs["donor"] == "B: new"),
    ("note=note 1", lambda obs: obs["note"] == "note 1"),
    ("score=3", lambda obs: (obs["score"] == 3).fillna(False)),
    ("note=note 1:note=note 2:day=2.0",
     lambda obs: obs["note"].isin(["note 1", "note 2"]) & (obs["day"] == 2))])
def test_cells_are_chosen_by_their_obs(monge, cells, conditions, chosen):
    location = ":".join(["cells.h5ad:X_pca"] + ([conditions] if conditions else []))
    monge.works("apply", identity(monge, 3), "--in", location, "--out", "out.h5ad")
    cells.obs["day"] = cells.obs["day"].astype(int)
    expected = cells[numpy.asarray(chosen(cells.obs), bool)]
    predicted = anndata.read_h5ad(monge.folder / "out.h5ad")
    assert list(predicted.obs_names) == list(expected.obs_names)
    assert numpy.allclose(predicted.obsm["X_pca"], expected.obsm["X_pca"], atol=1e-6)


def test_predicted_cells_keep_their_annotation(fitted_cells):
    fitted_cells.works("apply", "run", "--in", "cells.h5ad:X_pca:day=2", "--out", "predicted.h5ad")
    predicted = anndata.read_h5ad(fitted_cells.folder / "predicted.h5ad")
    source = fitted_cells.cells[fitted_cells.cells.obs["day"] == 2]
    assert list(predicted.obs.columns) == list(source.obs.columns)
    for column in source.obs:
        assert list(predicted.obs[column].astype(str)) == list(source.obs[column].astype(str))
    assert predicted.obs["score"].dtype == "Int64" and predicted.obs["late"].dtype == bool
    assert list(predicted.obs["day"].cat.categories) == [2, 3]
    assert list(predicted.var_names) == list(source.var_names)
    assert list(predicted.var["chromosome"]) == list(source.var["chromosome"])
    assert predicted.X is None and predicted.obsm["X_pca"].dtype == numpy.float32
    assert predicted.uns["predicted_from"] == "cells.h5ad:X_pca:day=2"
    target = fitted_cells.cells[fitted_cells.cells.obs["day"] == 3].obsm["X_pca"]
    missed = numpy.abs(predicted.obsm["X_pca"].mean(0) - target.mean(0))
    assert missed.max() < 0.5, "the means lie 2 apart before"
    fitted_cells.works("apply", "run", "--in", "predicted.h5ad:X_pca", "--inverse", "--out",
                       "back.npy")
    back = numpy.load(fitted_cells.folder / "back.npy")
    assert numpy.abs(back - source.obsm["X_pca"]).mean() < 0.2


def test_cells_are_not_written_over_those_they_are_predicted_from(fitted_cells):
    before = (fitted_cells.folder / "cells.h5ad").read_bytes()
    assert "another file than that of the cells" in fitted_cells.refuses(
        "apply", "run", "--in", "cells.h5ad:X_pca:day=2", "--out", "./cells.h5ad", "--force")
    assert (fitted_cells.folder / "cells.h5ad").read_bytes() == before


@pytest.mark.parametrize("matrix", ["X", "layers/counts", "raw/X"])
def test_predicted_genes_keep_their_names(monge, cells, matrix):
    monge.works("apply", identity(monge, GENES), "--in", f"cells.h5ad:{matrix}:day=3", "--out",
                "out.h5ad")
    predicted = anndata.read_h5ad(monge.folder / "out.h5ad")
    assert list(predicted.var_names) == [f"g{i}" for i in range(GENES)]
    assert list(predicted.var["chromosome"]) == ["1"] * GENES
    assert numpy.array_equal(predicted.X, dense(cells.X)[numpy.asarray(cells.obs["day"] == 3)])


def test_rows_of_no_cells_are_an_anndata_file_too(monge):
    monge.works("apply", identity(monge, 2), "--in", "a.npy", "--out", "out.h5ad")
    written = anndata.read_h5ad(monge.folder / "out.h5ad")
    assert numpy.array_equal(written.X, numpy.load(monge.folder / "a.npy"))
    assert list(written.obs_names[:2]) == ["0", "1"] and written.shape == (300, 2)


def test_report_speaks_of_cells_and_genes(monge, cells):
    monge.fits(source="cells.h5ad:day=2", target="cells.h5ad:day=3", steps=60)
    page = (monge.folder / "run" / "report.html").read_text()
    text = re.sub(r"<[^>]+>", " ", page[:page.index("application/json")])
    words = re.sub(r"\s+", " ", text)
    assert "cells.h5ad, day = 2 to cells.h5ad, day = 3" in words
    assert "source: day = 2, X 150 150 none" in words  # too few to hold any out
    assert "target: day = 3, X 250 250 none" in words
    assert "Cells by day day cells 2 150 3 250" in words
    assert "energy distance before" in words and "explained shift" in words
    table = page[page.index("Features that change most"):]
    assert re.search(r'<th scope="row">(g\d+)</th>', table).group(1) == "g2"


def test_recipe(monge, cells):
    monge.works("fit", "--recipe", "cells-h5ad", "--source", "cells.h5ad:X_pca:day=2", "--target",
                "cells.h5ad:X_pca:day=3", "--set", "train.max_steps=20", "--out", "run", *TINY)
    assert (monge.folder / "run" / "map.safetensors").is_file()


@pytest.mark.parametrize("location, words", [
    ("cells.h5ad:X_pca:dya=2", "cells.h5ad: expected one of the columns of obs: 'batch', 'day', "),
    ("cells.h5ad:X_pca:dya=2", "got 'dya'; the nearest is 'day'"),
    ("cells.h5ad:X_pca:day=5", "obs/day: expected one of its values '2', '3', got '5'"),
    ("cells.h5ad:X_pca:day=2:late=True", "at least one cell with day = 2, late = True, got none"),
    ("cells.h5ad:X_pac:day=2", "got 'X_pac'; the nearest is 'obsm/X_pca'"),
    ("cells.h5ad:frame:day=2", "cells.h5ad:obsm/frame: expected a matrix, dense or sparse"),
    ("none.h5ad:X", "none.h5ad: expected a file, got none"),
    ("text.h5ad:X", "text.h5ad: expected an HDF5 file, got text"),
    ("other.h5ad", "other.h5ad: expected an AnnData file"),
    ("old.h5ad", "old.h5ad: expected the layout of anndata 0.8 or later"),
    ("lzf.h5ad:X_pca", "lzf.h5ad:obs/_index: expected numbers without compression or in gzip, got "
                       "the filter lzf"),
    ("nan.h5ad:X_pca", "nan.h5ad:obsm/X_pca, cell 7, column 1: expected a finite number"),
    ("shape.h5ad", "shape.h5ad:X: expected an indptr of 401 numbers for its shape, got 400"),
    ("index.h5ad", "index.h5ad:X: expected sparse indices below 12, got 99"),
    ("short.h5ad:X_pca", "short.h5ad:obsm/X_pca: expected 400 rows, one for each cell, got shape [9, 3]"),
])
def test_refusals(bad_cells, location, words):
    assert words in bad_cells.refuses("fit", "--source", location, "--target",
                                      "cells.h5ad:X_pca:day=3", "--out", "new")


@pytest.fixture(scope="module")
def bad_cells(binary, tmp_path_factory):
    """cells.h5ad beside files of which one thing is wrong."""
    from command_line import Monge

    program = Monge(binary, tmp_path_factory.mktemp("bad"))
    cells, folder = make_cells(), program.folder
    cells.obsm["frame"] = pandas.DataFrame({"a": numpy.zeros(CELLS)}, index=cells.obs_names)
    cells.write_h5ad(folder / "cells.h5ad")
    cells.write_h5ad(folder / "lzf.h5ad", compression="lzf")
    (folder / "text.h5ad").write_text("hello\n")
    for name in ("other", "old", "nan", "shape", "index", "short"):
        (folder / f"{name}.h5ad").write_bytes((folder / "cells.h5ad").read_bytes())
    with h5py.File(folder / "other.h5ad", "a") as file:
        del file["obs"]
    with h5py.File(folder / "old.h5ad", "a") as file:
        file["obs"].create_group("__categories")
    with h5py.File(folder / "nan.h5ad", "a") as file:
        file["obsm/X_pca"][7, 1] = numpy.nan
    with h5py.File(folder / "shape.h5ad", "a") as file:
        ends = file["X/indptr"][:-1]
        del file["X/indptr"]
        file["X/indptr"] = ends
    with h5py.File(folder / "index.h5ad", "a") as file:
        file["X/indices"][3] = 99
    with h5py.File(folder / "short.h5ad", "a") as file:
        del file["obsm/X_pca"]
        file["obsm/X_pca"] = numpy.zeros((9, 3))
    return program


def test_several_samples_need_another_format(fitted_cells):
    fitted_cells.works("fit", "--source", "cells.h5ad:X_pca:day=2", "--target",
                       "cells.h5ad:X_pca:day=3", "--out", "bridge", "--set", "solver.name=light_sb",
                       "--set", "train.max_steps=5", "--set", "evaluate.points=50")
    assert "rows of float32 numbers for an AnnData file" in fitted_cells.refuses(
        "apply", "bridge", "--in", "cells.h5ad:X_pca:day=2", "--out", "new.h5ad", "--samples", 3)
