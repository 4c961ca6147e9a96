"""The parts for researchers: measures, solvers, potentials, discrete transport."""

import copy
import itertools
import pickle

import numpy
import pytest
import torch

import monge


def noisy(n, seed):
    return numpy.random.default_rng(seed).normal(size=(n, 2)) + [3, 0]


def test_measures_of_every_kind(clouds):
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(clouds[0])), batch_size=32)
    for what in (clouds[0], torch.tensor(clouds[0]), clouds[0].tolist(), noisy, loader,
                 itertools.repeat(clouds[0])):
        measure = monge.measure(what)
        points = measure.sample(700)
        assert points.shape == (700, 2) and points.dtype == torch.float32
        assert measure.dimension == 2
    assert monge.measure(measure) is measure


def test_a_stream_is_read_in_order_and_begun_again():
    batches = [torch.arange(6.0).reshape(3, 2), torch.arange(6.0, 10.0).reshape(2, 2)]
    drawn = monge.measure(_Batches(batches)).sample(7)
    torch.testing.assert_close(drawn, torch.cat([*batches, batches[0][:2]]))


class _Batches:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def test_a_function_gives_the_same_points_for_a_seed():
    measure = monge.measure(noisy)
    torch.testing.assert_close(measure.sample(5, seed=1), measure.sample(5, seed=1))
    assert not torch.equal(measure.sample(5, seed=1), measure.sample(5, seed=2))


def test_named_measures_know_their_moments():
    mean, covariance = monge.measure("gaussian", mean=[1, 2], std=2).moments()
    torch.testing.assert_close(mean, torch.tensor([1.0, 2.0], dtype=torch.float64))
    torch.testing.assert_close(covariance, 4 * torch.eye(2, dtype=torch.float64))
    assert monge.measure(numpy.zeros((3, 2))).log_density(torch.zeros(1, 2)) is None


@pytest.mark.parametrize("what, error, message", [
    ("gausian", ValueError, "^measure: unknown measure 'gausian'; did you mean 'gaussian'"),
    (lambda n, seed: numpy.zeros((n, 2)) * numpy.nan, ValueError,
     "^measure, row 0, column 0: expected a finite number that float32 can hold, got NaN$"),
    (lambda n, seed: numpy.zeros((5, 2)), ValueError,
     r"^measure: expected draw\(2, seed\) to give \[2, 2\], got \[5, 2\]$"),
    (numpy.zeros(3), ValueError, "^measure: expected points \\[n, d\\], got \\[3\\]. Reshape"),
    (5, TypeError, "^measure: expected points, a measure, .* got int$"),
])
def test_refuses_measures(what, error, message):
    with pytest.raises(error, match=message):
        monge.measure(what)


def test_a_function_of_another_shape_is_refused_in_training(clouds):
    calls = []

    def shrinks(n, seed):
        calls.append(n)
        return numpy.zeros((n if len(calls) == 1 else n - 1, 2))

    solver = monge.Solver("w2gn", hidden=[8], max_steps=5)
    message = r"^source: expected draw\(\d+, seed\) to give \[\d+, 2\], got"
    with pytest.raises(ValueError, match=message):
        monge.train(solver, shrinks, clouds[1], progress=False)
    assert solver.solution is None


def test_train_learns_from_a_function_and_a_stream(clouds):
    solver = monge.Solver("dual", hidden=[16], max_steps=150)
    assert monge.train(solver, noisy, _Batches([clouds[1]]), progress=False).reason == "budget"
    moved = solver.solution.map(monge.measure(noisy).sample(2000, seed=5))
    assert monge.energy_distance(moved, clouds[1]) < 0.1
    assert monge.energy_distance(noisy(2000, 5), clouds[1]) > 0.2
    assert solver.sections["solver"]["batch"] > 0


def test_potential_is_convex_and_its_hessian_that_of_differences(fitted):
    psi = fitted.solution_.map.potential
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    hessian = psi.hessian(x)
    assert torch.linalg.eigvalsh(hessian).min() > -1e-5
    v = torch.tensor([[1.0, -2.0]]).expand_as(x)
    torch.testing.assert_close(psi.hessian_product(x, v), (hessian @ v[..., None]).squeeze(-1),
                               atol=1e-4, rtol=1e-4)
    slope = (psi.gradient(x + 1e-2 * v) - psi.gradient(x - 1e-2 * v)) / 2e-2
    torch.testing.assert_close(psi.hessian_product(x, v), slope, atol=0.05, rtol=0.05)


def test_exact_transport_has_its_certificate():
    random = numpy.random.default_rng(0)
    x, y = random.normal(size=(40, 3)), random.normal(size=(30, 3))
    plan = monge.exact_ot(x, y)
    dense = plan.dense().numpy()
    costs = ((x[:, None] - y[None])**2).sum(-1) / 2
    numpy.testing.assert_allclose(dense.sum(1), 1 / 40)
    numpy.testing.assert_allclose(dense.sum(0), 1 / 30)
    assert plan.cost == pytest.approx((dense * costs).sum(), rel=1e-6)
    dual = plan.source_potential.mean() + plan.target_potential.mean()
    assert plan.cost == pytest.approx(float(dual), rel=1e-6) and plan.gap < 1e-6
    weights = numpy.arange(1, 41) / 820
    numpy.testing.assert_allclose(
        monge.exact_ot(x, y, source_weights=weights).dense().sum(1), weights)


def test_entropic_transport_tends_to_the_exact_one():
    random = numpy.random.default_rng(0)
    x, y = random.normal(size=(40, 2)), random.normal(size=(30, 2)) + 2
    exact = monge.exact_ot(x, y).cost
    costs = [monge.sinkhorn(x, y, epsilon).cost - exact for epsilon in (1, 0.1, 0.01)]
    assert costs[0] > costs[1] > costs[2] > 0 and costs[2] < 0.02
    plan = monge.sinkhorn(x, y, 0.01)
    assert monge.energy_distance(plan.map(torch.tensor(x)), y) < 0.1
    assert monge.energy_distance(plan.inverse(torch.tensor(y)), x) < 0.1
    with pytest.warns(RuntimeWarning, match="^after 3 iterations the marginal error is .*, above"):
        monge.sinkhorn(x, y, 1e-3, max_iterations=3)


def test_discrete_plans_are_of_float64():
    assert monge.exact_ot([[16777217.0]], [[16777216.0]]).cost == 0.5


@pytest.mark.parametrize("call, message", [
    (lambda: monge.exact_ot([[0.0]], [[0.0, 1.0]]), "expected"),
    (lambda: monge.sinkhorn([[0.0]], [[1.0]], -1), "expected a positive epsilon, got -1"),
    (lambda: monge.exact_ot([[0.0]], [[1.0]], source_weights=[2.0]), "expected"),
    (lambda: monge.exact_ot([[numpy.inf]], [[1.0]]),
     "^x, row 0, column 0: expected a finite number that float32 can hold, got inf$"),
    (lambda: monge.exact_ot([[0.0]], [[1.0]], source_weights=torch.ones(1, device="meta")),
     "^source_weights: expected a tensor on the cpu, got one on meta$"),
    (lambda: monge.exact_ot([[1j]], [[1.0]]), "^x: .* got complex numbers .dtype complex128"),
    (lambda: monge.energy_distance([[1.0]], [[1.0, 2.0]]), "same dimension, got 1 and 2"),
    (lambda: monge.Solver("w2gn", hiden=[3]), "unknown option 'hiden'; did you mean 'hidden'"),
    (lambda: monge.Solver("w2gn", sed=1), "unknown option 'sed'; did you mean 'seed'"),
])
def test_refuses_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("call, message", [
    (lambda: monge.sinkhorn([[0.0]], [[1.0]], "x"), "^epsilon: expected a number, got str$"),
    (lambda: monge.sinkhorn([[0.0]], [[1.0]], 1, max_iterations=1.5),
     "^max_iterations: expected an integer, got float$"),
    (lambda: monge.Solver(recipe=5), "^recipe: expected a name, got int$"),
    (lambda: monge.measure(numpy.zeros((3, 2), "datetime64[s]")), "^measure: .* got times"),
])
def test_refuses_kinds_in_one_line(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.fixture(scope="module")
def trained():
    solver = monge.Solver("dual", hidden=[8], max_steps=5)
    monge.train(solver, "moons", "gaussian_ring", progress=False)
    return solver.solution.map


def test_parts_show_what_they_are(trained):
    assert repr(trained) == "TransportMap([2] to [2])"
    assert repr(trained.potential) == "Potential(dense_icnn, dimension=2)"
    solver = monge.Solver("light_sb", max_steps=2)
    monge.train(solver, "moons", numpy.random.default_rng(0).normal(size=(50, 2)), progress=False)
    assert repr(solver.solution) == "Solution(map=TransportMap([2] to [2], stochastic), inverse=None)"
    assert repr(monge.measure(numpy.zeros((3, 2)))) == "ArrayMeasure([2])"
    assert repr(monge.exact_ot([[0.0]], [[1.0]])) == "DiscretePlan([1, 1], cost=0.5, gap=0)"


@pytest.mark.parametrize("points, message", [
    (torch.zeros(2, 2, device="meta"), "^points: expected a tensor on the cpu, got one on meta$"),
    (torch.zeros(2, 3), r"^points: expected \[n, 2\], got \[2, 3\]$"),
    (torch.zeros(2), r"^points: expected \[n, 2\], got \[2\]$"),
    (torch.zeros(2, 2, dtype=torch.cfloat), "^points: expected real numbers, got ComplexFloat$"),
    (torch.zeros(2, 2).to_sparse(), "^points: expected a dense tensor, got Sparse$"),
])
def test_maps_and_potentials_refuse_points_in_one_line(trained, points, message):
    psi = trained.potential
    for function in (trained, psi.value, psi.gradient, psi.hessian, trained.log_det,
                     lambda x: psi.hessian_product(x, torch.zeros(2, 2)),
                     lambda x: trained.at_time(x, 0.5)):
        with pytest.raises(ValueError, match=message):
            function(points)


@pytest.mark.parametrize("error, call, message", [
    (TypeError, lambda T, x: T(x.numpy()), "points: expected a tensor, got ndarray"),
    (TypeError, lambda T, x: T.potential.value([[0, 1]]), "points: expected a tensor, got list"),
    (TypeError, lambda T, x: T.at_time(x, "now"), "time: expected a number, got str"),
    (TypeError, lambda T, x: T.sample(x, 1.5), "draws: expected an integer, got float"),
    (ValueError, lambda T, x: T.sample(x, seed=-1),
     "seed: expected an integer of at least 0, got -1"),
    (TypeError, lambda T, x: T.sample(x, noise=[0.0]), "noise: expected a tensor or None, got list"),
    (TypeError, lambda T, x: T.potential.hessian_product(x, None),
     "v: expected a tensor, got NoneType"),
    (TypeError, lambda T, x: monge.measure("moons").sample("all"),
     "n: expected an integer, got str"),
    (TypeError, lambda T, x: monge.measure("gaussian").log_density(x.numpy()),
     "points: expected a tensor, got ndarray"),
    (ValueError, lambda T, x: monge.measure("moons").sample(2**80),
     f"n: expected an integer, got {2**80}"),
])
def test_other_kinds_of_arguments_are_refused_in_one_line(trained, error, call, message):
    with pytest.raises(error, match=f"^{message}$"):
        call(trained, torch.zeros(3, 2))


def test_maps_and_potentials_take_numbers_of_every_kind(trained):
    psi, whole = trained.potential, torch.tensor([[0, 1], [2, -1]])
    for function in (trained, psi.value, psi.gradient, psi.hessian):
        single = function(whole.float())
        assert single.dtype == torch.float32 and function(whole).dtype == torch.float32
        torch.testing.assert_close(function(whole), single)
        torch.testing.assert_close(function(whole.double()), single.double())


@pytest.mark.parametrize("arguments, message", [
    (("w2gn",), "^solver: expected a monge.Solver, got str$"),
    ((monge.Solver("w2gn"), [print]), "^callbacks: expected objects with on_step, on_evaluation or"),
    ((monge.Solver("w2gn"), object()), "^callbacks: expected a list of objects, got object$"),
])
def test_train_refuses_kinds(arguments, message):
    solver, *callbacks = arguments
    with pytest.raises(TypeError, match=message):
        monge.train(solver, "moons", "gaussian", *callbacks)


def test_costs_are_their_formulas():
    random = torch.Generator().manual_seed(0)
    x = torch.randn(6, 3, generator=random, dtype=torch.float64)
    y = torch.randn(6, 4, 3, generator=random, dtype=torch.float64, requires_grad=True)
    squares = 0.5 * (y - x[:, None]).square().sum(2)
    strong = monge.Cost()
    torch.testing.assert_close(strong(x, y[:, 0]), squares[:, 0])
    torch.testing.assert_close(strong(x, y), squares.mean(1))
    torch.testing.assert_close(strong.matrix(x, x), 0.5 * torch.cdist(x, x)**2)
    weak = monge.Cost("weak_quadratic", gamma=0.6)
    value = weak(x, y)
    torch.testing.assert_close(value, squares.mean(1) - 0.3 * y.var(1).sum(1))
    slope, = torch.autograd.grad(value.sum(), y)
    assert slope.shape == y.shape and value.dtype == torch.float64
    kernel = monge.Cost("kernel_weak", gamma=0, exponent=1)
    torch.testing.assert_close(kernel.matrix(x, x[:2]), 0.5 * torch.cdist(x, x[:2]))
    assert strong(numpy.zeros((2, 3)), numpy.ones((2, 3))).tolist() == [1.5, 1.5]
    assert repr(weak) == "Cost('weak_quadratic', gamma=0.6)"
    ot = monge.OptimalTransport("saddle_point", cost=weak, noise_dimension=1, hidden=[8],
                                max_steps=2).fit(torch.randn(50, 2), torch.randn(50, 2))
    assert ot.options_["cost"]["name"] == "weak_quadratic" and ot.options_["cost"]["gamma"] == 0.6
    solver = monge.Solver("saddle_point", cost=weak, noise_dimension=1)
    assert solver.sections["cost"] == {"name": "weak_quadratic", "gamma": 0.6}


@pytest.mark.parametrize("call, message", [
    (lambda: monge.Cost("quadratc"), "^cost: unknown cost 'quadratc'; did you mean 'quadratic'"),
    (lambda: monge.Cost("weak_quadratic", gama=1), "did you mean 'gamma'"),
    (lambda: monge.Cost("weak_quadratic", gamma=2), "^cost.gamma: expected 0 to 1, got 2$"),
    (lambda: monge.Cost("quadratic", gamma=1), "gamma"),
    (lambda: monge.Cost()(torch.zeros(3, 2), torch.zeros(4, 2)), "^weak cost: expected points"),
    (lambda: monge.Cost()(torch.zeros(3), torch.zeros(3)), "expected points"),
    (lambda: monge.Cost("weak_quadratic")(torch.zeros(3, 2), torch.zeros(3, 2)),
     "^weak cost: expected at least 2 samples"),
    (lambda: monge.Cost().matrix(torch.zeros(3, 2), torch.zeros(3, 1)), "^cost: y: expected p"),
    (lambda: monge.Cost("weak_quadratic").matrix(torch.zeros(3, 2), torch.zeros(3, 2)),
     "^cost: expected a cost of two points for a matrix, got gamma = 1$"),
    (lambda: monge.Cost()(torch.zeros(3, 2, device="meta"), torch.zeros(3, 2)), "^x: expected a t"),
])
def test_costs_refuse_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


def test_batches_of_another_width_are_refused(clouds):
    with pytest.raises(ValueError, match=r"^measure: expected batches \[k, 2\], got \[k, 1\]$"):
        monge.measure(iter([clouds[0][:4], clouds[0][:4, :1]])).sample(6)


def test_solvers_show_themselves(clouds):
    solver = monge.Solver("w2gn", hidden=[8], max_steps=20)
    assert "<svg" not in solver._repr_html_()
    outcome = monge.train(solver, *clouds, progress=False)
    assert solver.outcome is outcome and solver.history[-1]["step"] == 20
    page = solver._repr_html_()
    assert "<polyline" in page and "<circle" in page and outcome.message in page
    x = torch.tensor(clouds[0][:5])
    for again in (pickle.loads(pickle.dumps(solver)), copy.deepcopy(solver)):
        assert torch.equal(again.solution.map(x), solver.solution.map(x))
        page = again._repr_html_()  # a pickle has no measures with it
        assert "<polyline" in page and "<circle" not in page


def test_an_option_that_is_none_is_as_one_not_given():
    given = monge.Solver("w2gn", batch=64, learning_rate=None, map=None)
    assert given.sections == monge.Solver("w2gn", batch=64).sections
