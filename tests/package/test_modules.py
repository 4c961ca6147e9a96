"""A torch.nn.Module in place of Monge's own networks."""

import copy
import pickle
import subprocess
import sys

import numpy
import pytest
import torch
from sklearn.base import clone

import monge
from torch import nn


def mlp(inputs, outputs, width=32):
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                         nn.Linear(width, outputs))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


OPTIONS = {"batch": 128, "learning_rate": 2e-3, "average": 0.98, "inner_steps": 4, "residual": True,
           "evaluate_every": 200}


def error_of_gaussian_map(solver, source, target):
    """L2-UVP in %, of the map between two centred Gaussians with commuting covariances."""
    monge.train(solver, source, target, progress=False)
    x = monge.measure(source).sample(2000, seed=7)
    truth = x * torch.tensor([2.0, 0.5]) + 1
    return float(100 * (solver.solution.map(x) - truth).square().sum(1).mean() / 4.25)


def test_reaches_the_optimum_of_the_built_in_network():
    random = numpy.random.default_rng(0)
    source = random.normal(size=(4000, 2))
    target = random.normal(size=(4000, 2)) * [2, 0.5] + 1

    def error(steps, **networks):
        solver = monge.Solver("saddle_point", max_steps=steps, **OPTIONS, **networks)
        return error_of_gaussian_map(solver, source, target)

    assert error(1, network=mlp(2, 1), map=mlp(2, 2)) > 20
    assert error(600, network=mlp(2, 1), map=mlp(2, 2)) < 4
    assert error(600, hidden=[32, 32], activation="silu", map_hidden=[32, 32],
                 map_activation="silu") < 4


def test_the_module_is_the_trained_map(clouds):
    potential, transport = mlp(2, 1), mlp(3, 2)
    before = copy.deepcopy(potential.state_dict())
    solver = monge.Solver("saddle_point", network=potential, map=transport, cost="weak_quadratic",
                          noise_dimension=1, max_steps=20)
    monge.train(solver, *clouds, progress=False)
    x, z = torch.tensor(clouds[0][:9]), torch.randn(9, 1)
    plan = solver.solution.map
    assert plan.stochastic and plan.noise_dimension == 1
    torch.testing.assert_close(plan.sample(x, noise=z[:, None])[:, 0],
                               transport(torch.cat([x, z], 1)).detach())
    assert not torch.equal(potential.state_dict()["0.weight"], before["0.weight"])
    assert all(parameter.requires_grad for parameter in transport.parameters())
    assert "network" not in solver.sections and solver.sections["solver"]["map"] == "network"


def test_gradients_flow_to_the_points_and_not_to_the_module():
    transport = mlp(2, 2)
    solver = monge.Solver("saddle_point", map=transport, hidden=[8], max_steps=3)
    monge.train(solver, "moons", "gaussian_ring", progress=False)
    x = torch.randn(4, 2, requires_grad=True)
    solver.solution.map(x).square().sum().backward()
    y = x.detach().clone().requires_grad_()
    transport.zero_grad()
    transport(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    transport.zero_grad()
    solver.solution.map(x).sum().backward()
    assert all(parameter.grad is None for parameter in transport.parameters())


def test_a_module_as_potential_and_map_of_its_own():
    module = mlp(3, 1)
    psi = monge.Potential(module, 3)
    x, v = torch.randn(6, 3), torch.randn(6, 3)
    y = x.clone().requires_grad_()
    value = module(y).squeeze(1)
    gradient, = torch.autograd.grad(value.sum(), y, create_graph=True)
    torch.testing.assert_close(psi.value(x), value.detach())
    torch.testing.assert_close(psi.gradient(x), gradient.detach())
    product, = torch.autograd.grad((gradient * v).sum(), y)
    torch.testing.assert_close(psi.hessian_product(x, v), product, atol=1e-5, rtol=1e-4)
    moving, noisy = monge.TransportMap(mlp(3, 3), 3), monge.TransportMap(mlp(5, 3), 3, 2)
    assert moving(x).shape == (6, 3) and noisy.sample(x, 4).shape == (6, 4, 3)


class Conv(nn.Module):
    """Of images [n, 1, 4, 4], with batch statistics and dropout."""

    def __init__(self, scalar):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.SiLU(),
                                  nn.Dropout(0.1), nn.Conv2d(3, 1, 3, padding=1))
        self.scalar = scalar

    def forward(self, x):
        assert x.shape[1:] == (1, 4, 4)
        y = self.body(x)
        return y.mean((1, 2, 3)) if self.scalar else x + y


def test_images_with_batch_statistics_and_dropout():
    random = numpy.random.default_rng(0)
    source, target = (random.uniform(-1, 1, size=(100, 1, 4, 4)).astype("f4") * scale
                      for scale in (1, 0.5))
    transport, potential = Conv(False), Conv(True)
    statistics = transport.body[1].running_var
    solver = monge.Solver("saddle_point", network=potential, map=transport, max_steps=10, batch=16)
    monge.train(solver, source, target, progress=False)
    assert transport.training and potential.training and transport.body[3].training
    assert not torch.equal(statistics, torch.ones(3))
    x = torch.tensor(source[:4]).flatten(1)
    moved = solver.solution.map(x)
    torch.testing.assert_close(moved, solver.solution.map(x))  # no dropout
    transport.eval()
    torch.testing.assert_close(moved, transport(x.view(4, 1, 4, 4)).flatten(1).detach())


class Raises(nn.Module):
    """Fails after some calls, forwards or backwards."""

    def __init__(self, inside, backward, calls=5):
        super().__init__()
        self.inside, self.backward, self.calls = inside, backward, calls

    def forward(self, x):
        self.calls -= 1
        if self.calls > 0:
            return self.inside(x)
        if not self.backward:
            raise LookupError("of the module")
        return Wrong.apply(self.inside(x))


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        raise LookupError("of the module")


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("where", ["network", "map"])
def test_what_a_module_raises_is_raised(backward, where, clouds):
    module = Raises(mlp(2, 2 if where == "map" else 1), backward)
    solver = monge.Solver("saddle_point", max_steps=10, **{where: module})
    with pytest.raises(LookupError, match="^of the module$"):
        monge.train(solver, *clouds, progress=False)
    assert solver.solution is None


class Shrinks(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(2, 1)

    def forward(self, x):
        return self.inside(x)[:-1] if len(x) > 2 else self.inside(x)


class Pair(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


class Detached(nn.Linear):
    def forward(self, x):
        return super().forward(x).detach()


@pytest.mark.parametrize("networks, error, message", [
    ({"network": nn.Linear(2, 3)}, ValueError,
     r"^network: expected a module from \[n, 2\] to \[n, 1\] or \[n\], got \[2, 3\] for n = 2$"),
    ({"map": nn.Linear(2, 3)}, ValueError, r"^map: expected .* to \[n, 2\], got \[2, 3\]"),
    ({"network": Shrinks()}, ValueError, r"^network: expected .* got \[\d+, 1\] for n = \d+$"),
    ({"network": nn.Linear(2, 1).double()}, ValueError,
     "^network: expected parameters in float32 on the cpu, got torch.float64 on cpu in 'weight'$"),
    ({"network": nn.Linear(3, 1)}, ValueError,
     r"^network: expected a module of \[n, 2\], got from it: mat1"),
    ({"network": Pair(2, 1)}, TypeError, "^network: expected a tensor .* got tuple$"),
    ({"network": Detached(2, 1)}, ValueError, "^network: expected values with a graph"),
    ({"map": Detached(2, 2)}, ValueError, "^map: expected values with a graph"),
    ({"map": nn.Identity()}, ValueError, "^map: expected a module with parameters to train"),
])
def test_refuses_modules(networks, error, message, clouds):
    solver = monge.Solver("saddle_point", max_steps=5, **networks)
    with pytest.raises(error, match=message):
        monge.train(solver, *clouds, progress=False)


def test_refuses_what_does_not_go_with_modules(clouds):
    with pytest.raises(ValueError, match="solver.name: expected saddle_point, since a network"):
        monge.Solver("w2gn", network=mlp(2, 1), max_steps=5)
    with pytest.raises(ValueError, match="option 'hidden' is not one of"):
        monge.Solver("saddle_point", network=mlp(2, 1), hidden=[3])
    with pytest.raises(ValueError, match="solver.name: expected saddle_point, since a network"):
        monge.OptimalTransport("dual", map=mlp(2, 2)).fit(*clouds)
    with pytest.raises(TypeError, match="^potential: expected a torch.nn.Module, got function$"):
        monge.Potential(lambda x: x, 2)


BRIEF = {"max_steps": 40, "batch": 32, "progress": False}


@pytest.fixture(scope="module")
def estimator(clouds):
    torch.manual_seed(0)
    return monge.OptimalTransport(network=mlp(2, 1), map=mlp(2, 2), residual=True, **BRIEF).fit(
        *clouds)


def test_the_estimator_trains_copies(estimator, clouds):
    x = torch.tensor(clouds[0][:9])
    trained = estimator.modules_["map"]
    torch.testing.assert_close(estimator.transform(x), x + trained(x).detach())
    assert not torch.equal(trained[0].weight, estimator.map[0].weight)
    assert not torch.equal(estimator.modules_["network"][0].weight, estimator.network[0].weight)
    assert estimator.options_["solver"]["name"] == "saddle_point"
    again = clone(estimator).fit(*clouds)
    numpy.testing.assert_array_equal(again.transform(clouds[0]), estimator.transform(clouds[0]))
    numpy.testing.assert_array_equal(estimator.fit(*clouds).transform(clouds[0]),
                                     again.transform(clouds[0]))
    assert {"energy_distance", "transport_cost"} <= estimator.evaluate().keys()
    assert "modules_" not in vars(estimator.set_params(
        solver="saddle_point", network=None, map=None).fit(*clouds))


def test_the_estimator_learns_with_modules():
    random = numpy.random.default_rng(0)
    source = random.normal(size=(4000, 2))
    target = random.normal(size=(4000, 2)) * [2, 0.5] + 1
    ot = monge.OptimalTransport(network=mlp(2, 1), map=mlp(2, 2), max_steps=600, progress=False,
                                **OPTIONS).fit(source, target)
    fresh = random.normal(size=(2000, 2))
    assert ot.score(fresh, true_map=lambda x: x * [2, 0.5] + 1) > -4
    assert ot.score(fresh, true_map=lambda x: -x) < -50


@pytest.fixture(scope="module")
def noisy(clouds):
    """A stochastic map of a module with batch statistics and a part that is not trained."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Linear(16, 2))
    module[0].weight.requires_grad_(False)
    return monge.OptimalTransport(map=module, cost="weak_quadratic", noise_dimension=1,
                                  hidden=[8], **BRIEF).fit(*clouds)


def test_pickles_and_files_of_modules(noisy, clouds, tmp_path):
    x, z = clouds[0][:7], numpy.ones((1, 1))
    path = tmp_path / "map.safetensors"
    noisy.save(path)
    torch.manual_seed(5)
    other = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Linear(16, 2))
    before = copy.deepcopy(other.state_dict())
    loaded = monge.load(path, map=other)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())
    for again in (loaded, pickle.loads(pickle.dumps(noisy)), copy.deepcopy(noisy)):
        numpy.testing.assert_array_equal(again.sample(x, noise=z), noisy.sample(x, noise=z))
        assert again.modules_["map"] is not noisy.modules_["map"]
    solver = monge.Solver("saddle_point", map=nn.Linear(2, 2), hidden=[8], max_steps=20)
    monge.train(solver, *clouds, progress=False)
    again = pickle.loads(pickle.dumps(solver)).solution.map(torch.tensor(x))
    torch.testing.assert_close(again, solver.solution.map(torch.tensor(x)), rtol=0, atol=0)
    data = path.read_bytes()
    assert b"Sequential" not in data and b"BatchNorm" not in data


def test_refuses_files_without_their_module(noisy, clouds, fitted, tmp_path):
    path, plain = tmp_path / "map.safetensors", tmp_path / "plain.safetensors"
    noisy.save(path)
    fitted.save(plain)
    wide = nn.Sequential(nn.Linear(3, 17), nn.BatchNorm1d(17), nn.SiLU(), nn.Linear(17, 2))
    for load, error, message in (
            (lambda: monge.load(path), ValueError, "expected the torch.nn.Module that its map was"),
            (lambda: monge.load(path, map=wide), ValueError, r"tensor '.*': expected \[17"),
            (lambda: monge.load(path, map=nn.Linear(3, 2)), ValueError,
             "expected a module of 9 parameters and buffers, got one of 2"),
            (lambda: monge.load(path, map=mlp(2, 2)), (ValueError, RuntimeError), "map|mat1"),
            (lambda: monge.load(plain, map=mlp(2, 2)), ValueError, "beside map=..., got one of M"),
            (lambda: monge.load(path, map="mlp"), TypeError, "^map: expected a torch.nn.Module")):
        with pytest.raises(error, match=message) as refusal:
            load()
        assert "\n" not in str(refusal.value)
    numpy.save(tmp_path / "x.npy", clouds[0])
    applied = subprocess.run([sys.executable, "-m", "monge", "apply", path, "--in", "x.npy", "--out",
                              "y.npy"], cwd=tmp_path, capture_output=True, text=True)
    assert applied.returncode != 0 and applied.stderr.count("\n") == 1
    assert "monge.load(path, map=module) of the Python package" in applied.stderr


class Lost(nn.Linear):
    def forward(self, x):
        return super().forward(x) * torch.nan


def test_refuses_a_map_that_gives_no_numbers(clouds):
    with pytest.raises(ValueError, match="^the map before training: .* finite points, got a qual"):
        monge.OptimalTransport(map=Lost(2, 2), **BRIEF).fit(*clouds)


def test_a_refused_fit_leaves_the_estimator_and_its_modules(noisy, clouds):
    ot = copy.deepcopy(noisy)
    before = copy.deepcopy(ot.map.state_dict()), ot.sample(clouds[0][:5], seed=2)
    for wrong in ({"map": nn.Linear(2, 2)}, {"network": Raises(mlp(2, 1), backward=True)}):
        other = copy.deepcopy(ot).set_params(**wrong)
        with pytest.raises((ValueError, LookupError, RuntimeError)):
            other.fit(*clouds)
        numpy.testing.assert_array_equal(other.sample(clouds[0][:5], seed=2), before[1])
    assert all(torch.equal(before[0][name], one) for name, one in ot.map.state_dict().items())


def test_images_of_modules_in_the_estimator(tmp_path):
    torch.manual_seed(0)
    levels = numpy.random.default_rng(0).integers(0, 256, (60, 1, 4, 4)).astype("u1")
    ot = monge.OptimalTransport(network=Conv(True), map=Conv(False), max_steps=5, batch=16,
                                progress=False).fit(levels, 255 - levels)
    moved = ot.transform(levels[:5])
    assert (moved.shape, moved.dtype) == ((5, 1, 4, 4), numpy.uint8)
    ot.save(tmp_path / "map.safetensors")
    again = monge.load(tmp_path / "map.safetensors", map=Conv(False))
    numpy.testing.assert_array_equal(again.transform(levels), ot.transform(levels))
