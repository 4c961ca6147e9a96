#include "monge/map_file.h"

#include "monge/conjugate.h"
#include "monge/networks/dense_icnn.h"
#include "monge/safetensors.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <nlohmann/json.hpp>

namespace monge {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// A Brenier map with its inverse by searches, in a frame that is not the identity.
Solution solution(bool boxed) {
  Random random(61, "network");
  const auto psi = std::make_shared<DenseIcnn>(
      2, DenseIcnnOptions{.hidden = {12, 8}, .input_scale = 1}, DenseIcnn::Initial::paper, random);
  const AffineFrame frame{at::tensor({1.0, 0.2, -0.3, 0.8}, at::kDouble).view({2, 2}),
                          at::tensor({0.5, -1.0}, at::kDouble), at::tensor({2.0, 3.0}, at::kDouble),
                          1.5};
  ConjugateOptions options{.tolerance = 3e-4, .evaluations = 40};
  if (boxed) {
    options.low = at::tensor({-1.0f, -2.0f});
    options.high = at::tensor({1.5f, 0.5f});
  }
  return {std::make_shared<BrenierMap>(psi, frame.to_dtype(at::kFloat)),
          std::make_shared<ConjugateMap>(psi, frame.inverse().to_dtype(at::kFloat), options)};
}

/// The message of loading a map of which `damage` has changed the inverse.
template <class Damage>
std::string refusal(const Damage& damage) {
  const TemporaryFolder folder;
  const fs::path path = folder / "map.safetensors";
  save_map(path, solution(true), {});
  TensorFile file = read_safetensors(path);
  Json description = Json::parse(file.metadata.at("inverse"));
  damage(description, file.tensors);
  file.metadata["inverse"] = description.dump();
  write_safetensors(path, file);
  return error_text([&] { load_map(path); });
}

TEST(MapFile, AConjugateMapComesBackAsItWas) {
  const TemporaryFolder folder;
  for (const bool boxed : {false, true}) {
    const Solution saved = solution(boxed);
    save_map(folder / "map.safetensors", saved, {{"solver", "dual"}});
    const LoadedMap loaded = load_map(folder / "map.safetensors");
    EXPECT_EQ(loaded.notes.at("solver"), "dual");
    const auto& inverse = dynamic_cast<const ConjugateMap&>(*loaded.solution.inverse);
    EXPECT_EQ(inverse.options().tolerance, 3e-4);
    EXPECT_EQ(inverse.options().evaluations, 40);
    EXPECT_EQ(inverse.options().low.defined(), boxed);
    const Tensor x = Random(62, "points").normal({300, 2});
    EXPECT_TRUE(at::equal(loaded.solution.map->transport(x), saved.map->transport(x)));
    EXPECT_TRUE(at::equal(inverse.transport(x), saved.inverse->transport(x)));
  }
}

TEST(MapFile, ADamagedConjugateMapIsRefusedInOneLine) {
  EXPECT_EQ(refusal([](Json&, State&) {}), "");
  expect_message(refusal([](Json& json, State&) { json.erase("tolerance"); }), "tolerance");
  expect_message(refusal([](Json& json, State&) { json["tolerance"] = -1; }),
                 "tolerance: expected a positive number, got -1");
  expect_message(refusal([](Json& json, State&) { json["tolerance"] = "small"; }),
                 "a readable description of the map");
  expect_message(refusal([](Json& json, State&) { json["evaluations"] = 0; }), "evaluations");
  expect_message(refusal([](Json& json, State&) { json["kind"] = "oracle"; }), "got oracle");
  expect_message(refusal([](Json& json, State&) { json["network"] = "oracle"; }), "oracle");
  expect_message(refusal([](Json&, State& tensors) { tensors.erase("inverse.high"); }), "high");
  expect_message(refusal([](Json&, State& tensors) { tensors.erase("inverse.low"); }), "low");
  expect_message(refusal([](Json&, State& tensors) { tensors["inverse.low"] = at::zeros({3}); }),
                 "expected a box [2], got [3]");
  expect_message(
      refusal([](Json&, State& tensors) { tensors["inverse.low"] = at::full({2}, 7.0f); }), "box");
  expect_message(
      refusal([](Json&, State& tensors) { tensors["inverse.potential.final"] = at::zeros({3}); }),
      "final");
}

TEST(MapFile, ADamagedConjugateMapIsNamedByItsFile) {
  EXPECT_NE(refusal([](Json& json, State&) { json["tolerance"] = -1; }).find("map.safetensors"),
            std::string::npos);
}

}  // namespace
}  // namespace monge
