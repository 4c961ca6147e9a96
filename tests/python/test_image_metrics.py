"""Runs on images: their figures, their grids in the report and in TensorBoard."""

import json
import shutil

import numpy
import pytest

from command_line import Monge

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def smooth(count, level, seed):
    """Images [n, 8, 8, 3] of bytes, gradients of random directions around a level of grey."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[-1:1:8j, -1:1:8j]
    slopes = random.normal(size=(count, 2, 1, 1, 3))
    images = level + 30 * (slopes[:, 0] * y[..., None] + slopes[:, 1] * x[..., None])
    return images.clip(0, 255).astype("u1")


@pytest.fixture(scope="module")
def run(binary, tmp_path_factory):
    program = Monge(binary, tmp_path_factory.mktemp("images"))
    program.save("x.npy", smooth(120, 100, 0))
    program.save("y.npy", smooth(140, 160, 1))
    program.works("fit", "--source", "x.npy", "--target", "y.npy", "--out", "run",
                  *[part for setting in ["source.name=images", "target.name=images",
                                         "solver.name=dual", "network.hidden=[8,8]", "train.max_steps=5",
                                         "train.image_every=2", "evaluate.points=40"]
                    for part in ("--set", setting)])
    return program


def test_figures_name_their_features(run):
    figures = json.loads((run.folder / "run/evaluation.json").read_text())
    assert figures["points"] == 40
    assert {"offline_frechet", "offline_frechet_floor", "offline_frechet_identity",
            "offline_kernel", "offline_perceptual", "l2", "energy_distance"} <= set(figures)
    assert not {"fid", "kid", "lpips"} & set(figures)
    # The start is the affine map, which is what these measures need.
    assert figures["offline_frechet"] < figures["offline_frechet_identity"]
    assert "offline features (Fashion-MNIST classifier)" in run.works("evaluate", "run")


def test_an_evaluation_can_be_told_other_options(run):
    shutil.copytree(run.folder / "run", run.folder / "other")
    figures = json.loads(run.works("evaluate", "other", "--json", "--set", "evaluate.points=20"))
    assert figures["points"] == 20
    random = numpy.random.default_rng(0).normal(size=(300, 128))
    numpy.savez(run.folder / "statistics.npz", mu=random.mean(0), sigma=numpy.cov(random.T))
    figures = json.loads(run.works("evaluate", "other", "--json", "--statistics",
                                   "statistics.npz"))
    assert figures["offline_frechet_statistics"] > figures["offline_frechet"]


def test_the_report_shows_grids(run):
    run.works("report", "run")
    page = (run.folder / "run/report.html").read_text()
    assert "held-out x, below each T(x)" in page and "held-out images of the target" in page
    assert page.count('" src="data:image/png;base64,') == 2  # not Plotly's own


def test_events_have_grids_at_their_own_interval(run):
    events = event_accumulator.EventAccumulator(str(run.folder / "run/events"),
                                                size_guidance={"images": 0}).Reload()
    images = events.Images("samples")
    assert [image.step for image in images] == [2, 4]
    assert (images[0].height, images[0].width) == (2 * 66 + 2, 8 * 66 + 2)
    assert images[0].encoded_image_string.startswith(b"\x89PNG")
