"""The installed package serves a program that finds it by find_package(monge)."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    build = os.environ.get("MONGE_BUILD_DIR")
    if not build:
        pytest.skip("MONGE_BUILD_DIR names no build")
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", build, "--prefix", folder], check=True, capture_output=True)
    return folder


def test_consumer_builds_and_learns(prefix, tmp_path):
    subprocess.run(
        ["cmake", "-S", ROOT / "tests/consumer", "-B", tmp_path, "-G", "Ninja",
         f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release"],
        check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path], check=True, capture_output=True)
    result = subprocess.run([tmp_path / "consumer"], check=True, capture_output=True, text=True)
    assert 0 <= float(result.stdout) < 2


def test_installed_program_runs(prefix):
    result = subprocess.run([prefix / "bin/monge", "--version"], check=True, capture_output=True, text=True)
    assert result.stdout.startswith("monge ")


def test_every_public_header_is_installed(prefix):
    source = {p.relative_to(ROOT / "include") for p in (ROOT / "include").rglob("*.h")}
    installed = {p.relative_to(prefix / "include") for p in (prefix / "include").rglob("*.h")}
    assert source == installed
