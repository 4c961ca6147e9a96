#include "monge/average_map.h"

#include "monge/affine.h"
#include "monge/map_file.h"
#include "monge/networks/dense_icnn.h"
#include "monge/safetensors.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <nlohmann/json.hpp>

namespace monge {
namespace {

using Json = nlohmann::json;
using MapPointer = std::shared_ptr<const TransportMap>;

/// x -> scale x + shift.
MapPointer scaling(double scale, double shift) {
  return std::make_shared<AffineTransportMap>(
      AffineMap{scale * at::eye(2, at::kDouble), at::full({2}, shift, at::kDouble)});
}

MapPointer brenier(std::uint64_t seed) {
  Random random(seed, "network");
  return std::make_shared<BrenierMap>(
      std::make_shared<DenseIcnn>(2, DenseIcnnOptions{.hidden = {8}, .input_scale = 1},
                                  DenseIcnn::Initial::paper, random),
      identity_frame(2).to_dtype(at::kFloat));
}

/// The barycentre of N(m_i, s_i² I) is N(Σ w m, (Σ w s)² I) (Agueh and Carlier 2011, theorem 6.1).
TEST(AverageMap, OfGaussiansReachesTheirBarycentre) {
  const AverageMap map({scaling(0.5, -2), scaling(3, 4)}, {3, 1});
  EXPECT_EQ(map.weights(), (std::vector{0.75, 0.25}));
  const Tensor x = Random(3, "points").normal({1000, 2}), y = map.transport(x);
  EXPECT_TRUE(at::allclose(y, (0.75 * 0.5 + 0.25 * 3) * x + (0.75 * -2 + 0.25 * 4), 0, 1e-5));
  EXPECT_TRUE(at::allclose(map.at_time(x, 0.25), 0.75 * x + 0.25 * y, 0, 1e-5));
}

/// Of gradients of convex functions it is one: <x - x', T(x) - T(x')> is not negative.
TEST(AverageMap, OfMonotoneMapsIsMonotone) {
  const AverageMap map({brenier(1), brenier(2), brenier(3)}, {1, 2, 1});
  Random random(4, "points");
  const Tensor x = random.normal({2000, 2}), other = random.normal({2000, 2});
  const Tensor products = ((x - other) * (map.transport(x) - map.transport(other))).sum(1);
  EXPECT_GE(products.min().item<double>(), -1e-6);
}

TEST(AverageMap, RefusesWhatHasNoAverage) {
  const auto refused = [](std::vector<MapPointer> maps, std::vector<double> weights) {
    return error_text([&] { AverageMap(std::move(maps), std::move(weights)); });
  };
  expect_message(refused({}, {}), "at least one map");
  expect_message(refused({scaling(1, 0)}, {1, 1}), "weights: expected 1 of them");
  expect_message(refused({scaling(1, 0), scaling(2, 0)}, {1, -1}), "not negative");
  expect_message(refused({scaling(1, 0), scaling(2, 0)}, {0, 0}), "a positive sum");
  const auto line = std::make_shared<AffineTransportMap>(
      AffineMap{at::eye(1, at::kDouble), at::zeros({1}, at::kDouble)});
  expect_message(refused({scaling(1, 0), line}, {1, 1}), "maps of 2 dimensions");
}

TEST(AverageMap, ComesBackFromItsFile) {
  const TemporaryFolder folder;
  const auto map = std::make_shared<AverageMap>(std::vector<MapPointer>{brenier(1), scaling(2, 1)},
                                                std::vector{0.25, 0.75});
  save_map(folder / "map.safetensors", {map, nullptr}, {{"space", "oklab"}});
  const LoadedMap loaded = load_map(folder / "map.safetensors");
  EXPECT_EQ(loaded.colour_space(), ColourSpace::oklab);
  EXPECT_FALSE(loaded.solution.inverse);
  const Tensor x = Random(6, "points").normal({100, 2});
  EXPECT_TRUE(at::equal(loaded.solution.map->transport(x), map->transport(x)));
}

TEST(AverageMap, ADamagedFileIsRefusedInOneLine) {
  const TemporaryFolder folder;
  const auto path = folder / "map.safetensors";
  const auto refused = [&](const auto& damage) {
    save_map(path,
             {std::make_shared<AverageMap>(std::vector<MapPointer>{brenier(1), scaling(2, 1)},
                                           std::vector{1.0, 1.0}),
              nullptr},
             {});
    TensorFile file = read_safetensors(path);
    Json description = Json::parse(file.metadata.at("map"));
    damage(description);
    file.metadata["map"] = description.dump();
    write_safetensors(path, file);
    return error_text([&] { load_map(path); });
  };
  EXPECT_EQ(refused([](Json&) {}), "");
  expect_message(refused([](Json& json) { json["weights"] = {1}; }), "weights: expected 2");
  expect_message(refused([](Json& json) { json["weights"] = {1, -2}; }), "not negative");
  expect_message(refused([](Json& json) { json["inner"] = Json::array(); }), "1 to 256 maps");
  expect_message(refused([](Json& json) { json["inner"] = 3; }), "1 to 256 maps");
  expect_message(refused([](Json& json) { json["inner"][0] = json; }), "one of averages");
  expect_message(refused([](Json& json) { json.erase("weights"); }), "weights");
}

}  // namespace
}  // namespace monge
