#include "monge/networks/noised_mlp.h"

#include "monge/affine.h"
#include "monge/check_gradients.h"
#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/metric.h"
#include "monge/solvers/saddle_point.h"

#include "error_text.h"
#include "solvers/saddle_point_step.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

std::shared_ptr<const Measure> gaussian(double mean, double deviation, std::int64_t d = 2) {
  const auto m = at::full({d}, mean, at::kDouble);
  return std::make_shared<GaussianMeasure>(
      Moments{m, deviation * deviation * at::eye(d, at::kDouble)});
}

NoisedMlp network_of(const NoisedMlpOptions& options, std::int64_t d,
                     at::ScalarType dtype = at::kFloat) {
  Random random(1, "network");
  return NoisedMlp(d, options, random, dtype);
}

void measure(const NoisedMlp& network, const Measure& points) {
  Random random(2, "points");
  network.levels().measure(points, random);
}

const NoisedMlpOptions smooth{.hidden = {13, 8}, .activation = "silu"};

TEST(NoisedMlp, GradientsAreThoseOfItsValues) {
  for (const char* unit : {"data", "target"}) {
    NoisedMlpOptions options = smooth;
    options.unit = unit;
    const NoisedMlp network = network_of(options, 3, at::kDouble);
    measure(network, *gaussian(1, 2, 3));
    Random random(3, "points");
    const Tensor x = random.normal({6, 3}).to(at::kDouble);
    EXPECT_LT(check_gradients(network, x, random).largest(), 1e-5);
    const Tensor sigma = at::tensor({0.02, 0.1, 0.7, 2.0, 15.0, 100.0}, at::kDouble);
    const Tensor v = random.normal({6, 3}).to(at::kDouble);
    constexpr double step = 1e-5;
    const Tensor difference = (network.value(x + step * v, sigma, Graph::none) -
                               network.value(x - step * v, sigma, Graph::none)) /
                              (2 * step);
    for (const Graph graph : {Graph::none, Graph::create}) {
      const auto [value, gradient] = network.value_and_gradient(x, sigma, graph);
      EXPECT_TRUE(at::allclose((gradient * v).sum(1), difference, 1e-6, 1e-8)) << unit;
      EXPECT_TRUE(at::allclose(value, network.value(x, sigma, Graph::none)));
      EXPECT_EQ(value.requires_grad(), graph == Graph::create);
    }
  }
}

TEST(NoisedMlp, IsTheSameFunctionInAnyUnitOfTheData) {
  NoisedMlpOptions options = smooth;
  options.unit = "target";
  const NoisedMlp small = network_of(options, 2), large = network_of(options, 2);
  measure(small, *gaussian(0, 1));
  measure(large, *gaussian(7, 30));  // the same sample times 30, plus 7
  Random random(3, "points");
  const Tensor x = random.normal({5, 2}), sigma = at::tensor({0.02, 0.3, 1.0, 9.0, 100.0});
  EXPECT_TRUE(at::allclose(large.value(30 * x + 7, sigma, Graph::none),
                           900 * small.value(x, sigma, Graph::none), 1e-3, 0.02));
}

/// What EDM wants of its input scaling.
TEST(NoiseLevels, NoisyPointsHaveUnitVarianceAtEveryLevel) {
  for (const char* unit : {"data", "target"}) {
    NoisedMlpOptions options = smooth;
    options.unit = unit;
    const NoiseLevels levels(2, options);
    const auto points = gaussian(3, 5);
    Random random(4, "points");
    levels.measure(*points, random);
    constexpr std::int64_t n = 40000;
    const Tensor x = points->sample(n, random);
    for (const float sigma : {0.02f, 1.0f, 5.0f, 100.0f}) {
      const NoiseLevels::Level level = levels.at(sigma);
      EXPECT_NEAR(level.noise / sigma, options.unit == "data" ? 1 : 5, 0.3);
      const Tensor seen =
          levels.points(x + level.noise * random.normal({n, 2}), at::full({n}, sigma));
      EXPECT_NEAR(seen.var(0).mean().item<double>(), 1, 0.05) << sigma;
      EXPECT_NEAR(seen.mean().item<double>(), 0, 0.05) << sigma;
    }
  }
}

TEST(NoiseLevels, LevelsAreLogUniformOnePointInEachPart) {
  const NoiseLevels levels(2, smooth);
  Random random(5, "noise");
  constexpr std::int64_t n = 5000;
  const Tensor drawn = levels.draw(n, random), again = levels.draw(n, random);
  EXPECT_FALSE(at::equal(drawn, again));
  const Tensor sigma = drawn.select(1, 2).to(at::kDouble);
  const Tensor part =
      ((sigma / 0.02).log() / std::log(100 / 0.02) * n).floor().clamp(0, n - 1).to(at::kLong);
  // float32 logarithms move a point by up to a hundredth of a part
  EXPECT_LE((part - at::arange(n)).abs().max().item<std::int64_t>(), 1);
  EXPECT_GT((part == at::arange(n)).to(at::kDouble).mean().item<double>(), 0.95);
  const Tensor normal = drawn.narrow(1, 0, 2);
  EXPECT_NEAR(normal.mean().item<double>(), 0, 0.05);  // 5 standard errors
  EXPECT_NEAR(normal.var().item<double>(), 1, 0.07);
}

TEST(NoiseLevels, WeightsAreThoseOfTheirNames) {
  const auto weight = [](const char* name, float sigma) {
    NoisedMlpOptions options = smooth;
    options.weight = name;
    return NoiseLevels(1, options).at(sigma).weight;  // s = 1
  };
  EXPECT_FLOAT_EQ(weight("flat", 3), 1);
  EXPECT_FLOAT_EQ(weight("signal", 3) / weight("signal", 1), 0.2f);
  EXPECT_FLOAT_EQ(weight("edm", 0.5f) / weight("edm", 1), 2.5f);
  for (const char* name : {"flat", "signal", "edm"}) {
    double sum = 0;
    constexpr int parts = 10000;
    for (int i = 0; i < parts; ++i)
      sum += weight(name, static_cast<float>(0.02 * std::pow(5000, (i + 0.5) / parts)));
    EXPECT_NEAR(sum / parts, 1, 1e-3) << name;
  }
}

/// SaddlePointStep with levels against the objectives as their formulas read.
TEST(NoisedStep, TermsAndDerivativesAreThoseOfThePlainObjectives) {
  for (const auto& [d, weight] : {std::pair{std::int64_t{2}, "signal"}, {9, "edm"}, {3, "flat"}})
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{7}, std::int64_t{150}}) {
      NoisedMlpOptions options = smooth;
      options.weight = weight;
      options.sigma_min = 0.3;
      const NoisedMlp f = network_of(options, d);
      Random random(6, "network");
      const Mlp map(d, d, {.hidden = {11, 7}, .activation = "silu"}, random);
      SaddlePointStep step({.dimension = d, .level_numbers = d + 1}, 32, passes_of(f),
                           map_passes(map, true));
      measure(f, *gaussian(0.4, 1.5, d));  // after the passes are made, as in a run
      const Tensor x = random.normal({n, d}), y = random.normal({n, d}) * 0.7;
      const Tensor drawn = f.levels().draw(n, random);
      const Tensor noise = drawn.narrow(1, 0, d), sigma = drawn.select(1, d);
      Tensor share = at::empty({n});
      for (std::int64_t i = 0; i < n; ++i) share[i] = f.levels().at(sigma[i].item<float>()).weight;
      share /= f.levels().deviation() * f.levels().deviation();  // which f has already
      const auto seen = [&](const Tensor& points) {
        const Tensor noisy = points + sigma.unsqueeze(1) * noise;
        return (share * f.value(noisy, sigma, Graph::create)).mean();
      };
      const Tensor mapped = x + map.forward(x, Graph::create);
      const Tensor cost = 0.5 * (x - mapped).square().sum(1).mean();
      // Errors are to those of one side, since the noise that both share cancels in the difference.
      const auto expect = [&](const std::vector<Tensor>& fused, const Tensor& objective,
                              const Tensor& side, const State& parameters) {
        std::vector<Tensor> inputs;
        for (const auto& [name, parameter] : parameters) inputs.push_back(parameter);
        const auto plain = torch::autograd::grad({objective}, inputs, {}, true, false, true);
        double size = 0;
        for (const Tensor& one : torch::autograd::grad({side}, inputs, {}, true, false, true))
          if (one.defined()) size = std::max(size, one.abs().max().item<double>());
        for (std::size_t i = 0; i < plain.size(); ++i) {
          const Tensor expected = plain[i].defined() ? plain[i] : at::zeros_like(inputs[i]);
          EXPECT_LE((fused[i] - expected).abs().max().item<double>(), 1e-4 * size) << d << " " << n;
        }
      };
      for (int run = 0; run < 2; ++run) {
        const SaddlePointTerms first = step.for_map(x, {}, drawn);
        expect(step.map_derivatives(), cost - seen(mapped), cost, map.parameters());
        const SaddlePointTerms second = step.for_potential(x, {}, y, drawn);
        expect(step.potential_derivatives(), seen(mapped.detach()) - seen(y), seen(y),
               f.parameters());
        for (const SaddlePointTerms& terms : {first, second}) {
          EXPECT_NEAR(terms.cost, cost.item<double>(), 1e-4 * (1 + terms.cost));
          EXPECT_NEAR(terms.mapped, seen(mapped).item<double>(),
                      1e-4 * (1 + std::abs(terms.mapped)));
        }
        EXPECT_NEAR(second.target, seen(y).item<double>(), 1e-4 * (1 + std::abs(second.target)));
      }
    }
}

struct Truth {
  std::shared_ptr<const Measure> source = std::make_shared<GaussianMeasure>(Moments{
      at::zeros({2}, at::kDouble), at::tensor({1.0, 0.0, 0.0, 0.5}, at::kDouble).view({2, 2})});
  std::shared_ptr<const Measure> target = std::make_shared<GaussianMeasure>(
      Moments{at::tensor({0.5, -0.3}, at::kDouble),
              at::tensor({0.7, 0.3, 0.3, 1.8}, at::kDouble).view({2, 2})});

  double error(const TransportMap& map) const {
    Random random(33, "points");
    const Tensor x = source->sample(2000, random);
    const AffineMap truth = bures_wasserstein_map(*source->moments(), *target->moments());
    return l2_uvp(map.transport(x), AffineTransportMap(truth).transport(x),
                  target->moments()->covariance.trace().item<double>());
  }
};

SaddlePoint solver_of(const SaddlePointOptions& options, const NoisedMlpOptions& network,
                      std::uint64_t seed = 1) {
  Random random(seed, "network");
  return SaddlePoint(2, options, 0.0, network, random);
}

void run(SaddlePoint& solver, Problem& problem, std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step) {
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    ASSERT_TRUE(solver.step(problem, 1 - share).finite);
  }
}

TEST(NoisedNot, LearnsAGaussianMapAndNothingWithoutUpdates) {
  const Truth truth;
  for (const char* weight : {"signal", "flat", "edm"}) {
    const auto learned = [&](double learning_rate, std::int64_t steps) {
      SaddlePoint solver = solver_of({.residual = true,
                                      .inner_steps = 4,
                                      .batch = 128,
                                      .learning_rate = learning_rate,
                                      .average = 0.98},
                                     {{.unit = "target", .weight = weight}, {32, 32}});
      Problem problem = make_problem(truth.source, truth.target, 3);
      Random random(1, "start");
      solver.start(problem, random);
      run(solver, problem, steps);
      return truth.error(*solver.solution().map);
    };
    EXPECT_LT(learned(2e-3, 800), 4) << weight;
    EXPECT_GT(learned(1e-12, 20), 8) << weight;
  }
}

TEST(NoisedNot, ARestoredSolverGoesOnWithTheSameNumbers) {
  const Truth truth;
  const auto made = [&](std::uint64_t seed) {
    return solver_of({.batch = 16}, {{.unit = "target"}, {8, 8}}, seed);
  };
  SaddlePoint first = made(1), second = made(2);
  Problem problem = make_problem(truth.source, truth.target, 3);
  Random random(7, "start");
  first.start(problem, random);
  run(first, problem, 5);
  State copy;
  for (const auto& [name, tensor] : first.state()) copy[name] = tensor.detach().clone();
  second.restore(copy);
  Problem other = make_problem(truth.source, truth.target, 4);
  other.restore(problem.state());
  run(first, problem, 5);
  run(second, other, 5);
  for (const auto& [name, tensor] : first.state())
    EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
  copy.erase("statistics.mean");
  EXPECT_THROW(second.restore(copy), Error);
}

TEST(NoisedNot, RefusesPartsThatDoNotFit) {
  const auto refusal = [](const SaddlePointOptions& options, const WeakCost& cost,
                          const NoisedMlpOptions& network) {
    return error_text([&] {
      Random random(1, "network");
      SaddlePoint(2, options, cost, network, random);
    });
  };
  expect_message(refusal({}, 0.0, {{.sigma_min = 2, .sigma_max = 1}}),
                 "network.sigma_min: expected at most sigma_max = 1, got 2");
  expect_message(refusal({}, 0.0, {{.embedding = 5}}), "network.embedding");
  expect_message(refusal({.noise_dimension = 1}, 0.5, {}), "cost: expected a strong one");
  expect_message(refusal({.noise_dimension = 1}, 0.0, {}), "solver.noise_dimension: expected 0");
  expect_message(refusal({.map = "gradient"}, 0.0, {}), "solver.map: expected network");
  expect_message(refusal({.expectile_weight = 1}, 0.0, {}), "solver.expectile_weight: expected 0");
  expect_message(
      error_text([] { measure(network_of(smooth, 2), ArrayMeasure(at::ones({10, 2}))); }),
      "target: expected points that differ");
  const NoisedMlp network = network_of(smooth, 2);
  expect_message(error_text([&] { network.value(at::zeros({4, 3}), at::ones({4}), Graph::none); }),
                 "points [n, 2]");
  expect_message(error_text([&] { network.value(at::zeros({4, 2}), at::ones({3}), Graph::none); }),
                 "noise levels [4]");
}

}  // namespace
}  // namespace monge
