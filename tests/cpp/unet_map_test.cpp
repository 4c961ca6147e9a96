#include "monge/unet_map.h"

#include "monge/differentiable.h"
#include "monge/error.h"
#include "monge/map_file.h"
#include "monge/networks/song_unet.h"
#include "monge/networks/unet.h"
#include "monge/safetensors.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <gtest/gtest.h>

namespace monge {
namespace {

constexpr std::int64_t size = 16;

/// With moments that are not those it starts with.
std::shared_ptr<UNet> network(std::int64_t noise_channels) {
  Random random(51, "network");
  auto unet = std::make_shared<UNet>(
      UNetOptions{.channels = 2, .noise_channels = noise_channels, .size = size, .width = 3},
      random);
  for (int i = 0; i < 3; ++i)
    unet->forward(random.normal({4, 2 + noise_channels, size, size}) + 0.5, Graph::create);
  return unet;
}

/// With parameters that are not those it starts with, of which many are 0.
std::shared_ptr<SongUNet> song_network(std::int64_t noise_channels) {
  Random random(51, "network");
  auto unet = std::make_shared<SongUNet>(SongUNetOptions{.channels = 2,
                                                         .noise_channels = noise_channels,
                                                         .size = size,
                                                         .width = 4,
                                                         .blocks = 1,
                                                         .attention = 8},
                                         random);
  const at::NoGradGuard no_graph;
  for (auto& [name, parameter] : unet->parameters())
    Tensor(parameter).add_(random.normal(parameter.sizes()), 0.1);
  return unet;
}

/// One of each kind.
std::vector<std::shared_ptr<const TransportMap>> maps() {
  std::vector<std::shared_ptr<const TransportMap>> all;
  for (const bool residual : {false, true}) {
    all.push_back(std::make_shared<UNetMap>(network(0), residual));
    all.push_back(std::make_shared<StochasticUNetMap>(network(1), residual, 0.3));
    all.push_back(std::make_shared<UNetMap>(song_network(0), residual));
    all.push_back(std::make_shared<StochasticUNetMap>(song_network(1), residual, 0.3));
  }
  return all;
}

Tensor points(std::int64_t n) { return Random(52, "points").normal({n, 2 * size * size}); }

TEST(UNetMap, IsTheNetworkOfEveryPointAlone) {
  const Tensor x = points(300);  // more than a block
  const auto unet = network(0);
  const Tensor one = x.narrow(0, 290, 1), moved = unet->forward(one, Graph::none);
  const auto at_one = [&](const TransportMap& map) { return map.transport(x).narrow(0, 290, 1); };
  EXPECT_TRUE(at::allclose(at_one(UNetMap(unet, false)), moved, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(at_one(UNetMap(unet, true)), moved + one, 1e-4, 1e-5));
}

TEST(UNetMap, HasItsNoiseInFurtherChannelsScaled) {
  const auto unet = network(1);
  const StochasticUNetMap map(unet, true, 0.3);
  EXPECT_EQ(map.noise_dimension(), size * size);
  const Tensor x = points(3), z = Random(53, "noise").normal({3, size * size});
  const Tensor input = at::cat({x.view({3, 2, size, size}), 0.3 * z.view({3, 1, size, size})}, 1);
  EXPECT_TRUE(at::allclose(map.transport(x, z), x + unet->forward(input, Graph::none).flatten(1),
                           1e-5, 1e-6));
  EXPECT_TRUE(at::equal(map.transport(x), map.transport(x, map.fixed_noise(3))));
  EXPECT_GT((map.transport(x, z) - map.transport(x, -z)).abs().max().item<double>(), 1e-3);
}

TEST(UNetMap, RefusesANetworkOfTheOtherKind) {
  EXPECT_EQ(error_text([] { UNetMap(network(1), false); }),
            "map: expected a network without noise channels, got 1 of them");
  EXPECT_EQ(error_text([] { StochasticUNetMap(network(0), false, 1); }),
            "map: expected a network with noise channels, got one without");
  EXPECT_EQ(error_text([] { StochasticUNetMap(network(1), false, 0); }),
            "map: expected a positive noise scale, got 0");
  EXPECT_EQ(error_text([] { UNetMap(network(0), false).transport(at::zeros({1, 5})); }),
            "unet: expected images [n, 2, h, w] or rows [n, 512], got [1, 5]");
}

TEST(UNetMap, IsReadBackFromItsFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "map.safetensors";
  const Tensor x = points(3);
  for (const auto& map : maps()) {
    save_map(path, {map, nullptr}, {});
    const auto read = load_map(path).solution.map;
    EXPECT_TRUE(at::equal(read->transport(x), map->transport(x)));
    EXPECT_EQ(dynamic_cast<const StochasticMap*>(read.get()) != nullptr,
              dynamic_cast<const StochasticMap*>(map.get()) != nullptr);
  }
}

/// A file whose parts do not fit one another is refused by name.
TEST(UNetMap, AFileThatDoesNotFitIsRefused) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "map.safetensors";
  save_map(path, {maps().front(), nullptr}, {});
  const TensorFile sound = read_safetensors(path);
  const auto refusal = [&](const std::function<void(TensorFile&)>& spoil) {
    TensorFile file = sound;
    spoil(file);
    write_safetensors(path, file);
    return error_text([&] { load_map(path); });
  };
  const auto replace = [](std::string& text, const std::string& what, const std::string& by) {
    text.replace(text.find(what), what.size(), by);
  };
  EXPECT_EQ(refusal([&](TensorFile& file) {
              replace(file.metadata.at("map"), "\"dimension\":512", "\"dimension\":511");
            }),
            path.string() + ": expected images of 511 numbers, got 512");
  EXPECT_NE(refusal([](TensorFile& file) {
              file.tensors.erase("map.statistics.down.0.first.running_mean");
            }).find("down.0.first.running_mean"),
            std::string::npos);
  EXPECT_EQ(refusal([&](TensorFile& file) {
              replace(file.metadata.at("map"), "\"unet\",\"residual", "\"tunet\",\"residual");
            }),
            path.string() + ": expected a network unet or song_unet, got tunet");
  EXPECT_EQ(refusal([&](TensorFile& file) {  // as before there were others
              replace(file.metadata.at("map"), "\"network\":\"unet\",", "");
            }),
            "");
  EXPECT_NE(refusal([&](TensorFile& file) {
              replace(file.metadata.at("map"), "\"size\":16", "\"size\":40");
            }),
            "");
}

/// <∇<T(x), v>, h> by autograd against differences of transport() itself.
TEST(UNetMap, HasAGraphToItsPoints) {
  Random random(54, "directions");
  for (const auto& map : maps()) {
    const Tensor x = points(4).set_requires_grad(true);
    const Tensor v = random.normal(x.sizes()), h = random.normal(x.sizes());
    const Tensor moved = differentiable_transport(*map, x);
    EXPECT_TRUE(at::allclose(moved, map->transport(x.detach()), 1e-4, 1e-5));
    const double along =
        (torch::autograd::grad({(moved * v).sum()}, {x}).front() * h).sum().item<double>();
    constexpr double step = 1e-3;
    const auto value = [&](double by) {
      return (map->transport(x.detach() + by * h) * v).to(at::kDouble).sum().item<double>();
    };
    EXPECT_NEAR(along, (value(step) - value(-step)) / (2 * step), 0.02 * std::abs(along) + 0.02);
  }
}

}  // namespace
}  // namespace monge
