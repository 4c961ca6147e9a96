#include "monge/solvers/saddle_point.h"

#include "monge/cost.h"
#include "monge/error.h"
#include "monge/measures/gaussian.h"
#include "monge/metric.h"

#include "error_text.h"
#include "kernel_fixture.h"
#include "solvers/saddle_point_step.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

/// Which parts a step is made of.
struct Case {
  std::string name;
  bool icnn_potential, icnn_map;
  std::int64_t dimension, noise_dimension, samples;
  double gamma;
  bool residual;
  bool gradient = false;  // of a perceptron
  double expectile_weight = 0;
  double exponent = 2;
  WeakCost cost() const {
    return WeakCost(KernelWeakOptions{.gamma = gamma, .exponent = exponent});
  }
};

const std::vector<Case> cases{
    {"MM-2", true, true, 3, 0, 1, 0, false},
    {"MM-2 in more dimensions", true, true, 11, 0, 1, 0, false},
    {"MM-B", true, false, 3, 0, 1, 0, true},
    {"strong", false, false, 2, 0, 1, 0, false},
    {"strong with noise", false, false, 9, 2, 3, 0, true},
    {"weak", false, false, 2, 1, 4, 0.6, false},
    {"kernel", false, false, 2, 1, 4, 0.6, true, false, 0, 1},
    {"kernel, more samples", false, false, 9, 2, 3, 1, false, false, 0, 1.3},
    {"strong, of distances", false, false, 3, 0, 1, 0, true, false, 0, 1},
    {"gradient of a perceptron", false, false, 3, 0, 1, 0, false, true},
    {"expectile, free map", false, false, 2, 0, 1, 0, true, false, 0.4},
    {"expectile, of distances", false, false, 2, 0, 1, 0, true, false, 0.4, 1.5},
    {"expectile, gradient", false, false, 9, 0, 1, 0, false, true, 0.7},
    {"expectile, input-convex", true, true, 3, 0, 1, 0, false, false, 0.7},
};

struct Parts {
  std::shared_ptr<DenseIcnn> icnn_potential, icnn_map;
  std::shared_ptr<MlpPotential> mlp_potential, gradient_map;
  std::shared_ptr<Mlp> mlp_map;
  const Potential& potential() const {
    return icnn_potential ? static_cast<const Potential&>(*icnn_potential) : *mlp_potential;
  }
  State map_parameters() const {
    if (gradient_map) return gradient_map->parameters();
    return icnn_map ? icnn_map->parameters() : mlp_map->parameters();
  }
};

Parts parts_of(const Case& one) {
  Random random(31, "network");
  const DenseIcnnOptions icnn{.rank = 2, .hidden = {24, 17, 9}, .input_scale = 1};
  const MlpOptions mlp{.hidden = {21, 16}, .activation = "silu"};
  const auto convex = [&] {
    return std::make_shared<DenseIcnn>(one.dimension, icnn, DenseIcnn::Initial::paper, random);
  };
  Parts parts;
  if (one.icnn_potential)
    parts.icnn_potential = convex();
  else
    parts.mlp_potential = std::make_shared<MlpPotential>(one.dimension, mlp, random);
  if (one.icnn_map)
    parts.icnn_map = convex();
  else if (one.gradient)
    parts.gradient_map = std::make_shared<MlpPotential>(one.dimension, mlp, random);
  else
    parts.mlp_map =
        std::make_shared<Mlp>(one.dimension + one.noise_dimension, one.dimension, mlp, random);
  return parts;
}

std::unique_ptr<SaddlePointStep> step_of(const Case& one, const Parts& parts) {
  const auto map = [&] {
    if (parts.icnn_map) return gradient_passes(*parts.icnn_map);
    if (parts.gradient_map) return descent_passes(*parts.gradient_map);
    return map_passes(*parts.mlp_map, one.residual);
  };
  return std::make_unique<SaddlePointStep>(
      SaddlePointObjective{one.dimension, one.noise_dimension, one.samples, one.gamma, one.exponent,
                           one.icnn_potential, one.expectile_weight, 0.9},
      32, parts.icnn_potential ? passes_of(*parts.icnn_potential) : passes_of(*parts.mlp_potential),
      map());
}

/// T at every x with each of its noise samples, with a graph: [n k, d].
Tensor mapped(const Case& one, const Parts& parts, const Tensor& x, const Tensor& z) {
  if (parts.icnn_map) return parts.icnn_map->gradient(x, Graph::create);
  if (parts.gradient_map) return x - parts.gradient_map->gradient(x, Graph::create);
  const Tensor repeated = x.repeat_interleave(one.samples, 0);
  const Tensor input = z.defined() ? at::cat({repeated, z}, 1) : repeated;
  const Tensor moved = parts.mlp_map->forward(input, Graph::create);
  return one.residual ? moved + repeated : moved;
}

/// The objectives as their formulas read.
struct Plain {
  Tensor for_map, for_potential;
  SaddlePointTerms terms;
};

Plain plain_objectives(const Case& one, const Parts& parts, const Tensor& x, const Tensor& z,
                       const Tensor& y) {
  const std::int64_t n = x.size(0), d = one.dimension;
  const double sign = one.icnn_potential ? -1 : 1;
  const Tensor points = mapped(one, parts, x, z);
  const Tensor cost = one.icnn_potential
                          ? -(x * points).sum(1).mean()
                          : one.cost().estimate(x, points.view({n, one.samples, d})).mean();
  const Tensor at_mapped = parts.potential().value(points, Graph::create);
  const Tensor at_target = parts.potential().value(y, Graph::create);
  const auto between = [&](const Tensor& to) {
    return one.icnn_potential ? -(x * to).sum(1)
                              : WeakCost(KernelWeakOptions{.gamma = 0, .exponent = one.exponent})
                                    .estimate(x, to.unsqueeze(1));
  };
  Tensor excess = at::zeros({});
  if (one.expectile_weight > 0) {
    const Tensor u = between(points.detach()) -
                     sign * parts.potential().value(points.detach(), Graph::create) +
                     sign * at_target - between(y);
    excess = (at::where(u < 0, at::full_like(u, 0.1), at::full_like(u, 0.9)) * u.square()).mean();
  }
  return {cost - sign * at_mapped.mean(),
          sign * (at_mapped.mean() - at_target.mean()) + one.expectile_weight * excess,
          {cost.item<double>(), at_mapped.mean().item<double>(), at_target.mean().item<double>(),
           excess.item<double>()}};
}

// As saddle_point_step.h states.
constexpr double step_tolerance = 3e-4, term_tolerance = 1e-4;

void expect_derivatives(const std::vector<Tensor>& fused, const Tensor& objective,
                        const State& parameters, const std::string& where) {
  std::vector<Tensor> inputs;
  for (const auto& [name, parameter] : parameters) inputs.push_back(parameter);
  const auto plain = torch::autograd::grad({objective}, inputs, {}, true, false, true);
  double size = 0;  // of the largest derivative: some are exactly 0, being differences of two means
  for (const Tensor& derivative : plain)
    if (derivative.defined()) size = std::max(size, derivative.abs().max().item<double>());
  std::size_t i = 0;
  for (const auto& [name, parameter] : parameters) {
    const Tensor expected = plain[i].defined() ? plain[i] : at::zeros_like(parameter);
    EXPECT_LE((fused[i++] - expected).abs().max().item<double>(), step_tolerance * size)
        << where << " " << name;
  }
}

void expect_term(double fused, double plain, const std::string& where) {
  EXPECT_NEAR(fused, plain, term_tolerance * (1 + std::abs(plain))) << where;
}

TEST(SaddlePointStep, TermsAndDerivativesAreThoseOfThePlainObjectives) {
  for (const Case& one : cases)
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{7}, std::int64_t{150}}) {
      const Parts parts = parts_of(one);
      Random random(32, "points");
      const Tensor x = random.normal({n, one.dimension});
      const std::int64_t m = one.expectile_weight > 0 ? n : n + 5;
      const Tensor y = random.normal({m, one.dimension}) * 0.7;
      const Tensor z = one.noise_dimension > 0
                           ? random.normal({n * one.samples, one.noise_dimension})
                           : Tensor();
      const Plain plain = plain_objectives(one, parts, x, z, y);
      const auto step = step_of(one, parts);
      const std::string where = fmt::format("{} n={}", one.name, n);
      for (const int threads : {1, 1, 2}) {  // the second finds what the first has left
        const SaddlePointTerms first = on_threads(threads, [&] { return step->for_map(x, z); });
        expect_derivatives(step->map_derivatives(), plain.for_map, parts.map_parameters(),
                           where + " map");
        const SaddlePointTerms second =
            on_threads(threads, [&] { return step->for_potential(x, z, y); });
        expect_derivatives(step->potential_derivatives(), plain.for_potential,
                           parts.potential().parameters(), where + " potential");
        for (const SaddlePointTerms& terms : {first, second}) {
          expect_term(terms.cost, plain.terms.cost, where);
          expect_term(terms.mapped, plain.terms.mapped, where);
        }
        expect_term(second.target, plain.terms.target, where);
        expect_term(second.excess, plain.terms.excess, where);
      }
    }
}

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
