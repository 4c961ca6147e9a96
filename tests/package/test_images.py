"""Images [n, c, h, w] go in and come out as such."""

import numpy
import pytest
import torch

import monge

SHAPE = (1, 3, 4)


@pytest.fixture(scope="module")
def bags():
    return numpy.random.default_rng(0).integers(0, 256, (120, *SHAPE)).astype("u1")


@pytest.fixture(scope="module")
def fitted(bags):
    return monge.OptimalTransport("dual", hidden=[16], max_steps=50, progress=False).fit(
        bags, 255 - bags)


def scaled(levels):
    return (levels / 127.5 - 1).astype("f4")


def test_every_kind_of_images_comes_back_as_it_is(fitted, bags):
    assert fitted.image_shape_ == SHAPE and fitted.n_features_in_ == 12
    levels = fitted.transform(bags[:9])
    assert (levels.shape, levels.dtype) == ((9, *SHAPE), numpy.uint8)
    floats = fitted.transform(scaled(bags[:9]))
    assert (floats.shape, floats.dtype) == ((9, *SHAPE), numpy.float32)
    numpy.testing.assert_array_equal(((floats + 1) * 127.5).round().clip(0, 255), levels)
    rows = fitted.transform(scaled(bags[:9]).reshape(9, 12))
    numpy.testing.assert_array_equal(rows.reshape(floats.shape), floats)
    tensor = fitted.transform(torch.from_numpy(bags[:9]))
    assert tensor.dtype == torch.uint8
    numpy.testing.assert_array_equal(tensor, levels)
    back = fitted.inverse_transform(fitted.transform(scaled(bags)))
    assert back.shape == bags.shape and abs(back - scaled(bags)).mean() < 0.2


def test_images_have_gradients(fitted, bags):
    x = torch.from_numpy(scaled(bags[:2])).requires_grad_()
    fitted.transform(x).square().sum().backward()
    assert x.grad.shape == x.shape and x.grad.abs().max() > 0


def test_a_map_file_knows_that_it_is_of_images(fitted, bags, tmp_path):
    fitted.save(tmp_path / "map.safetensors")
    again = monge.load(tmp_path / "map.safetensors")
    assert again.image_shape_ == SHAPE
    numpy.testing.assert_array_equal(again.transform(bags), fitted.transform(bags))


def test_draws_are_images(bags):
    plan = monge.OptimalTransport("light_sb", components=2, max_steps=5, progress=False)
    draws = plan.fit(bags, 255 - bags).sample(bags[:5], 3)
    assert (draws.shape, draws.dtype) == ((5, 3, *SHAPE), numpy.uint8)


def test_images_of_another_shape_are_refused(fitted, bags):
    with pytest.raises(ValueError, match="one shape"):
        monge.OptimalTransport(max_steps=1, progress=False).fit(bags, bags.transpose(0, 1, 3, 2))
    with pytest.raises(ValueError):
        fitted.transform(bags[:, :, :2])


def test_measures_of_images(bags, tmp_path):
    measure = monge.measure(bags)
    assert measure.shape == list(SHAPE) and measure.dimension == 12
    numpy.save(tmp_path / "bags.npy", bags)
    read = monge.measure("images", file=str(tmp_path / "bags.npy"))
    assert read.shape == list(SHAPE) and read.skipped == []
    assert torch.equal(read.sample(7), measure.sample(7))
    ot = monge.OptimalTransport("w2gn", hidden=[8], max_steps=2, progress=False).fit(read, measure)
    assert ot.image_shape_ == SHAPE


@pytest.mark.parametrize("cost, network, map_network", [
    ("quadratic", "resnet_critic", "unet"), ("weak_quadratic", "resnet_critic", "unet"),
    ("quadratic", "noised_resnet_critic", "song_unet")])
def test_maps_of_convolutional_networks(cost, network, map_network):
    levels = numpy.random.default_rng(1).integers(0, 256, (60, 1, 16, 16)).astype("u1")
    weak = {"noise_channels": 1, "noise_samples": 2} if cost == "weak_quadratic" else {}
    ot = monge.OptimalTransport("saddle_point", network=network, cost=cost, width=4,
                                max_width=8, map_network=map_network, map_width=3, batch=8, inner_steps=1, max_steps=2,
                                progress=False, **weak).fit(levels, 255 - levels)
    x = torch.from_numpy(scaled(levels[:3])).requires_grad_()
    moved = ot.transform(x)
    assert moved.shape == x.shape
    numpy.testing.assert_allclose(moved.detach(), ot.transform(scaled(levels[:3])), atol=1e-4)
    moved.square().sum().backward()
    assert x.grad.shape == x.shape and x.grad.abs().max() > 0
    if weak:
        draws = ot.sample(levels[:3], 2)
        assert draws.shape == (3, 2, 1, 16, 16) and (draws[:, 0] != draws[:, 1]).any()


LARGE = (1, 16, 16)
BRIEF = {"width": 4, "max_width": 8, "map_width": 3, "batch": 8, "inner_steps": 1, "max_steps": 2,
         "progress": False}


def large(seed):
    return numpy.random.default_rng(seed).integers(0, 256, (60, *LARGE)).astype("u1")


def test_images_take_the_networks_of_images_where_nothing_is_named():
    ot = monge.OptimalTransport(**BRIEF).fit(large(0), large(1))
    assert ot.options_["solver"]["name"] == "saddle_point" and ot.solver is None
    assert ot.options_["network"]["name"] == "resnet_critic" and ot.options_["solver"]["residual"]
    assert ot.transform(large(2)[:3]).shape == (3, *LARGE)
    named = monge.OptimalTransport(recipe="not-images", **BRIEF).fit(large(0), large(1))
    numpy.testing.assert_array_equal(named.transform(large(2)), ot.transform(large(2)))
    rows = [scaled(large(seed)).reshape(60, -1) for seed in (0, 1)]
    plain = monge.OptimalTransport(hidden=[8], max_steps=2, progress=False).fit(*rows)
    assert plain.options_["solver"]["name"] == "dual"  # rows are no images
    solver = monge.Solver(max_steps=1, evaluate_every=1)
    monge.train(solver, *(large(seed) for seed in (0, 1)), progress=False)
    assert solver.name == "saddle_point" and solver.sections["network"]["name"] == "resnet_critic"


def test_crops_take_those_of_crops(tmp_path):
    monge._core.write_grid(tmp_path / "photo.png", torch.rand(1, 3, 40, 40), 1)
    crops = monge.measure("crops", file=str(tmp_path / "photo.png"), size=16)
    ot = monge.OptimalTransport(width=2, batch=2, max_steps=1, pretrain_steps=1,
                                progress=False).fit(crops, crops)
    assert (ot.options_["solver"]["name"], ot.options_["network"]["name"]) == ("w2gn", "conv_icnn")


def test_small_images_without_a_solver_are_refused_in_one_line(bags):
    with pytest.raises(ValueError, match="square images of 16, 32, .* got images of shape "
                                         ".1, 3, 4.; name a solver, such as .dual., f") as refusal:
        monge.OptimalTransport(progress=False).fit(bags, 255 - bags)
    assert "\n" not in str(refusal.value)


def test_functions_and_loaders_of_images(bags):
    levels = large(3)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(levels), torch.arange(60)), batch_size=7)
    drawn = monge.measure(loader)
    assert drawn.shape == list(LARGE)
    torch.testing.assert_close(drawn.sample(9), torch.from_numpy(scaled(levels[:9]).reshape(9, -1)))
    function = monge.measure(
        lambda n, seed: levels[numpy.random.default_rng(seed).integers(0, 60, n)])
    assert function.shape == list(LARGE)
    ot = monge.OptimalTransport(**BRIEF).fit(loader, function)
    assert ot.image_shape_ == LARGE and ot.transform(levels[:2]).dtype == numpy.uint8
    with pytest.raises(ValueError, match="^measure: expected batches .k, 1, 16, 16., got .k, 1, 3"):
        monge.measure(iter([levels[:3], bags[:3]])).sample(5)


def test_figures_on_given_images_are_those_of_images(fitted, bags):
    figures = fitted.evaluate(bags, 255 - bags)
    assert set(figures) == set(fitted.evaluate()) - {"source_trained_on", "target_trained_on"}
    rows = scaled(bags).reshape(len(bags), -1)
    assert abs(fitted.score(rows, scaled(255 - bags).reshape(len(bags), -1))) < 0.1


def test_notebooks_see_images_and_what_becomes_of_them(fitted):
    assert "data:image/png;base64," in fitted._repr_html_()
