"""The notebooks of the docs run, and what they hold is small."""

import pathlib

import nbclient
import nbformat
import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs/notebooks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook(path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert path.stat().st_size < 100_000
    stored = nbformat.read(path, 4)
    fresh = nbformat.read(path, 4)
    nbclient.NotebookClient(fresh, timeout=120, kernel_name="python3", coalesce_streams=True,
                            resources={"metadata": {"path": str(FOLDER)}}).execute()
    for old, new in zip(stored.cells, fresh.cells):
        if old.cell_type == "code":
            kinds = [[one.output_type for one in cell.outputs] for cell in (old, new)]
            assert kinds[0] == kinds[1], old.source
