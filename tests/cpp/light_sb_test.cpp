#include "monge/solvers/light_sb.h"

#include "monge/error.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/gaussian_mixture.h"
#include "monge/metric.h"

#include "error_text.h"
#include "solvers/light_sb_step.h"

#include <torch/csrc/autograd/autograd.h>

#include <numbers>

namespace monge {
namespace {

struct Shape {
  std::int64_t components, dimension, sources, targets;
};

/// E log c(X) - E log v(Y) as the formulas read, one exponential and one density a component.
Tensor plain_objective(const PlanMixture& mixture, const Tensor& x, const Tensor& y,
                       double epsilon) {
  const Tensor spreads = mixture.log_spreads.exp(), log_alpha = mixture.heights / epsilon;
  const Tensor from = x.unsqueeze(1), to = y.unsqueeze(1);
  const Tensor exponents =
      log_alpha + (spreads * from.square() + 2 * mixture.centres * from).sum(2) / (2 * epsilon);
  const Tensor densities = -0.5 * ((to - mixture.centres).square() / (epsilon * spreads) +
                                   (2 * std::numbers::pi * epsilon * spreads).log())
                                      .sum(2);
  return exponents.logsumexp(1).mean() - (log_alpha + densities).logsumexp(1).mean();
}

TEST(LightSbStep, ValueAndDerivativesAreThoseOfThePlainObjective) {
  const std::vector<Shape> shapes{
      {1, 1, 1, 1}, {1, 3, 7, 5}, {5, 2, 150, 129}, {50, 7, 300, 64}, {3, 11, 33, 517}};
  for (const auto& [components, d, n, m] : shapes)
    for (const double epsilon : {0.02, 1.5}) {
      Random random(61, "mixture");
      const auto normal = [&](at::IntArrayRef shape) {
        return random.normal(shape).to(at::kDouble).requires_grad_();
      };
      const PlanMixture mixture{normal({components}), normal({components, d}),
                                normal({components, d})};
      const Tensor x = random.normal({n, d}), y = 0.7 * random.normal({m, d});
      const Tensor plain = plain_objective(mixture, x.to(at::kDouble), y.to(at::kDouble), epsilon);
      std::vector<Tensor> inputs;
      for (const auto& [name, tensor] : mixture.state()) inputs.push_back(tensor);
      const auto expected = torch::autograd::grad({plain}, inputs);
      const std::string where = fmt::format("K={} d={} n={} m={}", components, d, n, m);
      LightSbStep step(mixture);
      for (int run = 0; run < 2; ++run) {  // the second finds what the first has left
        const LightSbTerms terms = step.run(x, y, epsilon);
        const double value = plain.item<double>();
        EXPECT_NEAR(terms.log_c - terms.log_v, value, 1e-10 * (1 + std::abs(value))) << where;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          const double size = expected[i].abs().max().item<double>();
          EXPECT_LE((step.derivatives()[i] - expected[i]).abs().max().item<double>(),
                    1e-10 * (1 + size))
              << where << " parameter " << i;
        }
      }
    }
}

std::shared_ptr<const Measure> gaussian(const Tensor& mean, const Tensor& covariance) {
  return std::make_shared<GaussianMeasure>(
      Moments{mean.to(at::kDouble), covariance.to(at::kDouble)});
}

Tensor root_of(const Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return at::matmul(vectors * values.sqrt(), vectors.t());
}

/// Entropic transport between Gaussians (Janati et al. 2020, theorem 1, for the cost ½|x - y|²):
/// the covariance of X and Y is A^½ (A^½ B A^½ + ε²/4)^½ A^-½ - ε/2.
struct GaussianTruth {
  double epsilon;
  Tensor source_mean, source_covariance, target_mean, target_covariance;

  static GaussianTruth of(std::int64_t d, double epsilon) {
    Random random(62, "moments");
    const auto covariance = [&] {
      const Tensor factor = random.normal({d, d}).to(at::kDouble);
      return factor.mm(factor.t()) / static_cast<double>(d) + 0.3 * at::eye(d, at::kDouble);
    };
    const Tensor a = covariance(), b = 2 * covariance();
    return {epsilon, random.normal({d}).to(at::kDouble), a, random.normal({d}).to(at::kDouble), b};
  }

  Tensor cross() const {
    const Tensor& a = source_covariance;
    const Tensor unit = at::eye(a.size(0), at::kDouble), half = root_of(a);
    const Tensor middle = half.mm(target_covariance).mm(half) + epsilon * epsilon / 4 * unit;
    return half.mm(root_of(middle)).mm(at::linalg_inv(half)) - epsilon / 2 * unit;
  }
  Tensor slope() const { return cross().t().mm(at::linalg_inv(source_covariance)); }
  Tensor conditional() const { return target_covariance - slope().mm(cross()); }

  Tensor mean_at(const Tensor& x) const { return target_mean + (x - source_mean).mm(slope().t()); }

  /// KL(π* | π) from samples of π*, about 1 / √n of its own size wrong.
  double divergence(const MixturePlan& plan) const {
    constexpr std::int64_t n = 20000;
    const std::int64_t d = source_mean.size(0);
    Random random(63, "plan");
    const Tensor x =
        source_mean + random.normal({n, d}).to(at::kDouble).mm(root_of(source_covariance));
    const Tensor z = random.normal({n, d}).to(at::kDouble);
    const Tensor y = mean_at(x) + z.mm(root_of(conditional()));
    const Tensor truth =
        -0.5 *
        (z.square().sum(1) + std::get<1>(at::linalg_slogdet(2 * std::numbers::pi * conditional())));
    return (truth - plan.log_density(x, y)).mean().item<double>();
  }

  Problem problem() const {
    return make_problem(gaussian(source_mean, source_covariance),
                        gaussian(target_mean, target_covariance), 3);
  }
};

/// Of an entropic plan the precision of (X, Y) has -1/ε off its diagonal, whatever the marginals.
TEST(GaussianTruth, IsAnEntropicPlan) {
  const GaussianTruth truth = GaussianTruth::of(3, 0.7);
  const Tensor whole = at::cat({at::cat({truth.source_covariance, truth.cross()}, 1),
                                at::cat({truth.cross().t(), truth.target_covariance}, 1)});
  const Tensor block = at::linalg_inv(whole).narrow(0, 0, 3).narrow(1, 3, 3);
  EXPECT_TRUE(at::allclose(block, -at::eye(3, at::kDouble) / 0.7, 1e-8, 1e-8));
}

void run(LightSb& solver, Problem& problem, std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step) {
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    ASSERT_TRUE(solver.step(problem, 1 - share).finite);
  }
}

/// In the affine frame one component is the plan between any two Gaussians.
TEST(LightSb, OneComponentIsThePlanBetweenGaussians) {
  for (const std::int64_t d : {std::int64_t{1}, std::int64_t{3}}) {
    const GaussianTruth truth = GaussianTruth::of(d, 0.7);
    LightSb solver(d, {.components = 1,
                       .epsilon = truth.epsilon,
                       .frame = "affine",
                       .start = "samples",
                       .batch = 512,
                       .learning_rate = 2e-2});
    Problem problem = truth.problem();
    Random random(7, "start");
    solver.start(problem, random);
    EXPECT_GT(truth.divergence(*solver.plan()), 0.3) << d;
    run(solver, problem, 800);
    EXPECT_LT(truth.divergence(*solver.plan()), 0.005) << d;
    const Tensor x = at::ones({1, d}, at::kDouble);
    EXPECT_TRUE(at::allclose(solver.plan()->barycentric(x), truth.mean_at(x), 0.05, 0.05)) << d;
  }
}

TEST(LightSb, StartsAtThePlanBetweenGaussians) {
  const GaussianTruth truth = GaussianTruth::of(3, 0.7);
  LightSb solver(3, {.components = 1, .epsilon = truth.epsilon, .frame = "affine"});
  Random random(7, "start");
  solver.start(truth.problem(), random);
  EXPECT_LT(truth.divergence(*solver.plan()), 0.01);
}

/// Unequal clusters of unequal shapes around a circle.
std::shared_ptr<const Measure> clusters() {
  const std::int64_t count = 6;
  Random random(64, "clusters");
  const Tensor angles = at::arange(count, at::kDouble) * (2 * std::numbers::pi / count);
  const Tensor spreads =
      0.25 * at::eye(2, at::kDouble) + 0.25 * random.uniform({count, 2, 2}).to(at::kDouble);
  return std::make_shared<GaussianMixture>(3 * at::stack({angles.cos(), angles.sin()}, 1), spreads,
                                           at::arange(1, count + 1, at::kDouble));
}

/// The plan's second marginal against the target, by the energy distance of 2000 points; equal
/// measures stay under the bound but for about one seed in a thousand (its null has the tail of a
/// sum of squares; 20 draws give its mean and deviation).
TEST(LightSb, ThePlanReachesTheTarget) {
  constexpr std::int64_t n = 2000;
  const auto source = gaussian(at::zeros({2}), at::eye(2));
  const auto target = clusters();
  Random random(8, "points");
  const Tensor x = source->sample(n, random), y = target->sample(n, random);
  std::vector<double> null;
  for (int i = 0; i < 20; ++i)
    null.push_back(energy_distance(target->sample(n, random), target->sample(n, random)));
  const Tensor nulls = at::tensor(null, at::kDouble);
  const double bound = (nulls.mean() + 6 * nulls.std()).item<double>();
  for (const char* start : {"samples", "clusters"}) {
    LightSb solver(2, {.components = 20, .epsilon = 0.2, .start = start, .batch = 512});
    Problem problem = make_problem(source, target, 3);
    Random begin(7, "start");
    solver.start(problem, begin);
    const double before = energy_distance(solver.plan()->transport(x), y);
    if (std::string_view(start) == "samples") {
      EXPECT_GT(before, 3 * bound);
    } else {
      EXPECT_LT(before, bound);
    }
    run(solver, problem, 1500);
    const double after = energy_distance(solver.plan()->transport(x), y);
    EXPECT_LT(after, bound) << start;
  }
}

/// At independent points -E log π(Y | X) is the objective up to a constant.
TEST(LightSb, StepsLowerTheObjective) {
  const auto source = gaussian(at::zeros({2}), at::eye(2));
  LightSb solver(2, {.components = 10, .start = "samples", .batch = 256});
  Problem problem = make_problem(source, clusters(), 3);
  Random random(7, "start");
  solver.start(problem, random);
  const auto objective = [&] {
    Random fresh(9, "fresh");
    const Tensor x = source->sample(20000, fresh), y = clusters()->sample(20000, fresh);
    return -solver.plan()->log_density(x, y).mean().item<double>();
  };
  const double before = objective();
  run(solver, problem, 300);
  EXPECT_LT(objective(), before - 0.5);
}

TEST(LightSb, ARestoredSolverGoesOnWithTheSameNumbers) {
  const auto source = gaussian(at::zeros({2}), at::eye(2));
  for (const char* frame : {"scale", "affine"}) {
    const LightSbOptions options{.components = 5, .frame = frame, .batch = 32};
    LightSb first(2, options);
    Problem problem = make_problem(source, clusters(), 3);
    Random random(7, "start");
    first.start(problem, random);
    run(first, problem, 5);
    LightSb second(2, options);
    State copy;
    for (const auto& [name, tensor] : first.state()) copy[name] = tensor.detach().clone();
    second.restore(copy);
    Problem other = make_problem(source, clusters(), 4);
    other.restore(problem.state());
    run(first, problem, 5);
    run(second, other, 5);
    for (const auto& [name, tensor] : first.state())
      EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
    copy.erase("epsilon");
    expect_message(error_text([&] { second.restore(copy); }), "epsilon");
  }
}

/// Points that are few, alike or of very different units start a mixture all the same.
TEST(LightSb, StartsFromUnusualPoints) {
  Random random(65, "points");
  const auto narrow = gaussian(at::zeros({2}), at::tensor({1e-12, 0.0, 0.0, 0.0}).view({2, 2}));
  const auto wide = gaussian(1e3 * at::ones({2}), 1e12 * at::eye(2));
  for (const auto& [source, target] : {std::pair{narrow, wide}, {wide, narrow}, {narrow, narrow}})
    for (const char* frame : {"scale", "affine"}) {
      LightSb solver(2, {.components = 7, .frame = frame, .batch = 16});
      Problem problem = make_problem(source, target, 3);
      solver.start(problem, random);
      run(solver, problem, 3);
      const Tensor moved = solver.plan()->transport(source->sample(10, random));
      EXPECT_TRUE(moved.isfinite().all().item<bool>());
    }
}

TEST(LightSb, TheSolutionIsThePlanOrItsBarycentre) {
  LightSb plan(2, {.components = 3}), barycentric(2, {.components = 3, .map = "barycentric"});
  EXPECT_NE(dynamic_cast<const StochasticMap*>(plan.solution().map.get()), nullptr);
  EXPECT_NE(dynamic_cast<const BarycentricMap*>(barycentric.solution().map.get()), nullptr);
  EXPECT_EQ(plan.solution().inverse, nullptr);
}

TEST(LightSb, RefusesOptionsThatCannotBe) {
  const auto refusal = [](const Table& options) {
    return error_text([&] { light_sb_declaration().read(options, "solver"); });
  };
  expect_message(refusal({{"epsilon", -1.0}}), "solver.epsilon");
  expect_message(refusal({{"components", std::int64_t{0}}}), "solver.components");
  expect_message(refusal({{"start", std::string("random")}}), "clusters | samples");
}

}  // namespace
}  // namespace monge
