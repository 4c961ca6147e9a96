"""The stubs against the package and a sample; the examples in the docs."""

import doctest
import importlib
import inspect
import pathlib
import subprocess
import sys

import pytest

import monge


def test_sample_passes_mypy(tmp_path):
    sample = pathlib.Path(__file__).parent / "typing/sample.py"
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--cache-dir",
         tmp_path, sample], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", ["monge", "monge.estimator", "monge.parts", "monge.discrete"])
def test_examples(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0 and results.failed == 0


@pytest.mark.parametrize("name", ["python.md", "images.md"])
def test_page_of_the_docs(name):
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / name
    results = doctest.testfile(str(page), module_relative=False)
    assert results.attempted > 3 and results.failed == 0


def test_stub_has_every_parameter():
    stub = (pathlib.Path(monge.__file__).parent / "estimator.pyi").read_text()
    for name in inspect.signature(monge.OptimalTransport).parameters:
        assert f" {name}: " in stub
