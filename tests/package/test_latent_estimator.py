"""Maps through a latent space that the estimator learns."""

import _thread
import pickle
import subprocess
import sys
import threading

import numpy
import pytest
import torch
from sklearn.base import clone

import monge

CODES = {"latent": "autoencoder", "latent_dimension": 2, "latent_hidden": [32], "latent_steps": 400,
         "latent_learning_rate": 1e-2}
SHORT = {"hidden": [16], "max_steps": 200, "progress": False}
IMAGES = {"latent": "vae", "latent_dimension": 3, "latent_width": 4, "latent_steps": 20,
          "hidden": [8], "max_steps": 10, "progress": False}


@pytest.fixture(scope="module")
def sheets():
    """Points of R^6 near a plane, float32 [600, 6] and [500, 6]."""
    random = numpy.random.default_rng(0)
    plane = random.normal(size=(2, 6))
    source = random.normal(size=(600, 2)) @ plane + 0.01 * random.normal(size=(600, 6))
    target = (random.normal(size=(500, 2)) * [0.4, 1.5] + 2) @ plane
    return source.astype("f4"), target.astype("f4")


@pytest.fixture(scope="module")
def fitted(sheets):
    return monge.OptimalTransport(**CODES, **SHORT).fit(*sheets)


@pytest.fixture(scope="module")
def pictures():
    random = numpy.random.default_rng(1)
    return (random.integers(0, 120, (80, 1, 8, 8)).astype("u1"),
            random.integers(120, 256, (90, 1, 8, 8)).astype("u1"))


def test_points_are_moved_through_the_codes(fitted, sheets):
    source, target = sheets
    moved = fitted.transform(source)
    assert moved.shape == source.shape and moved.dtype == source.dtype
    before = monge.energy_distance(source, target)
    assert monge.energy_distance(moved, target) < before / 20
    back = fitted.inverse_transform(moved)
    assert ((back - source)**2).sum() < 0.2 * ((source - source.mean(0))**2).sum()
    start, end = (fitted.interpolate(source, t) for t in (0, 1))
    assert ((start - source)**2).sum() < 0.2 * ((source - source.mean(0))**2).sum()
    numpy.testing.assert_allclose(end, moved, atol=1e-4)
    assert fitted.evaluate()["latent_energy_distance"] >= 0
    assert fitted.evaluate(source, target).keys() >= {"latent_energy_distance", "energy_distance"}


def test_the_autoencoder_is_trained_first_and_its_course_kept(fitted):
    course = [entry["quality"] for entry in fitted.latent_history_]
    assert course[0] > 50 and course[-1] < 5
    assert fitted.latent_history_[-1]["step"] == CODES["latent_steps"]
    assert fitted.options_["latent"]["dimension"] == 2
    assert "unexplained variance" in fitted._repr_html_()


def test_untrained_codes_are_worse(sheets):
    untrained = monge.OptimalTransport(**{**CODES, "latent_steps": 1}, **SHORT).fit(*sheets)
    assert untrained.latent_history_[-1]["quality"] > 50


def test_gradients_flow_through_both_networks(fitted, sheets):
    x = torch.tensor(sheets[0][:3], requires_grad=True)
    fitted.transform(x).square().sum().backward()
    assert x.grad.shape == x.shape and x.grad.abs().min() > 0


def test_the_program_makes_the_same_map(fitted, sheets, tmp_path):
    for name, points in zip("ab", sheets):
        numpy.save(tmp_path / f"{name}.npy", points)
    settings = ["latent.dimension=2", "latent.hidden=[32]", "latent.steps=400", "latent.learning_rate=1e-2",
                "network.hidden=[16]", "train.max_steps=200"]
    subprocess.run([sys.executable, "-m", "monge", "fit", "--source", "a.npy", "--target", "b.npy",
                    "--latent", "autoencoder", "--out", "run",
                    *(part for setting in settings for part in ("--set", setting))], cwd=tmp_path,
                   check=True, capture_output=True)
    loaded = monge.load(tmp_path / "run")
    numpy.testing.assert_array_equal(loaded.transform(sheets[0]), fitted.transform(sheets[0]))
    assert (loaded.latent, loaded.latent_dimension, loaded.smoothing) == ("autoencoder", 2, None)
    again = clone(loaded).set_params(progress=False).fit(*sheets)
    numpy.testing.assert_array_equal(again.transform(sheets[0]), fitted.transform(sheets[0]))


def test_files_and_pickles_hold_the_autoencoder(fitted, sheets, tmp_path):
    path = tmp_path / "map.safetensors"
    fitted.save(path)
    for other in (monge.load(path), pickle.loads(pickle.dumps(fitted))):
        numpy.testing.assert_array_equal(other.transform(sheets[0]), fitted.transform(sheets[0]))
        numpy.testing.assert_array_equal(other.inverse_transform(sheets[1]),
                                         fitted.inverse_transform(sheets[1]))
    taken = monge.OptimalTransport(latent_file=path, **SHORT).fit(*sheets)
    assert not hasattr(taken, "latent_history_")
    numpy.testing.assert_array_equal(taken.transform(sheets[0]), fitted.transform(sheets[0]))
    assert fitted.fit(*sheets).latent_history_ and not hasattr(
        taken.fit(*sheets), "latent_history_")


def test_points_are_made_of_codes(sheets):
    ot = monge.OptimalTransport(**CODES, **SHORT).fit("gaussian", sheets[1])
    noise = numpy.random.default_rng(2).normal(size=(400, 2)).astype("f4")
    made = ot.transform(noise)
    assert ot.n_features_in_ == 2 and made.shape == (400, 6)
    names = [f"optimaltransport{column}" for column in range(6)]
    assert list(ot.get_feature_names_out()) == names
    assert list(clone(ot).set_output(transform="pandas").fit_transform(noise, sheets[1])) == names
    assert monge.energy_distance(made, sheets[1]) < 0.3
    assert ot.inverse_transform(made).shape == noise.shape
    assert ot.score(noise, sheets[1]) > -0.3
    assert ot.evaluate(noise, sheets[1])["points"] == 200
    with pytest.raises(ValueError, match="X has 6 features, but .* is expecting 2 features"):
        ot.transform(made)
    given = monge.OptimalTransport(**CODES, **SHORT).fit(noise, sheets[1])
    assert given.transform(torch.tensor(noise)).shape == (400, 6)


@pytest.mark.parametrize("target", ["gaussian", numpy.random.default_rng(3).normal(size=(50, 3))])
def test_images_to_codes_and_back(pictures, target):
    ot = monge.OptimalTransport(**IMAGES).fit(pictures[0], target)
    codes = ot.transform(pictures[0][:5])
    assert (codes.shape, codes.dtype) == ((5, 3), numpy.float32)
    made = ot.inverse_transform(codes)
    assert made.shape == (5, 1, 8, 8) and abs(made).max() <= 1
    assert ot.interpolate(pictures[0][:5], 0.5).shape == (5, 3)


def test_images_to_images_and_from_codes(pictures, tmp_path):
    moved = monge.OptimalTransport(**IMAGES).fit(*pictures)
    levels = moved.transform(pictures[0][:5])
    assert (levels.shape, levels.dtype) == ((5, 1, 8, 8), numpy.uint8)
    assert moved.options_["solver"]["name"] == "dual"  # codes are plain points
    assert "data:image/png" in moved._repr_html_()
    drawn = monge.OptimalTransport("light_sb", components=2, **{**IMAGES, "hidden": None})
    draws = drawn.fit("gaussian", pictures[1]).sample(numpy.zeros((4, 3)), 2)
    assert draws.shape == (4, 2, 1, 8, 8)
    made = monge.OptimalTransport(recipe="latent-generate", **IMAGES).fit("gaussian", pictures[1])
    made.save(tmp_path / "map.safetensors")
    again = monge.load(tmp_path / "map.safetensors")
    assert again.transform(numpy.zeros((4, 3), "f4")).shape == (4, 1, 8, 8)
    assert made.options_["solver"]["name"] == "w2gn"


def test_solvers_and_modules_learn_between_codes(sheets):
    solver = monge.Solver("light_sb", components=3, max_steps=20, **CODES)
    monge.train(solver, *sheets, progress=False)
    assert solver.solution.map.dimension == 6 and solver.latent_history
    module = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.SiLU(), torch.nn.Linear(16, 2))
    ot = monge.OptimalTransport(map=module, **CODES, **SHORT).fit(*sheets)
    assert ot.transform(sheets[0]).shape == (600, 6)
    assert ot.modules_["map"](torch.zeros(4, 2)).shape == (4, 2)


def test_interrupted_in_the_autoencoder_nothing_is_learned(sheets, fitted):
    ot = pickle.loads(pickle.dumps(fitted)).set_params(latent_steps=20000)
    before = ot.transform(sheets[0])
    timer = threading.Timer(1.0, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt, match="interrupted at step"):
        ot.fit(*sheets)
    timer.join()
    numpy.testing.assert_array_equal(ot.transform(sheets[0]), before)


@pytest.mark.parametrize("options, message", [
    ({"latent": "vea"}, "^latent.kind: expected none"),
    ({"latent_dimension": 2}, "^latent_dimension: expected latent='autoencoder' .* got none$"),
    ({"latent.dimension": 2}, "^unknown option .latent.dimension.; did you mean .latent_dim"),
    ({"latent": "vae", "latent_dimension": 0}, "^latent.dimension: expected 1 to 65536, got 0$"),
    ({"latent": "vae", "latent_dimension": 6}, "6"),
    ({"latent_file": "missing.safetensors"}, "^missing.safetensors: "),
    ({"latent": "vae", "latent_width": "wide"}, "^latent.width: expected"),
])
def test_refuses(options, message, sheets):
    with pytest.raises(ValueError, match=message) as refusal:
        monge.OptimalTransport(**options, progress=False).fit(*sheets)
    assert "\n" not in str(refusal.value)


def test_refuses_sides_that_are_neither_data_nor_codes(sheets):
    with pytest.raises(ValueError, match="^source and target: expected points of one shape, or one "
                                         "of them of the latent dimension 2"):
        monge.OptimalTransport(**CODES, **SHORT).fit(sheets[0][:, :3], sheets[1])
