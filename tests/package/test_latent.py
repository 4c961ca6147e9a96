"""Maps through a latent space, made by the program: images go in and come out as such."""

import pathlib
import subprocess
import sys

import numpy
import pytest
import torch

import monge

SAMPLE = (pathlib.Path(__file__).resolve().parents[2] / "data" / "fashion-mnist" /
          "sample-images-idx3-ubyte.gz")
SMALL = ["latent.width=4", "latent.dimension=6", "latent.steps=20", "network.hidden=[8,8]",
         "train.max_steps=10", "evaluate.points=20"]


def fitted(folder, *chosen):
    settings = [part for setting in (*SMALL, *chosen) for part in ("--set", setting)]
    subprocess.run([sys.executable, "-m", "monge", "fit", "--target", SAMPLE, "--latent", "vae",
                    "--out", folder, *settings], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("latent") / "moved", f"source.file={SAMPLE}",
                  "source.labels=[8]", "target.labels=[5,7,9]")


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("latent") / "generated", "source.name=gaussian",
                  "source.dimension=6")


def test_images_are_moved(moved):
    ot = monge.load(moved)
    assert ot.image_shape_ == (1, 28, 28)
    levels = numpy.random.default_rng(0).integers(0, 256, (5, 1, 28, 28)).astype("u1")
    assert (ot.transform(levels).shape, ot.transform(levels).dtype) == (levels.shape, numpy.uint8)
    rows = (levels / 127.5 - 1).astype("f4").reshape(5, -1)
    from_file = monge.load(moved / "map.safetensors").transform(rows)
    numpy.testing.assert_array_equal(from_file, ot.transform(rows))
    assert from_file.shape == rows.shape
    x = torch.from_numpy(rows).requires_grad_()
    ot.transform(x).square().sum().backward()
    assert x.grad.shape == x.shape and x.grad.abs().max() > 0
    assert ot.evaluate()["latent_energy_distance"] > 0


def test_images_are_made_of_noise(generated):
    ot = monge.load(generated / "map.safetensors")
    noise = numpy.random.default_rng(1).normal(size=(7, 6)).astype("f4")
    made = ot.transform(noise)
    assert made.shape == (7, 1, 28, 28) and abs(made).max() <= 1
    assert ot.interpolate(noise, 0.5).shape == made.shape
    back = ot.solution_.inverse(torch.from_numpy(made.reshape(7, -1)))
    assert back.shape == (7, 6)
