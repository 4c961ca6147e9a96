#include "monge/measures/crops.h"
#include "monge/metric.h"
#include "monge/solvers/w2gn.h"

#include "error_text.h"
#include "solvers/recorded_w2gn_step.h"
#include "solvers/w2gn_step.h"

namespace monge {
namespace {

const ConvIcnnOptions small{
    .size = 8, .width = 6, .linear_layers = 1, .convex_layers = 2, .hidden = {8, 4}};

/// A photograph whose levels vary slowly, [3, 24, 24].
Tensor photograph(double scale, double shift) {
  Random random(1, "photograph");
  const Tensor coarse = random.uniform({1, 3, 6, 6});
  const Tensor levels = at::upsample_bilinear2d(coarse, {24, 24}, false).squeeze(0) * 255;
  return (scale * levels + shift).round().to(at::kByte).contiguous();
}

std::shared_ptr<const Measure> crops(double scale, double shift) {
  return std::make_shared<CropMeasure>(std::vector{photograph(scale, shift)},
                                       CropOptions{.size = 8, .flip = true}, "test");
}

W2gnOptions options(const std::string& start) {
  return {.start = start,
          .cycle_weight = 1,
          .source_cycle_weight = 1,
          .batch = 8,
          .learning_rate = 5e-3,
          .pretrain_steps = 60};
}

/// The target is the source with its contrast lowered: the optimal map of a level l is 0.5 l + 90,
/// of a number v in [-1, 1] 0.5 v + 0.5 - 1 + 90 / 127.5.
Tensor truth(const Tensor& x) { return 0.5 * x + (90 / 127.5 - 0.5); }

struct Fitted {
  double forward, inverse;
};

/// L2-UVP of map and inverse, %.
Fitted fit(const W2gnOptions& options, const ConvIcnnOptions& network, int steps) {
  Random random(2, "network");
  W2gn solver(options, network, random);
  Problem problem = make_problem(crops(1, 0), crops(0.5, 90), 3);
  solver.start(problem, random);
  for (int step = 0; step < steps; ++step)
    EXPECT_TRUE(solver.step(problem, 1 - double(step) / steps).finite);
  const Tensor x = problem.source.measure().sample(200, random), y = truth(x);
  const auto variance = [](const Tensor& points) {
    return points.to(at::kDouble).var(0).sum().item<double>();
  };
  const Solution solution = solver.solution();
  return {l2_uvp(solution.map->transport(x), y, variance(y)),
          l2_uvp(solution.inverse->transport(y), x, variance(x))};
}

TEST(ImageW2gn, LearnsAnAffineMapOfColoursFromEitherStart) {
  for (const char* start : {"identity", "pretrain"}) {
    const Fitted before = fit(options(start), small, 0), after = fit(options(start), small, 300);
    EXPECT_GT(before.forward, 50) << start;
    EXPECT_LT(after.forward, 0.2 * before.forward) << start;
    EXPECT_LT(after.inverse, 0.35 * before.inverse) << start;  // by the cycle alone
  }
}

TEST(ImageW2gn, PretrainingFitsTheIdentity) {
  const auto error = [&](std::int64_t steps) {
    ConvIcnnOptions bare = small;
    bare.skip = false;
    W2gnOptions chosen = options("pretrain");
    chosen.pretrain_steps = steps;
    Random random(4, "network");
    W2gn solver(chosen, bare, random);
    const Problem problem = make_problem(crops(1, 0), crops(0.5, 90), 3);
    solver.start(problem, random);
    const Tensor x = problem.source.measure().sample(100, random);
    const Solution solution = solver.solution();
    EXPECT_TRUE(at::equal(solution.map->transport(x), solution.inverse->transport(x)));
    return (solution.map->transport(x) - x).square().mean().item<double>();
  };
  EXPECT_LT(error(200), 0.2 * error(0));
}

TEST(ImageW2gn, GoesOnFromASavedStateBitByBit) {
  Random random(5, "network");
  W2gn one(options("identity"), small, random);
  Problem data = make_problem(crops(1, 0), crops(0.5, 90), 3);
  one.start(data, random);
  for (int step = 0; step < 3; ++step) one.step(data, 1);
  State saved, saved_data;
  for (const auto& [name, tensor] : one.state()) saved[name] = tensor.detach().clone();
  for (const auto& [name, tensor] : data.state()) saved_data[name] = tensor.clone();

  Random other_random(6, "network");
  W2gn other(options("identity"), small, other_random);
  Problem other_data = make_problem(crops(1, 0), crops(0.5, 90), 77);
  other.restore(saved);
  other_data.restore(saved_data);
  for (int step = 0; step < 3; ++step)
    ASSERT_EQ(one.step(data, 0.5).loss, other.step(other_data, 0.5).loss);
  for (const auto& [name, tensor] : one.state())
    EXPECT_TRUE(at::equal(tensor, other.state().at(name))) << name;
}

TEST(ImageW2gn, RefusesWhatImagesDoNotHave) {
  Random random(7, "network");
  expect_message(error_text([&] { W2gn(options("affine"), small, random); }),
                 "solver.start: expected identity or pretrain, since the network is conv_icnn");
  ConvIcnnOptions network;
  expect_message(error_text([&] { take_shape(network, {}, {12}); }), "got points of shape [12]");
  expect_message(error_text([&] { take_shape(network, {}, {3, 8, 9}); }), "square images");
  expect_message(error_text([&] {
                   network.size = 16;
                   take_shape(network, {{"size", std::int64_t{16}}}, {3, 8, 8});
                 }),
                 "network.size: expected that of the images, 8, got 16");
}

/// One record of value and gradient for each point, against the fused passes of DenseICNN.
TEST(RecordedW2gnStep, IsTheObjectiveOfTheFusedStep) {
  Random random(8, "network");
  const DenseIcnnOptions network{.rank = 2, .hidden = {9, 7, 4}};
  const auto make = [&] {
    return std::make_shared<DenseIcnn>(5, network, DenseIcnn::Initial::paper, random);
  };
  const auto psi = make(), omega = make();
  const Tensor x = random.normal({20, 5}), y = random.normal({20, 5}) * 0.5;
  for (const W2gnWeights& weights :
       {W2gnWeights{.cycle = 0.7}, W2gnWeights{.cycle = 2, .source_cycle = 0.4, .detach = false},
        W2gnWeights{.cycle = 1, .source_cycle = 0.2}}) {
    RecordedW2gnStep recorded(psi, omega, weights);
    W2gnStep fused(*psi, *omega, weights);
    const W2gnTerms a = recorded.run(x, y), b = fused.run(x, y);
    EXPECT_NEAR(a.correlation, b.correlation, 1e-4 * (1 + std::abs(b.correlation)));
    EXPECT_NEAR(a.cycle, b.cycle, 1e-4 * b.cycle);
    EXPECT_NEAR(a.source_cycle, b.source_cycle, 1e-4 * (1 + b.source_cycle));
    ASSERT_EQ(recorded.derivatives().size(), fused.derivatives().size());
    for (std::size_t i = 0; i < recorded.derivatives().size(); ++i) {
      const Tensor &mine = recorded.derivatives()[i], &theirs = fused.derivatives()[i];
      const double size = theirs.abs().max().item<double>();
      EXPECT_LT((mine - theirs).abs().max().item<double>(), 1e-4 * (1e-3 + size)) << i;
    }
  }
}

}  // namespace
}  // namespace monge
