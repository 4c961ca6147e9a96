#include "monge/mixture_plan.h"

#include "monge/error.h"
#include "monge/map_file.h"
#include "monge/metric.h"
#include "monge/safetensors.h"

#include "error_text.h"
#include "temporary_folder.h"

namespace monge {
namespace {

/// A plan with nothing special about it, in coordinates that shear, turn and stretch.
std::shared_ptr<const MixturePlan> some_plan(std::int64_t d, std::int64_t components,
                                             double epsilon, bool framed) {
  Random random(51, "plan");
  const auto normal = [&](at::IntArrayRef shape) { return random.normal(shape).to(at::kDouble); };
  AffineFrame frame = identity_frame(d);
  if (framed) {
    frame.matrix = at::eye(d, at::kDouble) + 0.3 * normal({d, d});
    frame.from = normal({d});
    frame.to = normal({d}) + 2;
    frame.scale = 1.7;
  }
  return std::make_shared<MixturePlan>(
      PlanMixture{0.3 * epsilon * normal({components}), normal({components, d}),
                  -0.5 + 0.4 * normal({components, d})},
      epsilon, frame);
}

/// A grid of the line or the plane that holds all of the plan's mass, [n, d], and the volume that
/// a point stands for.
struct Grid {
  Tensor points;
  double volume;
};

Grid grid(std::int64_t d) {
  const std::int64_t side = d == 1 ? 4001 : 601;
  const Tensor line = at::linspace(-18, 22, side, at::kDouble);
  const double step = 40.0 / static_cast<double>(side - 1);
  if (d == 1) return {line.unsqueeze(1), step};
  return {at::cartesian_prod({line, line}), step * step};
}

TEST(MixturePlan, DensitiesIntegrateToOneAndHaveTheBarycentreForTheirMean) {
  for (const std::int64_t d : {std::int64_t{1}, std::int64_t{2}})
    for (const bool framed : {false, true}) {
      const auto plan = some_plan(d, 4, 0.4, framed);
      const Grid y = grid(d);
      for (const double place : {-1.0, 0.5, 2.0}) {
        const Tensor x = at::full({1, d}, place, at::kDouble);
        const Tensor mass = plan->log_density(x.expand_as(y.points), y.points).exp() * y.volume;
        EXPECT_NEAR(mass.sum().item<double>(), 1, 1e-6) << d << framed << place;
        const Tensor mean = mass.unsqueeze(0).mm(y.points);
        EXPECT_TRUE(at::allclose(mean, plan->barycentric(x), 1e-6, 1e-6)) << d << framed << place;
      }
    }
}

/// 5 standard errors in each of six comparisons: a false alarm in about 3e-6 of the seeds.
TEST(MixturePlan, SamplesHaveTheMomentsOfTheDensity) {
  constexpr std::int64_t n = 40000;
  const auto plan = some_plan(2, 3, 0.6, true);
  const Grid grid_points = grid(2);
  for (const double place : {-1.0, 0.5, 2.0}) {
    const Tensor x = at::full({1, 2}, place, at::kDouble);
    Random random(52, "noise");
    const Tensor y = plan->transport(x.expand({n, 2}), random.normal({n, 3}));
    const Tensor mass =
        plan->log_density(x.expand_as(grid_points.points), grid_points.points).exp() *
        grid_points.volume;
    const auto compare = [&](const Tensor& sampled, const Tensor& values) {
      const double error = sampled.std().item<double>() / std::sqrt(static_cast<double>(n));
      EXPECT_NEAR(sampled.mean().item<double>(), mass.dot(values).item<double>(), 5 * error);
    };
    compare(y.sum(1), grid_points.points.sum(1));
    compare(y.square().sum(1), grid_points.points.square().sum(1));
  }
}

/// dX = u(X, t) dt + √ε dW with u = (E[Y | X_t] - X_t) / (1 - t), the expectation from the
/// potential alone: π_t(y | x) ∝ exp(g(y) / ε - |y - x|² / 2ε(1 - t)).
Tensor simulated(const MixturePlan& plan, Tensor x, double until, int steps) {
  Random random(53, "diffusion");
  const Grid y = grid(1);
  const Tensor coarse = y.points.slice(0, 0, c10::nullopt, 8).squeeze(1);
  const Tensor potential = plan.potential(coarse.unsqueeze(1));
  const double epsilon = plan.epsilon(), step = until / steps;
  for (int i = 0; i < steps; ++i) {
    const double left = 1 - i * step;
    const Tensor weights = ((potential - (coarse - x).square() / (2 * left)) / epsilon).softmax(1);
    const Tensor drift = (weights.mv(coarse).unsqueeze(1) - x) / left;
    x = x + step * drift + std::sqrt(step * epsilon) * random.normal(x.sizes()).to(at::kDouble);
  }
  return x;
}

/// 5 standard errors, and a hundredth for Euler's steps; the lower bound shows that the two could
/// differ.
TEST(MixturePlan, TheBridgeIsTheDiffusionOfItsPotential) {
  constexpr std::int64_t n = 3000;
  for (const bool framed : {false, true}) {
    const auto plan = some_plan(1, 3, 0.5, framed);
    const Tensor x = at::full({n, 1}, 0.7, at::kDouble);
    for (const double time : {0.3, 0.8}) {
      const Tensor bridged = plan->at_time(x, time), walked = simulated(*plan, x, time, 80);
      const Tensor straight = at::lerp(x, plan->barycentric(x), time);
      const auto compare = [&](const Tensor& a, const Tensor& b) {
        const double error = std::sqrt((a.var() + b.var()).item<double>() / static_cast<double>(n));
        EXPECT_NEAR(a.mean().item<double>(), b.mean().item<double>(), 5 * error + 0.01);
      };
      compare(bridged, walked);
      compare(bridged.square(), walked.square());
      EXPECT_GT((bridged.square().mean() - straight.square().mean()).item<double>(), 0.05);
    }
  }
}

TEST(MixturePlan, ABridgeBeginsAndEndsAtItsPoints) {
  const auto plan = some_plan(3, 4, 0.4, true);
  Random random(54, "points");
  const Tensor x = random.normal({10, 3});
  EXPECT_TRUE(at::equal(plan->at_time(x, 0), x));
  EXPECT_TRUE(at::equal(plan->at_time(x, 1), plan->transport(x)));
  EXPECT_TRUE(at::equal(plan->transport(x), plan->transport(x)));
  for (const double time : {-0.1, 1.1, std::nan("")})
    expect_message(error_text([&] { plan->at_time(x, time); }), "0 to 1");
}

TEST(TransportMap, PointsGoStraight) {
  const AffineTransportMap map({2 * at::eye(2), at::ones({2})});
  const Tensor x = at::tensor({1.0f, -3.0f}).view({1, 2});
  EXPECT_TRUE(at::allclose(map.at_time(x, 0.25), at::tensor({1.5f, -3.5f}).view({1, 2})));
  EXPECT_THROW(map.at_time(x, 2), Error);
}

/// Of many points and one alike: blocks do not show.
TEST(MixturePlan, BlocksDoNotShow) {
  const auto plan = some_plan(2, 300, 0.4, true);
  Random random(55, "points");
  const Tensor x = random.normal({9000, 2}), z = random.normal({9000, 3});
  const Tensor moved = plan->transport(x, z), means = plan->barycentric(x);
  for (const std::int64_t i : {0, 3500, 8999}) {
    const auto row = [i](const Tensor& of) { return of.narrow(0, i, 1); };
    EXPECT_TRUE(at::allclose(plan->transport(row(x), row(z)), row(moved)));
    EXPECT_TRUE(at::allclose(plan->barycentric(row(x)), row(means)));
    EXPECT_TRUE(
        at::allclose(plan->log_density(row(x), row(moved)), row(plan->log_density(x, moved))));
  }
  EXPECT_EQ(plan->transport(x.narrow(0, 0, 0)).sizes(), (at::IntArrayRef{0, 2}));
}

TEST(MixturePlan, AMapFileHoldsPlanAndBarycentre) {
  const TemporaryFolder folder;
  const auto plan = some_plan(3, 5, 0.4, true);
  Random random(56, "points");
  const Tensor x = random.normal({20, 3});
  const auto path = folder.path() / "map.safetensors";
  save_map(path, {plan, nullptr}, {});
  const auto loaded = load_map(path).solution.map;
  EXPECT_TRUE(at::equal(loaded->transport(x), plan->transport(x)));
  EXPECT_TRUE(at::equal(loaded->at_time(x, 0.4), plan->at_time(x, 0.4)));
  save_map(path, {std::make_shared<BarycentricMap>(plan), nullptr}, {});
  EXPECT_TRUE(at::equal(load_map(path).solution.map->transport(x), plan->barycentric(x)));
}

TEST(MixturePlan, ADamagedMapFileIsRefused) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "map.safetensors";
  save_map(path, {some_plan(2, 3, 0.4, true), nullptr}, {});
  const TensorFile whole = read_safetensors(path);
  const auto refusal = [&](const auto& damage) {
    TensorFile file = whole;
    for (auto& [name, tensor] : file.tensors) tensor = tensor.clone();
    damage(file);
    write_safetensors(path, file);
    return error_text([&] { load_map(path); });
  };
  const auto described = [](TensorFile& file, const std::string& from, const std::string& to) {
    std::string& text = file.metadata["map"];
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, from.size(), to);
  };
  expect_message(refusal([&](TensorFile& file) { described(file, "0.4", "-0.4"); }), "epsilon");
  expect_message(
      refusal([&](TensorFile& file) { described(file, "\"dimension\":2", "\"dimension\":3"); }),
      "[K, 3]");
  expect_message(refusal([](TensorFile& file) { file.tensors.erase("map.heights"); }), "heights");
  expect_message(
      refusal([](TensorFile& file) { file.tensors["map.heights"] = at::zeros({2}, at::kDouble); }),
      "[2]");
  expect_message(
      refusal([](TensorFile& file) { file.tensors["map.centres"][0][0] = std::nan(""); }),
      "finite");
  expect_message(refusal([](TensorFile& file) { file.tensors["map.log_spreads"].fill_(1e4); }),
                 "log_spreads");
  expect_message(refusal([](TensorFile& file) { file.tensors["map.frame.matrix"].zero_(); }),
                 "invertible");
}

}  // namespace
}  // namespace monge
