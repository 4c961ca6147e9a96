"""Trainings from Python that go on after they ended early."""

import copy

import numpy
import pytest
import torch

import monge
from conftest import TINY
from torch import nn

OFTEN = {**TINY, "checkpoint_seconds": 0, "evaluate_every": 10}


class Fails:
    """Raises at the n-th evaluation."""

    def __init__(self, n):
        self.left = n

    def __call__(self, evaluation):
        self.left -= 1
        if self.left == 0:
            raise LookupError("of the callback")


def stop_at(step):
    return lambda evaluation: evaluation.step >= step


def modules():
    torch.manual_seed(0)
    return {"network": nn.Sequential(nn.Linear(2, 16), nn.SiLU(), nn.Linear(16, 1)),
            "map": nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Linear(16, 2))}


CASES = {
    "dual": {},
    "light_sb": {"solver": "light_sb", "hidden": None, "components": 3},
    "latent": {"latent": "autoencoder", "latent_dimension": 1, "latent_hidden": [8],
               "latent_steps": 30},
}


@pytest.mark.parametrize("case", [*CASES, "modules"])
@pytest.mark.parametrize("ends", ["stopped", "failed"])
def test_goes_on_to_the_same_map(case, ends, clouds, tmp_path):
    options = OFTEN | (CASES[case] if case in CASES else {"hidden": None, "batch": 32} | modules())
    whole = monge.OptimalTransport(**options).fit(*clouds)
    part = monge.OptimalTransport(**options, checkpoint=tmp_path / "kept")
    if ends == "stopped":
        part.set_params(on_evaluation=stop_at(40)).fit(*clouds)
        assert part.outcome_.reason == "stopped" and part.outcome_.steps < 100
    else:
        with pytest.raises(LookupError):
            part.set_params(on_evaluation=Fails(6)).fit(*clouds)
        assert not hasattr(part, "solution_")
    part.set_params(on_evaluation=None).fit(*clouds)
    assert part.outcome_.steps == 100 and part.history_[0]["step"] >= 40
    numpy.testing.assert_array_equal(part.transform(clouds[0]), whole.transform(clouds[0]))
    assert not hasattr(part, "latent_history_")  # it was there


def test_what_has_ended_is_there_at_once(clouds, tmp_path):
    ot = monge.OptimalTransport(**TINY, checkpoint=str(tmp_path)).fit(*clouds)
    moved = ot.transform(clouds[0])
    ot.fit(*clouds)
    numpy.testing.assert_array_equal(ot.transform(clouds[0]), moved)
    assert ot.outcome_.reason == "budget" and ot.history_ == []
    assert "finished after 100 steps" in ot._repr_html_()
    longer = monge.OptimalTransport(**{**TINY, "max_steps": 150}, checkpoint=tmp_path).fit(*clouds)
    assert longer.outcome_.steps == 150


def test_an_autoencoder_goes_on_too(clouds, tmp_path):
    options = OFTEN | CASES["latent"]

    def draw(n, seed):
        return clouds[0][numpy.random.default_rng(seed).integers(0, len(clouds[0]), n)]

    class Breaks:
        """A measure that fails in the training of the autoencoder."""

        left = 25

        def __call__(self, n, seed):
            self.left -= 1
            if self.left == 0:
                raise LookupError("of the measure")
            return draw(n, seed)

    whole = monge.OptimalTransport(**options).fit(draw, clouds[1])
    part = monge.OptimalTransport(**options, checkpoint=tmp_path)
    with pytest.raises(LookupError):
        part.fit(Breaks(), clouds[1])
    assert (tmp_path / "autoencoder" / "checkpoint.safetensors").exists()
    part.fit(draw, clouds[1])
    assert part.latent_history_[0]["step"] > 0
    numpy.testing.assert_array_equal(part.transform(clouds[0]), whole.transform(clouds[0]))
    with pytest.raises(ValueError, match="autoencoder.safetensors: expected .* latent.kl_weight = "
                                         "1, got 2"):
        monge.OptimalTransport(**options, latent_kl_weight=2, checkpoint=tmp_path).fit(
            draw, clouds[1])


def test_train_goes_on_with_modules(clouds, tmp_path):
    def trained(callbacks=(), checkpoint=None):
        mine = modules()
        solver = monge.Solver(**mine, batch=32, max_steps=60, evaluate_every=10)
        outcome = monge.train(solver, *clouds, callbacks, progress=False, checkpoint=checkpoint)
        return mine["map"].state_dict(), outcome

    class Stop:
        def on_step(self, step):
            return step.step == 25

    whole, _ = trained()
    _, outcome = trained([Stop()], tmp_path)
    assert outcome.steps == 25
    state, outcome = trained(checkpoint=tmp_path)
    assert outcome.steps == 60
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, whole[name], rtol=0, atol=0)


def test_refuses_the_checkpoint_of_another_training(clouds, tmp_path):
    ot = monge.OptimalTransport(**TINY, checkpoint=tmp_path / "kept").fit(*clouds)
    before = ot.transform(clouds[0])
    for change, message in (
            ({"batch": 64}, "solver.batch = [0-9]+, got 64$"),
            ({"seed": 5}, "seed = 0, got 5$"),
            ({"solver": "w2gn"}, "got .+$")):
        other = copy.deepcopy(ot).set_params(**change)
        with pytest.raises(ValueError, match=f"checkpoint.safetensors: expected the training that "
                                             f"it is of, with .*{message}") as refusal:
            other.fit(*clouds)
        assert "\n" not in str(refusal.value)
        numpy.testing.assert_array_equal(other.transform(clouds[0]), before)
    with pytest.raises(ValueError, match="with source = 540 points .* got 540 points"):
        ot.fit(2 * clouds[0], clouds[1])
    with pytest.raises(TypeError, match="^checkpoint: expected a path, got int$"):
        monge.OptimalTransport(**TINY, checkpoint=3).fit(*clouds)
    ot.save(tmp_path / "kept" / "checkpoint.safetensors", overwrite=True)
    with pytest.raises(ValueError, match="expected a checkpoint of a training in Python, got "):
        ot.fit(*clouds)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file: expected a folder that can be created"):
        monge.OptimalTransport(**TINY, checkpoint=tmp_path / "file").fit(*clouds)


def test_refuses_modules_of_another_shape(clouds, tmp_path):
    options = {"hidden": None, "batch": 32, "max_steps": 5, "progress": False,
               "checkpoint": tmp_path}
    monge.OptimalTransport(**options, **modules()).fit(*clouds)
    other = modules() | {"map": nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 2))}
    with pytest.raises(ValueError, match="^saddle_point: (map|average).*expected"):
        monge.OptimalTransport(**options, **other).fit(*clouds)
