"""Recipes and the smoothing of the source from Python."""

import subprocess
import sys

import numpy
import pytest

import monge

OTP = {"smoothing": "gaussian", "smoothing_unit": "source", "smoothing_level": 0.0075,
       "bends": "independent", "learning_rate": 1e-2, "conjugate_tolerance": 1e-2,
       "celu_alpha": 0.05}
SHORT = {"hidden": [16], "max_steps": 300, "progress": False}


@pytest.fixture(scope="module")
def sheets():
    """One-to-many: a segment to the two beside it, float32 [1200, 2] each."""
    random = numpy.random.default_rng(0)
    source, target = random.uniform(0, 1, size=(2, 1200, 2)).astype("f4")
    source[:, 1], target[:, 1] = 0, numpy.where(target[:, 1] < 0.5, -1, 1)
    return source, target


@pytest.fixture(scope="module")
def plan(sheets):
    return monge.OptimalTransport(recipe="otp", **SHORT).fit(*sheets)


def test_otp_splits_every_point_over_both_sides(plan, sheets):
    source, _ = sheets
    draws = plan.sample(source[:200], 20, seed=1)
    assert 0.4 < (draws[..., 1] > 0).mean() < 0.6
    sides = (draws[..., 1] > 0).mean(1)
    assert ((sides > 0.1) & (sides < 0.9)).mean() > 0.9
    assert numpy.abs(draws[..., 0].mean(1) - source[:200, 0]).mean() < 0.15
    check = plan.plan_check(*sheets)
    assert check["verdict"] != "fake" and abs(check["d_cost"]) < 0.1
    with pytest.raises(ValueError, match="of solver 'dual' have no inverse where the source is"):
        plan.inverse_transform(source)


def test_a_recipe_is_its_options(plan, sheets):
    other = monge.OptimalTransport(**OTP, **SHORT).fit(*sheets)
    numpy.testing.assert_array_equal(other.transform(sheets[0]), plan.transform(sheets[0]))
    assert plan.options_ == other.options_
    assert plan.options_["smoothing"]["level"] == 0.0075
    assert plan.solver is None and plan.learning_rate is None


def test_a_recipe_is_that_of_the_program(plan, sheets, tmp_path):
    for name, points in zip("ab", sheets):
        numpy.save(tmp_path / f"{name}.npy", points)
    subprocess.run([sys.executable, "-m", "monge", "fit", "--recipe", "otp", "--source", "a.npy",
                    "--target", "b.npy", "--out", "run", "--set", "train.max_steps=300", "--set",
                    "network.hidden=[16]"], cwd=tmp_path, check=True, capture_output=True)
    loaded = monge.load(tmp_path / "run")
    numpy.testing.assert_array_equal(loaded.transform(sheets[0]), plan.transform(sheets[0]))
    assert (loaded.smoothing, loaded.smoothing_level) == ("gaussian", 0.0075)


def test_options_and_parts_are_laid_over_a_recipe(sheets):
    solver = monge.Solver(recipe="otp", learning_rate=3e-3, smoothing_level=0.1)
    assert (solver.name, solver.sections["solver"]["learning_rate"]) == ("dual", 3e-3)
    assert solver.sections["smoothing"] == {"kind": "gaussian", "unit": "source", "level": 0.1}
    assert solver.sections["network"]["celu_alpha"] == 0.05
    other = monge.Solver("saddle_point", recipe="otp", network="mlp")
    assert other.sections["solver"] == {"name": "saddle_point"}
    assert other.sections["network"] == {"name": "mlp"}
    measured = monge.Solver(recipe="not-weak-8gaussians")
    assert "source" not in measured.sections and measured.sections["cost"]["gamma"] == 1


@pytest.mark.parametrize("options, message", [
    ({"recipe": "ootp"}, "^recipe: unknown recipe 'ootp'; did you mean 'otp'"),
    ({"smoothing_level": 0.1}, "^smoothing_level: expected smoothing='gaussian' or .* got none$"),
    ({"smoothing": "gausian"}, "^smoothing.kind: expected"),
    ({"smothing_level": 1}, "unknown option 'smothing_level'; did you mean 'smoothing_level'"),
    ({"level": 1}, "^unknown option 'level'"),
])
def test_refuses(options, message, sheets):
    with pytest.raises(ValueError, match=message):
        monge.OptimalTransport(**options).fit(*sheets)
