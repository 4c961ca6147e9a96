#include "monge/solvers/saddle_point.h"

#include "monge/cost.h"
#include "monge/error.h"
#include "monge/measures/gaussian.h"
#include "monge/metric.h"

#include "error_text.h"

#include <gtest/gtest.h>

namespace monge {
namespace {

std::shared_ptr<const Measure> gaussian(const Tensor& mean, const Tensor& covariance) {
  return std::make_shared<GaussianMeasure>(
      Moments{mean.to(at::kDouble), covariance.to(at::kDouble)});
}

struct Truth {
  std::shared_ptr<const Measure> source =
      gaussian(at::zeros({2}), at::tensor({1.0, 0.0, 0.0, 0.5}).view({2, 2}));
  std::shared_ptr<const Measure> target =
      gaussian(at::tensor({0.5, -0.3}), at::tensor({0.7, 0.3, 0.3, 1.8}).view({2, 2}));

  double error(const TransportMap& map) const {
    Random random(33, "points");
    const Tensor x = source->sample(2000, random);
    const AffineMap truth = bures_wasserstein_map(*source->moments(), *target->moments());
    return l2_uvp(map.transport(x), AffineTransportMap(truth).transport(x),
                  target->moments()->covariance.trace().item<double>());
  }
};

void run(SaddlePoint& solver, Problem& problem, std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step) {
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    ASSERT_TRUE(solver.step(problem, 1 - share).finite);
  }
}

TEST(SaddlePoint, LearnsAGaussianMapWithConvexPotentials) {
  const Truth truth;
  for (const char* map : {"gradient", "network"}) {
    Random random(1, "network");
    SaddlePoint solver(2,
                       {.map = map,
                        .residual = true,
                        .map_hidden = {32, 32},
                        .inner_steps = 4,
                        .batch = 128,
                        .learning_rate = 5e-3,
                        .average = 0.9,
                        .start = "identity"},
                       0, DenseIcnnOptions{.hidden = {32, 16}}, random);
    Problem problem = make_problem(truth.source, truth.target, 3);
    solver.start(problem, random);
    EXPECT_GT(truth.error(*solver.solution().map), 8) << map;
    run(solver, problem, 300);
    EXPECT_LT(truth.error(*solver.solution().map), 2) << map;
  }
}

TEST(SaddlePoint, LearnsAGaussianMapWithFreeNetworks) {
  const Truth truth;
  Random random(1, "network");
  SaddlePoint solver(
      2, {.residual = true, .inner_steps = 4, .batch = 128, .learning_rate = 2e-3, .average = 0.98},
      0, MlpOptions{.hidden = {32, 32}}, random);
  Problem problem = make_problem(truth.source, truth.target, 3);
  solver.start(problem, random);
  EXPECT_GT(truth.error(*solver.solution().map), 8);
  run(solver, problem, 800);
  EXPECT_LT(truth.error(*solver.solution().map), 3);
}

/// Steep maps are those that smoothed sources have: here by 30 in one coordinate.
TEST(SaddlePoint, AffineCoordinatesMakeASteepMapEasyForFreeNetworks) {
  const Truth truth{
      gaussian(at::zeros({2}), at::tensor({1.0, 0.0, 0.0, 1e-3}).view({2, 2})),
      gaussian(at::tensor({0.5, -3.0}), at::tensor({0.2, 0.1, 0.1, 1.0}).view({2, 2}))};
  const auto learned = [&](const char* start, double learning_rate) {
    Random random(1, "network");
    SaddlePoint solver(2,
                       {.residual = true,
                        .inner_steps = 4,
                        .batch = 64,
                        .learning_rate = learning_rate,
                        .average = 0.98,
                        .start = start},
                       0, MlpOptions{.hidden = {32, 32}}, random);
    Problem problem = make_problem(truth.source, truth.target, 3);
    solver.start(problem, random);
    run(solver, problem, 500);
    return truth.error(*solver.solution().map);
  };
  EXPECT_LT(learned("affine", 2e-3), 2);
  EXPECT_GT(learned("affine", 1e-12), 4);
  EXPECT_GT(learned("identity", 2e-3), 4);
}

/// The published settings that the page of the method names.
struct Published {
  std::string name;
  SaddlePointOptions options;
  bool icnn;
  std::int64_t steps;
  double bound;  // of L2-UVP, %
};

std::vector<Published> published() {
  SaddlePointOptions icnn_ot{.inner_steps = 10,
                             .batch = 128,
                             .learning_rate = 5e-3,
                             .beta1 = 0.5,
                             .average = 0.9,
                             .convexity = "penalty",
                             .start = "identity"};
  SaddlePointOptions otm{
      .residual = true, .inner_steps = 10, .batch = 64, .learning_rate = 2e-3, .average = 0.9};
  SaddlePointOptions enot{.inner_steps = 1,
                          .batch = 128,
                          .learning_rate = 3e-3,
                          .beta1 = 0.9,
                          .average = 0.9,
                          .expectile_weight = 0.5};
  SaddlePointOptions both_ways = enot;
  enot.residual = true;
  both_ways.map = "gradient";
  both_ways.map_activation = "elu";
  both_ways.bidirectional = true;
  SaddlePointOptions convex = both_ways;
  convex.start = "identity";
  return {{"ICNN-OT with the penalty", icnn_ot, true, 300, 2},
          {"OTM, MM:R", otm, false, 300, 3},
          {"ENOT, free map", enot, false, 1500, 3},
          {"ENOT, both directions", both_ways, false, 600, 3},
          {"ENOT, input-convex", convex, true, 400, 2}};
}

std::unique_ptr<SaddlePoint> made(const Published& one, std::int64_t dimension) {
  Random random(1, "network");
  if (one.icnn)
    return std::make_unique<SaddlePoint>(dimension, one.options, 0,
                                         DenseIcnnOptions{.hidden = {32, 16}}, random);
  return std::make_unique<SaddlePoint>(dimension, one.options, 0,
                                       MlpOptions{.hidden = {48, 48}, .activation = "elu"}, random);
}

TEST(SaddlePoint, PublishedSettingsLearnAGaussianMapAndNothingWithoutUpdates) {
  const Truth truth;
  for (Published one : published()) {
    const auto learned = [&](double learning_rate) {
      one.options.learning_rate = learning_rate;
      const auto solver = made(one, 2);
      Problem problem = make_problem(truth.source, truth.target, 3);
      Random random(1, "start");
      solver->start(problem, random);
      run(*solver, problem, one.steps);
      return truth.error(*solver->solution().map);
    };
    EXPECT_LT(learned(one.options.learning_rate), one.bound) << one.name;
    EXPECT_GT(learned(1e-12), 2 * one.bound) << one.name;
  }
}

TEST(SaddlePoint, BothDirectionsAreLearned) {
  const Truth truth, back{truth.target, truth.source};
  for (const Published& one : published()) {
    if (!one.options.bidirectional) continue;
    const auto solver = made(one, 2);
    Problem problem = make_problem(truth.source, truth.target, 3);
    run(*solver, problem, one.steps);
    EXPECT_LT(back.error(*solver->solution().inverse), 2 * one.bound) << one.name;
  }
}

/// The penalty leaves weights below 0 that the clamp does not, and a large one brings them to it.
TEST(SaddlePoint, APenaltyReplacesTheClamp) {
  const Truth truth;
  const auto least = [&](const char* convexity, double weight) {
    Random random(1, "network");
    SaddlePoint solver(2,
                       {.batch = 64,
                        .learning_rate = 3e-3,
                        .average = 0,
                        .convexity = convexity,
                        .convexity_weight = weight},
                       0, DenseIcnnOptions{.hidden = {16, 8}}, random);
    Problem problem = make_problem(truth.source, truth.target, 3);
    run(solver, problem, 100);
    return solver.state().at("map.convex.1").min().item<double>();
  };
  EXPECT_GE(least("clamp", 1), 0);
  const double free = least("penalty", 0), held = least("penalty", 100);
  EXPECT_LT(free, -1e-3);
  EXPECT_GT(held, 0.3 * free);
}

std::unique_ptr<SaddlePoint> weak_solver(const WeakCost& cost) {
  Random random(1, "network");
  auto solver = std::make_unique<SaddlePoint>(1,
                                              SaddlePointOptions{.noise_dimension = 1,
                                                                 .inner_steps = 3,
                                                                 .batch = 64,
                                                                 .learning_rate = 1e-3,
                                                                 .average = 0.99},
                                              cost, MlpOptions{.hidden = {32, 32}}, random);
  Problem problem =
      make_problem(gaussian(at::zeros({1}), at::eye(1)), gaussian(at::zeros({1}), at::eye(1)), 3);
  solver->start(problem, random);
  return solver;
}

/// A source of one point has one plan: T(x, .) has to become the target.
TEST(SaddlePoint, AWeakPlanSpreadsAPointOverTheTarget) {
  const auto source = gaussian(at::zeros({1}), 1e-8 * at::eye(1));
  const auto target = gaussian(at::ones({1}), 0.25 * at::eye(1));
  for (const WeakCost& cost : {WeakCost(0.5), WeakCost(KernelWeakOptions{})}) {
    const auto solver = weak_solver(cost);
    Problem problem = make_problem(source, target, 3);
    run(*solver, problem, 1200);
    const Tensor plan = solver->solution().map->transport(at::zeros({4000, 1}));
    EXPECT_NEAR(plan.mean().item<double>(), 1, 0.1) << cost.exponent();
    EXPECT_NEAR(plan.std().item<double>(), 0.5, 0.12) << cost.exponent();
  }
}

/// The optimal gamma-weak plan of N(m, sigma²) to N(n, omega²) in one dimension: b(x) = n + s /
/// sigma (x - m) with noise of variance omega² - s², s = min(sigma / gamma, omega), since the cost
/// is ½ gamma E |b - x / gamma|² and terms without b.
struct WeakGaussian {
  double gamma, mean, deviation;  // of a standard normal source's target
  double slope() const { return std::min(1 / gamma, deviation); }
  double spread() const { return deviation * deviation - slope() * slope(); }
};

TEST(SaddlePoint, WeakGaussianPlansAreThoseOfTheClosedForm) {
  for (const WeakGaussian& truth :
       {WeakGaussian{1, 0.5, 1.6}, WeakGaussian{1, 0.5, 0.5}, WeakGaussian{0.6, 0, 2.4}}) {
    const auto measured = [&](std::int64_t steps) {
      const auto solver = weak_solver(truth.gamma);
      Problem problem = make_problem(
          gaussian(at::zeros({1}), at::eye(1)),
          gaussian(at::full({1}, truth.mean), truth.deviation * truth.deviation * at::eye(1)), 3);
      run(*solver, problem, steps);
      const Tensor x = at::linspace(-2, 2, 81).repeat_interleave(200).unsqueeze(1);
      const Tensor plan = solver->solution().map->transport(x);
      const double slope = (x * plan).mean().item<double>() / x.square().mean().item<double>();
      const double offset = plan.mean().item<double>();
      return std::array{slope, offset, (plan - offset - slope * x).square().mean().item<double>()};
    };
    const std::string where = fmt::format("gamma {} deviation {}", truth.gamma, truth.deviation);
    const auto [slope, offset, spread] = measured(2000);
    EXPECT_NEAR(slope, truth.slope(), 0.15 * truth.slope()) << where;
    EXPECT_NEAR(offset, truth.mean, 0.1) << where;
    EXPECT_NEAR(spread, truth.spread(), 0.25 * (truth.spread() + 0.1)) << where;
    const auto untrained = measured(0);
    EXPECT_GT(std::abs(untrained[0] - truth.slope()), 0.3 * truth.slope()) << where;
  }
}

TEST(SaddlePoint, GammaRisesWithTheStepsOfThePotential) {
  const auto after = [](const WeakCost& cost, std::int64_t steps) {
    const auto solver = weak_solver(cost);
    Problem problem =
        make_problem(gaussian(at::zeros({1}), at::eye(1)), gaussian(at::ones({1}), at::eye(1)), 3);
    run(*solver, problem, steps);
    return solver->state();
  };
  const WeakCost rising(WeakQuadraticOptions{.gamma = 1, .gamma_steps = 4});
  const auto equal = [](const State& a, const State& b) {
    return std::ranges::all_of(
        a, [&](const auto& one) { return at::equal(one.second, b.at(one.first)); });
  };
  EXPECT_TRUE(equal(after(rising, 1), after(0.0, 1)));
  EXPECT_FALSE(equal(after(rising, 2), after(0.0, 2)));
  EXPECT_FALSE(equal(after(rising, 2), after(1.0, 2)));
}

TEST(SaddlePoint, ARestoredSolverGoesOnWithTheSameNumbers) {
  const Truth truth;
  const std::vector<std::pair<SaddlePointOptions, WeakCost>> choices{
      {{.batch = 16}, 0.0},
      {{.noise_dimension = 1, .batch = 16}, 0.5},
      {{.noise_dimension = 1, .batch = 16},
       WeakCost(WeakQuadraticOptions{.gamma = 1, .gamma_steps = 8})},
      {{.noise_dimension = 1, .batch = 16}, WeakCost(KernelWeakOptions{})},
      {{.map = "gradient", .batch = 16, .expectile_weight = 1, .bidirectional = true}, 0.0}};
  std::uint64_t seed = 5;
  for (const auto& [options, cost] : choices) {
    const auto made = [&] {
      Random random(seed++, "network");
      return SaddlePoint(2, options, cost, MlpOptions{.hidden = {8, 8}}, random);
    };
    SaddlePoint first = made();
    Problem problem = make_problem(truth.source, truth.target, 3);
    Random random(7, "start");
    first.start(problem, random);
    run(first, problem, 5);
    SaddlePoint second = made();
    State copy;
    for (const auto& [name, tensor] : first.state()) copy[name] = tensor.detach().clone();
    second.restore(copy);
    Problem other = make_problem(truth.source, truth.target, 4);
    other.restore(problem.state());
    run(first, problem, 5);
    run(second, other, 5);
    for (const auto& [name, tensor] : first.state())
      EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
    copy.erase("map_adam.steps");
    EXPECT_THROW(second.restore(copy), Error);
  }
}

TEST(SaddlePoint, RefusesPartsThatDoNotFit) {
  const auto refusal = [](const SaddlePointOptions& options, const WeakCost& cost, bool icnn) {
    return error_text([&] {
      Random random(1, "network");
      if (icnn)
        SaddlePoint(2, options, cost, DenseIcnnOptions{.hidden = {8}}, random);
      else
        SaddlePoint(2, options, cost, MlpOptions{.hidden = {8}}, random);
    });
  };
  const auto names = [&](const SaddlePointOptions& options, bool icnn, const char* option) {
    EXPECT_NE(refusal(options, 0, icnn).find(option), std::string::npos) << option;
  };
  names({.convexity = "penalty"}, false, "solver.convexity");
  names({.map = "network", .convexity = "penalty"}, true, "solver.convexity");
  names({.noise_dimension = 1, .expectile_weight = 1}, false, "solver.expectile_weight");
  names({.device = "cuda"}, false, "solver.device");
  names({.precision = "bfloat16"}, false, "solver.precision");
  names({.bidirectional = true}, false, "solver.bidirectional");
  names({.noise_dimension = 1, .start = "affine"}, false, "solver.start");
  names({.map = "gradient", .start = "affine"}, false, "solver.start");
  names({.convexity = "penalty", .bidirectional = true}, true, "solver.bidirectional");
  EXPECT_NE(refusal({.noise_dimension = 1}, 0, true).find("noise_dimension"), std::string::npos);
  EXPECT_NE(refusal({}, 1, true).find("weak"), std::string::npos);
  const WeakCost distances(KernelWeakOptions{.gamma = 0});
  EXPECT_EQ(refusal({.start = "affine"}, distances, false),
            "solver.start: expected identity, since the cost is not the quadratic one, got affine");
  EXPECT_NE(refusal({}, distances, true).find("cost.exponent"), std::string::npos);
  EXPECT_NE(refusal({.map = "gradient"}, distances, false).find("cost.exponent"),
            std::string::npos);
  EXPECT_NE(refusal({}, 1, false).find("noise_dimension"), std::string::npos);
  EXPECT_NE(refusal({.noise_dimension = 1, .noise_samples = 1}, 1, false).find("noise_samples"),
            std::string::npos);
}

}  // namespace
}  // namespace monge
