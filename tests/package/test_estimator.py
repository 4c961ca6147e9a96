"""The estimator: what it learns, what it takes and gives back."""

import copy
import pathlib
import pickle
import pickletools
import warnings

import anndata
import numpy
import pandas
import pytest
import torch

import monge
from conftest import TINY


def test_tests_run_against_the_installed_wheel():
    source = pathlib.Path(__file__).resolve().parents[2] / "python"
    assert not pathlib.Path(monge.__file__).is_relative_to(source)
    assert "site-packages" in monge.__file__


def quiet():
    """Far points of the plane may lie where the map does not reach, and it says so."""
    return warnings.catch_warnings(action="ignore", category=RuntimeWarning)


def test_learns_the_map_between_gaussians():
    """L2-UVP of a shear, which the identity start is far from."""
    random = numpy.random.default_rng(1)
    matrix = numpy.array([[1.5, 0.5], [0.5, 1.0]])  # symmetric: the optimal map itself
    source = random.normal(size=(4000, 2))
    target = random.normal(size=(4000, 2)) @ matrix + 1
    fresh = random.normal(size=(2000, 2))
    truth = fresh @ matrix + 1
    variance = numpy.trace(matrix @ matrix)

    def error(steps):
        ot = monge.OptimalTransport(start="identity", hidden=[32], max_steps=steps,
                                    progress=False).fit(source, target)
        return 100 * ((ot.transform(fresh) - truth)**2).sum(1).mean() / variance

    assert error(1) > 20
    assert error(800) < 2


def test_inverse_transform_comes_back(fitted, clouds):
    back = fitted.inverse_transform(fitted.transform(clouds[0]))
    assert numpy.abs(back - clouds[0]).mean() < 0.05


def test_interpolates_on_straight_lines(fitted, clouds):
    x = clouds[0]
    numpy.testing.assert_allclose(fitted.interpolate(x, 0.25),
                                  0.75 * x + 0.25 * fitted.transform(x), atol=1e-5)
    with pytest.raises(ValueError, match="^time: expected 0 to 1, got 2$"):
        fitted.interpolate(x, 2)


def test_draws_follow_the_plan(bridge, fitted, clouds):
    x = clouds[0][:50]
    draws = bridge.sample(x, 400, seed=1)
    assert draws.shape == (50, 400, 2)
    assert draws.std(1).min() > 0.1
    numpy.testing.assert_array_equal(draws, bridge.sample(x, 400, seed=1))
    assert not numpy.array_equal(draws, bridge.sample(x, 400, seed=2))
    with pytest.raises(ValueError, match="sample: expected a map with noise"):
        fitted.sample(x)
    with pytest.raises(ValueError, match="have no inverse"):
        bridge.inverse_transform(x)


def test_noise_that_the_user_gives(fitted, clouds):
    plan = monge.OptimalTransport("saddle_point", noise_dimension=2, hidden=[8], max_steps=3,
                                  progress=False).fit(*clouds)
    x, z = clouds[0][:5], numpy.linspace([-1, 0], [1, 0], 9)
    assert plan.solution_.map.noise_dimension == 2
    path = plan.sample(x, noise=z)
    assert path.shape == (5, 9, 2) and path.dtype == x.dtype
    numpy.testing.assert_array_equal(path[:, ::2], plan.sample(x, noise=z[::2]))
    numpy.testing.assert_array_equal(path, plan.sample(x, noise=numpy.stack([z] * 5)))
    assert (path[:, 0] != path[:, -1]).any()
    for wrong in (z[:, :1], numpy.stack([z] * 4), z[0]):
        with pytest.raises(ValueError, match="noise: expected"):
            plan.sample(x, noise=wrong)
    with pytest.raises(ValueError, match="a map with noise"):
        fitted.sample(x, noise=z)


def test_log_det_is_that_of_the_jacobian(fitted, clouds):
    x = torch.tensor(clouds[0][:20])
    jacobians = torch.stack([torch.autograd.functional.jacobian(
        lambda row: fitted.transform(row[None])[0], row) for row in x])
    found = fitted.log_det(x.numpy())
    numpy.testing.assert_allclose(found, torch.linalg.slogdet(jacobians)[1], atol=2e-3)
    moved = fitted.transform(x)
    numpy.testing.assert_allclose(fitted.log_det(moved, inverse=True), -found, atol=0.02)


def test_log_density_integrates_to_one(clouds):
    ot = monge.OptimalTransport(**TINY).fit(monge.measure("gaussian", dimension=2), clouds[1])
    side = numpy.linspace(-9, 15, 121)
    grid = numpy.stack(numpy.meshgrid(side, side), -1).reshape(-1, 2)
    with quiet():
        density = numpy.exp(ot.log_density(grid))
    assert abs(density.sum() * (side[1] - side[0])**2 - 1) < 0.03

    def log_normal(x):
        return -(x**2).sum(1) / 2 - numpy.log(2 * numpy.pi)

    y = clouds[1][:10]
    with quiet():
        numpy.testing.assert_allclose(ot.log_density(y, source=log_normal), ot.log_density(y),
                                      atol=1e-4)


def test_gradients_flow_through_both_maps(fitted, clouds):
    x = torch.tensor(clouds[0][:30], requires_grad=True)
    back = fitted.inverse_transform(fitted.transform(x))
    weights = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    (back * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights, atol=0.05, rtol=0.05)
    assert fitted.transform(x.detach()).grad_fn is None


def test_gives_back_the_kind_that_it_is_given(fitted, clouds):
    x = clouds[0]
    truth = fitted.transform(x)
    assert truth.dtype == numpy.float32
    assert fitted.transform(x.astype("f8")).dtype == numpy.float64
    tensor = fitted.transform(torch.tensor(x))
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32
    numpy.testing.assert_array_equal(tensor.numpy(), truth)
    assert fitted.transform(torch.tensor(x).double()).dtype == torch.float64
    numpy.testing.assert_array_equal(fitted.transform(x.tolist()).astype("f4"), truth)
    numpy.testing.assert_array_equal(fitted.transform(anndata.AnnData(x)).X, truth)


def test_data_frames_keep_index_and_columns(clouds):
    frame = pandas.DataFrame(clouds[0], columns=["left", "right"],
                             index=[f"cell {i}" for i in range(600)])
    other = pandas.DataFrame(clouds[1], columns=["left", "right"])
    ot = monge.OptimalTransport(**TINY).fit(frame, other)
    moved = ot.transform(frame)
    assert list(moved.columns) == ["left", "right"] and moved.index.equals(frame.index)
    assert list(ot.feature_names_in_) == ["left", "right"]
    assert list(ot.get_feature_names_out()) == ["left", "right"]
    with pytest.raises(ValueError, match="feature names should match"):
        ot.transform(frame[["right", "left"]])
    for turned in (other[["right", "left"]], other.rename(columns={"left": "up"})):
        with pytest.raises(ValueError, match="^target: expected the source's columns left, right, "
                                             f"got {', '.join(turned.columns)}$"):
            ot.fit(frame, turned)


def test_names_of_one_side_alone_are_no_matter(clouds):
    frames = [pandas.DataFrame(points, columns=["left", "right"]) for points in clouds]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source, target in ((clouds[0], frames[1]), (frames[0], clouds[1])):
            ot = monge.OptimalTransport(**TINY).fit(source, target)
            assert ot.transform(source).shape == (600, 2)
            assert ot.score(source, target) > -1


def test_anndata_by_the_names_of_its_variables(clouds):
    data = [anndata.AnnData(points) for points in clouds]
    for one in data:
        one.var_names = ["CD4", "CD8"]
    ot = monge.OptimalTransport(**TINY).fit(*data)
    assert list(ot.get_feature_names_out()) == ["CD4", "CD8"]
    direct = monge.OptimalTransport(**TINY).fit(*clouds)
    numpy.testing.assert_array_equal(ot.transform(data[0]).X, direct.transform(clouds[0]))
    turned = data[1][:, ["CD8", "CD4"]].copy()
    with pytest.raises(ValueError, match="feature names should match"):
        ot.transform(turned)
    with pytest.raises(ValueError, match="^target: expected the source's columns CD4, CD8, got"):
        ot.fit(data[0], turned)


def test_anndata_by_key(clouds):
    data = [anndata.AnnData(numpy.zeros((len(points), 1), "f4"), obsm={"X_pca": points})
            for points in clouds]
    ot = monge.OptimalTransport(use_rep="X_pca", **TINY).fit(*data)
    direct = monge.OptimalTransport(**TINY).fit(*clouds)
    moved = ot.transform(data[0])
    numpy.testing.assert_array_equal(moved.obsm["X_pca"], direct.transform(clouds[0]))
    assert moved.obs_names.equals(data[0].obs_names) and moved.X.shape == (600, 1)
    numpy.testing.assert_array_equal(data[0].obsm["X_pca"], clouds[0])
    assert ot.inverse_transform(moved[:5]).obsm["X_pca"].shape == (5, 2)
    assert ot.log_det(data[0]).shape == (600,)
    with pytest.raises(ValueError, match=r"use_rep: expected a key of obsm \(X_pca\), got 'umap'"):
        monge.OptimalTransport(use_rep="umap", **TINY).fit(*data)


def test_same_seed_same_map_and_another_seed_another(fitted, clouds):
    x = clouds[0]
    again = monge.OptimalTransport(**TINY).fit(*clouds)
    numpy.testing.assert_array_equal(again.transform(x), fitted.transform(x))
    other = monge.OptimalTransport(seed=1, **TINY).fit(*clouds)
    assert not numpy.array_equal(other.transform(x), fitted.transform(x))


def test_target_of_the_constructor(clouds):
    ot = monge.OptimalTransport(target="gaussian", **TINY).fit(clouds[1], numpy.zeros(500))
    moved = ot.transform(clouds[1])
    assert numpy.abs(moved.mean(0)).max() < 0.2 and numpy.abs(moved.std(0) - 1).max() < 0.2


def test_pickles_hold_a_map_file_and_no_code(fitted, clouds):
    data = pickle.dumps(fitted)
    names = {arg for code, arg, _ in pickletools.genops(data) if code.name == "SHORT_BINUNICODE"}
    assert not any(str(name).startswith(("monge._core", "torch")) for name in names)
    for other in (pickle.loads(data), copy.deepcopy(fitted)):
        numpy.testing.assert_array_equal(other.transform(clouds[0]), fitted.transform(clouds[0]))
        assert other.history_ == fitted.history_
    with pytest.raises(ValueError, match="^expected source and target, got none"):
        pickle.loads(data).evaluate()


def test_a_solution_pickles_by_itself(bridge, fitted, clouds):
    x = torch.tensor(clouds[0][:5])
    for again in (pickle.loads(pickle.dumps(fitted.solution_)), copy.copy(fitted.solution_)):
        torch.testing.assert_close(again.map(x), fitted.solution_.map(x), rtol=0, atol=0)
        torch.testing.assert_close(again.inverse(x), fitted.solution_.inverse(x), rtol=0, atol=0)
    again = pickle.loads(pickle.dumps(fitted.solution_.map))
    torch.testing.assert_close(again(x), fitted.solution_.map(x), rtol=0, atol=0)
    plan = copy.deepcopy(bridge.solution_)
    torch.testing.assert_close(plan.map.sample(x, 3), bridge.solution_.map.sample(x, 3))


def test_too_many_draws_are_refused_before_memory_is_full(bridge, clouds):
    with pytest.raises(MemoryError, match=r"^sample: expected .*, got \[5, 1000000000000, 2\]$"):
        bridge.sample(clouds[0][:5], draws=10**12)


def test_figures_on_given_points(fitted, clouds):
    figures = fitted.evaluate(*clouds)
    assert figures["points"] == 250
    wrong = fitted.evaluate(clouds[1], clouds[1])
    assert figures["energy_distance"] < 0.2 < wrong["energy_distance"]
    assert -fitted.score(*clouds) == pytest.approx(
        monge.energy_distance(fitted.transform(clouds[0]), clouds[1]))


def test_scores_against_the_true_map(fitted, clouds):
    """L2-UVP in %, of the known map between the Gaussians that the clouds are of."""
    covariance = numpy.array([[2, 0], [1, 0.5]])
    covariance = covariance.T @ covariance
    values, vectors = numpy.linalg.eigh(covariance)
    root = vectors * numpy.sqrt(values) @ vectors.T  # of N(0, I) to N(3, covariance)

    def truth(x):
        return x @ root.astype("f4") + 3

    assert -10 < fitted.score(clouds[0], true_map=truth) < 0
    values = truth(clouds[0])
    assert fitted.score(clouds[0], true_map=values) == fitted.score(clouds[0], true_map=truth)
    moved = fitted.transform(clouds[0])
    assert fitted.score(clouds[0], true_map=torch.tensor(values)) == pytest.approx(
        -100 * ((moved - values)**2).sum(1).mean() / values.var(0).sum(), rel=1e-4)
    for wrong, message in ((values[:5], r"^true_map: expected values \[600, 2\], got \[5, 2\]$"),
                           (values[:, :1], r"^true_map: expected points \[n, 2\]"),
                           (0 * values, "expected values that differ"),
                           (values + numpy.nan, "^true_map, row 0, column 0: expected a finite")):
        with pytest.raises(ValueError, match=message):
            fitted.score(clouds[0], true_map=wrong)
    with pytest.raises(ValueError, match="^target: expected points or a measure beside the other"):
        fitted.evaluate(clouds[0])
    with pytest.raises(ValueError, match=r"^target: expected points \[n, 2\], got \[n, 3\]$"):
        fitted.score(clouds[0], monge.measure("gaussian", dimension=3))


def test_a_map_file_keeps_the_name_of_its_cost(clouds, tmp_path):
    """By which the plan check knows whether |x - y|² is what the map was made for."""
    ot = monge.OptimalTransport("saddle_point", cost=monge.Cost("weak_quadratic", gamma=1),
                                noise_dimension=1, map_hidden=[8], hidden=[8], max_steps=5,
                                progress=False).fit(*clouds)
    ot.save(tmp_path / "weak.safetensors")
    loaded = monge.load(tmp_path / "weak.safetensors")
    assert loaded.cost == "weak_quadratic"
    assert loaded.plan_check(*clouds) == ot.plan_check(*clouds)
    loaded.save(tmp_path / "again.safetensors")
    assert ((tmp_path / "again.safetensors").read_bytes()
            == (tmp_path / "weak.safetensors").read_bytes())


def test_a_fit_of_tensors_forgets_the_names_of_columns(clouds):
    ot = monge.OptimalTransport(**TINY)
    ot.fit(pandas.DataFrame(clouds[0], columns=["l", "r"]),
           pandas.DataFrame(clouds[1], columns=["l", "r"]))
    assert list(ot.feature_names_in_) == ["l", "r"]
    ot.fit(torch.tensor(clouds[0]), torch.tensor(clouds[1]))
    assert not hasattr(ot, "feature_names_in_")
    assert list(ot.get_feature_names_out()) == ["x0", "x1"]


def test_checks_the_plan_on_given_points(fitted, clouds):
    check = fitted.plan_check(clouds[1], clouds[1])
    assert check["verdict"] != "good" and check["reason"].startswith("the map does not reach")
    assert fitted.plan_check(*clouds)["d_target"] < check["d_target"]


def test_shows_its_course(fitted):
    page = fitted._repr_html_()
    assert "<polyline" in page and "energy distance" in page
    assert page.count("<circle") > 100  # T(x) over the target
    again = pickle.loads(pickle.dumps(fitted))._repr_html_()
    assert "<polyline" in again and "<circle" not in again
    assert "<polyline" not in monge.OptimalTransport()._repr_html_()


def test_shares_memory_with_contiguous_float32(clouds):
    array = clouds[0].copy()
    tensor = torch.tensor(clouds[0])
    assert monge.measure(array).rows.data_ptr() == array.ctypes.data
    assert monge.measure(tensor).rows.data_ptr() == tensor.data_ptr()
    frozen = array.copy()
    frozen.flags.writeable = False
    assert monge.measure(frozen).rows.data_ptr() != frozen.ctypes.data
    ot = monge.OptimalTransport(holdout=0, **TINY).fit(array, tensor)
    assert ot._splits[0].train.rows.data_ptr() == array.ctypes.data
    assert ot._splits[1].train.rows.data_ptr() == tensor.data_ptr()
