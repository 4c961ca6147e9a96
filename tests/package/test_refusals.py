"""What the estimator refuses, in one line, and as what it was before."""

import copy

import numpy
import pandas
import pytest
import scipy.sparse
import torch
from sklearn.exceptions import NotFittedError

import monge


@pytest.mark.parametrize("options, message", [
    ({"batchs": 5}, "^unknown option 'batchs'; did you mean 'batch'\\?$"),
    ({"sede": 5}, "^unknown option 'sede'; did you mean 'seed'\\?$"),
    ({"solvr": "dual"}, "^unknown option 'solvr'; did you mean 'solver'\\?$"),
    ({"solver": "duel"}, "unknown solver 'duel'; did you mean 'dual'\\?"),
    ({"solver": "w2gn", "amortise": "auto"},
     "^option 'amortise' is not one of solver 'w2gn' and its parts, but of dual$"),
    ({"network": "dense_icn", "hidden": [8]},
     "^network.name: unknown network 'dense_icn'; did you mean 'dense_icnn'\\?$"),
    ({"solver": "saddle_point", "cost": "weak_quadratc", "gamma": 0.5},
     "^cost.name: unknown cost 'weak_quadratc'; did you mean 'weak_quadratic'\\?$"),
    ({"max_steps": 10**30}, f"^train.max_steps: expected an integer of 64 bits, got {10**30}$"),
    ({"learning_rate": -1}, "^solver.learning_rate: expected 0 to 1, got -1$"),
    ({"start": 3}, "^solver.start: expected a text, got integer 3$"),
    ({"network": "mlp"}, "^network.name: expected dense_icnn for the solver 'dual', got mlp$"),
    ({"progress": "often"}, "^progress: expected True, False or \"auto\", got 'often'$"),
    ({"seed": -1}, "^seed: expected 0 to"),
    ({"target": "gausian"}, "unknown measure 'gausian'; did you mean 'gaussian'\\?"),
])
def test_refuses_options(options, message, clouds):
    with pytest.raises(ValueError, match=message):
        monge.OptimalTransport(**options).fit(clouds[0], None if "target" in options else clouds[1])


@pytest.mark.parametrize("options", [{"batch": object()}, {"seed": "1"}, {"hidden": [None]},
                                     {"on_evaluation": 3}, {"use_rep": 5}])
def test_refuses_kinds(options, clouds):
    with pytest.raises(TypeError, match=rf"^(\w+\.)?{next(iter(options))}: "):
        monge.OptimalTransport(**options).fit(*clouds)


def test_refuses_a_generator_that_was_not_called(clouds):
    def batches():
        yield clouds[1]

    with pytest.raises(TypeError, match="^target: .* got a generator's function; call it$"):
        monge.OptimalTransport().fit(clouds[0], batches)


BAD = {
    "nan": (lambda x: numpy.where(x == x[3], numpy.nan, x),
            "^(source|target), row 3, column 0: expected a finite number .*, got NaN$"),
    "huge": (lambda x: x * 1e300, "expected a finite number that float32 can hold, got"),
    "flat": (lambda x: x[:, 0], r"expected points \[n, d\], got \[\d+\]. Reshape your data"),
    "wide": (lambda x: numpy.hstack([x, x]), "^source and target: .* same dimension, got 2 and 4$"),
    "few": (lambda x: x[:2], "at least 4"),
    "none": (lambda x: x[:0], "^(source|target): expected at least one row, got none$"),
    "columnless": (lambda x: x[:, :0], r"^(source|target): .* got 0 feature\(s\)"),
    "cubes": (lambda x: numpy.stack([x, x], 2),
              r"^(source|target): expected points \[n, d\] or images .*, got \[\d+, 2, 2\]$"),
    "same": (lambda x: x * 0, "points that differ"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("kind", [numpy.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_a_refused_fit_leaves_the_estimator_as_it_was(name, side, kind, clouds, fitted):
    change, message = BAD[name]
    ot = copy.deepcopy(fitted)
    before = ot.transform(clouds[0])
    points = [numpy.float64(one) for one in clouds]
    points[side] = change(points[side])
    if side == 0 and name == "wide":
        message = "^source and target: .* same dimension, got 4 and 2$"
    with pytest.raises(ValueError, match=message) as refusal:
        ot.fit(*(kind(one) for one in points))
    assert "\n" not in str(refusal.value)
    numpy.testing.assert_array_equal(ot.transform(clouds[0]), before)


def test_an_inverse_refuses_a_second_derivative(fitted, clouds):
    y = torch.tensor(clouds[1][:4], requires_grad=True)
    moved = fitted.inverse_transform(y).square().sum()
    assert torch.autograd.grad(moved, y, retain_graph=True)[0].abs().max() > 0
    with pytest.raises(RuntimeError, match="expected one derivative of an inverse map"):
        torch.autograd.grad(moved, y, create_graph=True)


def test_refuses_before_fit_and_other_shapes_and_devices(fitted, clouds):
    for method in ("transform", "inverse_transform", "log_det", "log_density"):
        with pytest.raises(NotFittedError):
            getattr(monge.OptimalTransport(), method)(clouds[0])
    with pytest.raises(ValueError, match="^X: expected a tensor on the cpu, got one on meta$"):
        fitted.transform(torch.zeros(3, 2, device="meta"))
    wide = numpy.zeros((5, 3))
    for method in (fitted.transform, fitted.inverse_transform, fitted.log_det, fitted.sample):
        with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 2 features"):
            method(wide)
    for name, method in (("source", lambda x: fitted.score(x, clouds[1])),
                         ("target", lambda x: fitted.evaluate(clouds[0], x)),
                         ("target", lambda x: fitted.plan_check(clouds[0], x)),
                         ("Y", lambda x: fitted.log_density(x, source=torch.sum)),
                         ("true_map", lambda x: fitted.score(clouds[0], true_map=x))):
        with pytest.raises(ValueError, match=rf"^{name}: expected points \[n, 2\], got \[5, 3\]$"):
            method(wide)
    with pytest.raises(ValueError, match="expected a target"):
        monge.OptimalTransport().fit(clouds[0])
    with pytest.raises(TypeError, match="expected real numbers"):
        fitted.transform(torch.zeros(3, 2, dtype=torch.cfloat))


def test_refuses_figures_of_one_point(fitted, clouds):
    for kind in (numpy.asarray, torch.tensor, monge.measure):
        for figures in (fitted.evaluate, fitted.plan_check):
            with pytest.raises(ValueError, match="^target: expected at least 2 points, got "):
                figures(clouds[0], kind(clouds[1][:1]))


def test_a_density_without_measures_asks_for_that_of_the_source(fitted, clouds, tmp_path):
    fitted.save(tmp_path / "map.safetensors")
    read = monge.load(tmp_path / "map.safetensors")
    with pytest.raises(ValueError, match=r"^log_density: expected .* \(source=...\), got none;"):
        read.log_density(clouds[1])
    known = read.log_density(clouds[1], source=monge.measure("gaussian", dimension=2))
    assert known.shape == (len(clouds[1]),)


def test_points_as_a_y_get_a_warning(clouds):
    ot = monge.OptimalTransport("w2gn", target=clouds[1], hidden=[8], max_steps=5, progress=False)
    with pytest.warns(RuntimeWarning, match="^fit: the points .* are not looked at$"):
        moved = ot.fit(clouds[0], clouds[0]).transform(clouds[0])
    numpy.testing.assert_array_equal(moved, ot.fit(clouds[0]).transform(clouds[0]))


def test_refuses_what_is_no_path_number_or_seed(fitted, clouds):
    for error, call, message in (
            (TypeError, lambda: monge.load(5), "path: expected a path, got int"),
            (TypeError, lambda: fitted.save(None), "path: expected a path, got NoneType"),
            (ValueError, lambda: monge.load("a\0b"), "path: .* got one with a null character"),
            (TypeError, lambda: monge.Cost(3), "cost: expected a name, got int"),
            (TypeError, lambda: monge.Potential(torch.nn.Linear(2, 1), "2"),
             "dimension: expected an integer, got str"),
            (ValueError, lambda: monge.TransportMap(torch.nn.Linear(2, 2), 2, -1),
             "noise_dimension: expected at least 0, got -1"),
            (TypeError, lambda: monge.measure({"a": 1}), "measure: expected points.* got dict"),
            (TypeError, lambda: monge.OptimalTransport(target=3).fit(clouds[0]),
             "target: expected points, got int"),
            (TypeError, lambda: fitted.sample(clouds[0], draws=1.5),
             "draws: expected an integer, got float"),
            (ValueError, lambda: fitted.sample(clouds[0], seed=-1),
             "seed: expected an integer of at least 0, got -1"),
            (TypeError, lambda: fitted.interpolate(clouds[0], "half"),
             "time: expected a number, got str")):
        with pytest.raises(error, match=f"^{message}$"):
            call()


@pytest.mark.parametrize("change, kind, message", [
    (lambda x: x.astype(object), TypeError,
     r"^target: expected bool, .*, got Python objects \(dtype object\)$"),
    (lambda x: x.astype(str), TypeError, "^target: expected bool, .*, got texts"),
    (lambda x: [{"a": 1}] * 5, TypeError, "^target: expected bool, .*, got Python objects"),
    (lambda x: [[1.0, 2.0], [3.0]], ValueError, "^target: .* got rows of different lengths$"),
    (lambda x: pandas.DataFrame({"a": x[:, 0], "b": "word"}), TypeError,
     "^target, column 'b': expected bool, .*, got Python objects"),
    (scipy.sparse.csr_array, TypeError, "^target: expected a dense array, got a sparse csr_array$"),
    (lambda x: torch.quantize_per_tensor(torch.tensor(x), 0.1, 0, torch.qint8), TypeError,
     "^target: expected real numbers, got torch.qint8$"),
])
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_refuses_tables_of_other_things(change, kind, message, clouds, fitted):
    ot = copy.deepcopy(fitted)
    target = change(clouds[1])
    with pytest.raises(kind, match=message) as refusal:
        ot.fit(clouds[0], target)
    assert "\n" not in str(refusal.value)
    if not isinstance(target, torch.Tensor):
        with pytest.raises(kind, match=message):
            monge.measure(target, "target")
        with pytest.raises(kind, match=message.replace("target", "y")):
            monge.Cost()(clouds[0], target)
    numpy.testing.assert_array_equal(ot.transform(clouds[0]), fitted.transform(clouds[0]))


def test_bools_are_numbers_as_in_the_program(fitted):
    truths = numpy.array([[True, False], [False, True]])
    moved = fitted.transform(numpy.float64(truths))
    numpy.testing.assert_array_equal(fitted.transform(truths), moved)
    numpy.testing.assert_allclose(fitted.transform(torch.tensor(truths)), moved, rtol=1e-6)


@pytest.mark.parametrize("kind, call, message", [
    (ValueError, lambda ot, x: ot.sample(x, noise=torch.zeros(2, 1, device="meta")),
     "^noise: expected a tensor on the cpu, got one on meta$"),
    (ValueError, lambda ot, x: ot.sample(x, noise=[[numpy.nan]]),
     "^noise, row 0, column 0: expected a finite number"),
    (TypeError, lambda ot, x: ot.transform(torch.tensor(x).to_sparse()),
     "^X: expected a dense tensor"),
    (ValueError, lambda ot, x: ot.transform(x.astype(complex)), "^X: .* got complex numbers"),
    (TypeError, lambda ot, x: ot.transform(x.astype("datetime64[s]")), "^X: .* got times"),
    (ValueError, lambda ot, x: ot.transform(numpy.ma.masked_less(x, 0)), "^X: .* masked entries$"),
    (TypeError, lambda ot, x: ot.log_density(x, source=5), "^log_density: expected a measure or"),
    (TypeError, lambda ot, x: ot.log_density(x, source=lambda y: None),
     r"^log_density: expected source to give a tensor \[n\], got NoneType$"),
    (ValueError, lambda ot, x: ot.log_density(x[:5], source=lambda y: y),
     r"^log_density: expected source to give log p \[5\], got \[5, 2\]$"),
    (TypeError, lambda ot, x: ot.sample(x, True), "^draws: expected an integer, got bool$"),
    (TypeError, lambda ot, x: ot.interpolate(x, True), "^time: expected a number, got bool$"),
    (ValueError, lambda ot, x: ot.score(x), "^score: expected a target, "),
])
def test_refuses_numbers_that_are_none(kind, call, message, fitted, clouds):
    with pytest.raises(kind, match=message):
        call(fitted, clouds[0])
