"""The stubs against the package and a sample; the examples in the docs."""

import doctest
import importlib
import importlib.metadata
import inspect
import pathlib
import re
import subprocess
import sys

import numpy
import pytest
from packaging.requirements import Requirement

import monge


def test_what_the_wheel_requires_is_what_stands_beside_it():
    for text in importlib.metadata.requires("monge"):
        requirement = Requirement(text)
        installed = importlib.metadata.version(requirement.name)
        assert requirement.specifier.contains(installed, prereleases=True), (text, installed)


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


@pytest.fixture(scope="module")
def tasks():
    """The code of coming-from.md by task and library."""
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/coming-from.md").read_text()
    found = re.findall(r"<!-- task:(\w+):(\w+) -->\n```python\n(.*?)```", page, re.DOTALL)
    return {(task, library): code for task, library, code in found}


def test_tasks_have_code_for_every_library(tasks):
    names = {task for task, _ in tasks}
    assert len(names) == 5 and len(tasks) == 15
    for (task, _), code in tasks.items():
        assert f"\n{'moved' if 'map' in task else 'w2_squared'}" in code
        compile(code, task, "exec")


@pytest.mark.parametrize("task", ["exact", "entropic", "entropic_map", "map", "distance"])
def test_task_in_monge(task, tasks):
    random = numpy.random.default_rng(0)
    x, new = random.normal(size=(300, 2)), random.normal(size=(200, 2))
    y = x * [2, 0.5] + 1
    names = {"x": x, "y": random.permutation(y), "new": new, "epsilon": 0.05}
    exec(tasks[task, "monge"].replace("max_seconds=15", "max_steps=100, progress=False"), names)
    if "map" in task:
        error = ((names["moved"] - (new * [2, 0.5] + 1))**2).sum(1).mean() / 4.25
    else:
        right = ((x - y)**2).sum(1).mean()
        error = abs(names["w2_squared"] - right) / right
    assert error < 0.05, error


@pytest.mark.parametrize("file, described", [("estimator", monge.OptimalTransport),
                                             ("parts", monge.Solver)])
def test_stub_has_every_parameter(file, described):
    stub = (pathlib.Path(monge.__file__).parent / f"{file}.pyi").read_text()
    stub = stub[stub.index(f"class {described.__name__}"):]
    for name in inspect.signature(described).parameters:
        assert f" {name}: " in stub
