#include "monge/discrete.h"

#include "monge/affine.h"
#include "monge/error.h"
#include "monge/measures/gaussian.h"
#include "monge/random.h"

#include "discrete/cost_rows.h"
#include "error_text.h"
#include "kernels/transport_loops.h"

#include <numbers>
#include <numeric>

namespace monge {
namespace {

Tensor normal(std::int64_t n, std::int64_t d, const char* name, std::uint64_t seed = 11) {
  return Random(seed, name).normal({n, d}).to(at::kDouble);
}

Tensor random_weights(std::int64_t n, const char* name, std::uint64_t seed = 11) {
  const Tensor weights = Random(seed, name).uniform({n}).to(at::kDouble) + 0.01;
  return weights / weights.sum();
}

/// The 1-norm, a cost that is not quadratic.
class SumOfGaps final : public Cost {
 public:
  std::string name() const override { return "sum of gaps"; }
  Tensor between(const Tensor& x, const Tensor& y) const override { return (x - y).abs().sum(1); }
  Tensor matrix(const Tensor& x, const Tensor& y) const override { return at::cdist(x, y, 1.0); }
};

double best_permutation(const Tensor& costs) {
  const auto cost = costs.accessor<double, 2>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(costs.size(0)));
  std::iota(order.begin(), order.end(), 0);
  double best = std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
      sum += cost[static_cast<std::int64_t>(i)][order[i]];
    best = std::min(best, sum);
  } while (std::ranges::next_permutation(order).found);
  return best / static_cast<double>(order.size());
}

/// ½ Σ of mass · gap² by the monotone plan on the line.
double monotone_cost(const Tensor& x, const Tensor& a, const Tensor& y, const Tensor& b) {
  const auto [xs, x_order] = x.view({-1}).sort();
  const auto [ys, y_order] = y.view({-1}).sort();
  const Tensor as = a.index_select(0, x_order), bs = b.index_select(0, y_order);
  double cost = 0, left = 0, right = 0;
  std::int64_t i = -1, j = -1;
  while (true) {
    if (left <= 0 && ++i < as.size(0)) left += as[i].item<double>();
    if (right <= 0 && ++j < bs.size(0)) right += bs[j].item<double>();
    if (i == as.size(0) || j == bs.size(0)) return cost;
    const double mass = std::min(left, right), gap = (xs[i] - ys[j]).item<double>();
    cost += 0.5 * mass * gap * gap;
    left -= mass, right -= mass;
    if (left < 1e-15) left = 0;
    if (right < 1e-15) right = 0;
  }
}

/// Marginals, and optimality by the potentials: u + v <= c everywhere, equality on the plan.
void expect_certified(const DiscretePlan& plan, const Tensor& x, const Tensor& y,
                      const DiscreteWeights& weights = {}, const Cost& cost = QuadraticCost()) {
  const std::int64_t n = x.size(0), m = y.size(0);
  const auto marginal = [&](const Tensor& indices, std::int64_t size) {
    return at::zeros({size}, at::kDouble).index_add(0, indices, plan.mass);
  };
  const auto expected = [](const Tensor& given, std::int64_t size) {
    return given.defined() ? given : at::full({size}, 1.0 / static_cast<double>(size), at::kDouble);
  };
  EXPECT_TRUE(plan.mass.gt(0).all().item<bool>());
  EXPECT_LT(plan.mass.size(0), n + m);
  EXPECT_TRUE(at::allclose(marginal(plan.rows, n), expected(weights.source, n), 1e-12, 1e-15));
  EXPECT_TRUE(at::allclose(marginal(plan.columns, m), expected(weights.target, m), 1e-12, 1e-15));

  const Tensor costs = cost.matrix(x, y);
  const double rounding = 1e-12 * (1 + costs.max().item<double>());
  const Tensor reduced =
      costs - plan.source_potential.unsqueeze(1) - plan.target_potential.unsqueeze(0);
  EXPECT_GT(reduced.min().item<double>(), -rounding);
  EXPECT_LT(reduced.index({plan.rows, plan.columns}).abs().max().item<double>(), rounding);
  EXPECT_LT(std::abs(plan.gap), rounding);
}

TEST(DiscreteExact, EqualsTheBestPermutationForAnyCost) {
  for (std::uint64_t seed = 0; seed < 15; ++seed) {
    const Tensor x = normal(7, 3, "x", seed), y = 2 * normal(7, 3, "y", seed) + 1;
    const SumOfGaps gaps;
    EXPECT_NEAR(exact_plan(x, y, gaps).cost, best_permutation(gaps.matrix(x, y)), 1e-11);
    const QuadraticCost quadratic;
    EXPECT_NEAR(exact_plan(x, y, quadratic).cost, best_permutation(quadratic.matrix(x, y)), 1e-11);
  }
}

TEST(DiscreteExact, IsCertifiedForAllSizesDimensionsAndWeights) {
  std::uint64_t seed = 0;
  for (const auto& [n, m] : {std::pair{1, 1}, {1, 7}, {9, 1}, {40, 40}, {30, 300}, {257, 131}})
    for (const std::int64_t d : {1, 2, 8, 9, 30}) {
      const Tensor x = normal(n, d, "x", ++seed), y = 3 * normal(m, d, "y", seed) - 5;
      expect_certified(exact_plan(x, y, QuadraticCost()), x, y);
      const DiscreteWeights weights{random_weights(n, "a", seed), random_weights(m, "b", seed)};
      expect_certified(exact_plan(x, y, QuadraticCost(), weights), x, y, weights);
      expect_certified(exact_plan(x, y, SumOfGaps(), weights), x, y, weights, SumOfGaps());
    }
}

TEST(DiscreteExact, OnTheLineItIsTheMonotonePlanForAnyWeights) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Tensor x = normal(300, 1, "x", seed), y = normal(200, 1, "y", seed).exp();
    const Tensor a = random_weights(300, "a", seed), b = random_weights(200, "b", seed);
    const DiscretePlan plan = exact_plan(x, y, QuadraticCost(), {a, b});
    EXPECT_NEAR(plan.cost, monotone_cost(x, a, y, b), 1e-11);
  }
}

TEST(DiscreteExact, AWeightActsLikeThatManyPoints) {
  const Tensor x = normal(60, 2, "x"), y = normal(60, 2, "y");
  const Tensor some = x.narrow(0, 0, 20), weights = at::full({20}, 1.0 / 20, at::kDouble);
  EXPECT_NEAR(exact_plan(some, y, QuadraticCost(), {weights, {}}).cost,
              exact_plan(some.repeat({3, 1}), y, QuadraticCost()).cost, 1e-12);
}

TEST(DiscreteExact, SmallWeightsKeepTheirPoints) {
  const Tensor x = normal(30, 2, "x"), y = normal(30, 2, "y");
  Tensor a = at::full({30}, 1e-17, at::kDouble);
  a[3] = 1;
  expect_certified(exact_plan(x, y, QuadraticCost(), {a / a.sum(), {}}), x, y, {a / a.sum(), {}});
}

TEST(DiscreteExact, EndsOnTiesOfEveryKind) {
  const Tensor line = at::arange(150, at::kDouble).view({150, 1});
  const Tensor grid = at::stack(at::meshgrid({at::arange(15), at::arange(10)}, "ij"), 2)
                          .view({150, 2})
                          .to(at::kDouble);
  const Tensor collinear = line * at::tensor({1.0, 2.0}, at::kDouble);
  const Tensor doubled = normal(75, 2, "x").repeat({2, 1});
  const Tensor same = at::ones({150, 2}, at::kDouble);
  for (const Tensor& x : {grid, collinear, doubled, same})
    for (const Tensor& y : {grid.flip(0), collinear, doubled, same, grid.narrow(0, 0, 70)}) {
      expect_certified(exact_plan(x, y, QuadraticCost()), x, y);
      expect_certified(exact_plan(x, y, SumOfGaps()), x, y, {}, SumOfGaps());
    }
  EXPECT_NEAR(exact_w2_squared(grid, grid + 1), 2, 1e-12);
  EXPECT_EQ(exact_w2_squared(same, same), 0);
}

TEST(DiscreteExact, TightClustersFarApartAreResolved) {
  const Tensor x = at::cat({1e-3 * normal(100, 2, "x"), 1e3 + 1e-3 * normal(100, 2, "x2")});
  const Tensor y = at::cat({1e3 + 1e-3 * normal(100, 2, "y"), 1e-3 * normal(100, 2, "y2")});
  const double apart = exact_w2_squared(x, y);
  const double first = exact_w2_squared(x.narrow(0, 0, 100), y.narrow(0, 100, 100));
  const double second = exact_w2_squared(x.narrow(0, 100, 100), y.narrow(0, 0, 100));
  // Twice the rounding of the costs, which reach 10^6.
  EXPECT_NEAR(apart, 0.5 * (first + second), 2e6 * 0x1p-46);
}

TEST(DiscreteExact, ErrorsSayWhatIsWrong) {
  const QuadraticCost cost;
  const Tensor x = at::ones({3, 2}), y = at::zeros({4, 2});
  const auto message = [&](const Tensor& from, const Tensor& to, const DiscreteWeights& weights) {
    return error_text([&] { exact_plan(from, to, cost, weights); });
  };
  expect_message(message(x, at::ones({4, 1}), {}),
                 "exact plan: expected [n, d] and [m, d] with n, m >= 1, got [3, 2] and [4, 1]");
  Tensor hole = y.clone();
  hole[2][1] = NAN;
  expect_message(message(x, hole, {}), "expected finite target points, got row 2");
  expect_message(message(x, y, {at::ones({2}), {}}), "expected source weights [3], got [2]");
  const Tensor negative = at::tensor({0.5, 0.75, -0.25}, at::kDouble);
  expect_message(message(x, y, {negative, {}}), "expected positive source weights, got -0.25 at 2");
  expect_message(message(x, y, {{}, at::full({4}, 0.3, at::kDouble)}),
                 "expected target weights that sum to 1, got 1.2");
}

TEST(CostRows, StoredAndComputedRowsAreTheCostMatrix) {
  for (const std::int64_t d : {2, 11}) {
    const Tensor x = normal(83, d, "x") + 10, y = normal(49, d, "y");
    const QuadraticCost quadratic;
    const SumOfGaps gaps;
    for (const Cost* cost : {static_cast<const Cost*>(&quadratic), static_cast<const Cost*>(&gaps)})
      for (const std::int64_t most : {0, 1 << 20}) {
        const CostRows costs(x, y, *cost, most);
        Tensor seen = at::empty({83, 49}, at::kDouble);
        costs.for_each_row([&](std::int64_t i, const double* row) {
          std::copy_n(row, 49, seen.data_ptr<double>() + 49 * i);
        });
        EXPECT_LE(seen.max().item<double>(), costs.largest() * (1 + 1e-12));
        EXPECT_GE(seen.min().item<double>(), costs.least());
        EXPECT_NEAR(seen.mean().item<double>() - costs.least(), costs.spread(), 1e-9);
        seen += costs.source_shift().unsqueeze(1) + costs.target_shift();
        EXPECT_TRUE(at::allclose(seen, cost->matrix(x, y), 1e-12, 1e-12));
      }
  }
}

TEST(TransportLoops, AgreeWithTheirFormulas) {
  const auto& loops = kernels::transport_loops();
  for (const std::int64_t m : {1, 7, 8, 33, 100}) {
    const Tensor c = normal(m, 1, "c").view({m}).abs(), h = normal(m, 1, "h").view({m});
    Tensor e = at::empty({m}, at::kDouble);
    for (const double epsilon : {1.0, 1e-3}) {
      const kernels::SoftRow row = loops.soft_row(
          m, c.const_data_ptr<double>(), h.const_data_ptr<double>(), epsilon, e.data_ptr<double>());
      const Tensor logits = (h - c) / epsilon, right = (logits - logits.max()).exp();
      EXPECT_NEAR(row.largest, logits.max().item<double>(), 1e-12 / epsilon);
      EXPECT_TRUE(at::allclose(e, right, 1e-12, 1e-300));
      EXPECT_NEAR(row.sum, right.sum().item<double>(), 1e-12 * row.sum);
      EXPECT_NEAR(row.cost, right.dot(c).item<double>(), 1e-12 * (1 + row.cost));
    }
    EXPECT_EQ(loops.least(m, c.const_data_ptr<double>(), h.const_data_ptr<double>()),
              (c - h).min().item<double>());
    EXPECT_NEAR(loops.dot(m, c.const_data_ptr<double>(), h.const_data_ptr<double>()),
                c.dot(h).item<double>(), 1e-12 * c.dot(h.abs()).item<double>());
    EXPECT_NEAR(loops.dot3(m, c.const_data_ptr<double>(), h.const_data_ptr<double>(),
                           e.const_data_ptr<double>()),
                (c * h).dot(e).item<double>(), 1e-12 * (c * h).abs().dot(e).item<double>());
    Tensor sums = h.clone();
    loops.add_scaled(m, 0.5, e.const_data_ptr<double>(), sums.data_ptr<double>());
    EXPECT_TRUE(at::allclose(sums, h + 0.5 * e, 1e-14, 1e-14));
  }
}

Tensor entropic_matrix(const EntropicPlan& plan, const Tensor& x, const Tensor& y, const Tensor& a,
                       const Tensor& b) {
  const Tensor exponents =
      plan.source_potential.unsqueeze(1) + plan.target_potential - QuadraticCost().matrix(x, y);
  return a.unsqueeze(1) * b * (exponents / plan.epsilon).exp();
}

TEST(Entropic, PotentialsGiveAPlanWithTheMarginalsAndTheReportedFigures) {
  for (const auto& [n, m] : {std::pair{50, 50}, {1, 20}, {20, 1}, {60, 35}})
    for (const double epsilon : {5.0, 0.3, 0.05}) {
      const Tensor x = normal(n, 3, "x"), y = normal(m, 3, "y") + 2;
      const Tensor a = random_weights(n, "a"), b = random_weights(m, "b");
      const EntropicPlan plan =
          entropic_plan(x, y, QuadraticCost(), {.epsilon = epsilon, .tolerance = 1e-9}, {a, b});
      const Tensor matrix = entropic_matrix(plan, x, y, a, b);
      EXPECT_LE(plan.marginal_error, 1e-9);
      EXPECT_TRUE(at::allclose(matrix.sum(1), a, 1e-10));
      EXPECT_NEAR((matrix.sum(0) - b).abs().sum().item<double>(), plan.marginal_error, 1e-11);
      const Tensor costs = QuadraticCost().matrix(x, y);
      EXPECT_NEAR((matrix * costs).sum().item<double>(), plan.cost, 1e-7);
      const double divergence =
          at::xlogy(matrix, matrix / (a.unsqueeze(1) * b)).sum().item<double>();
      EXPECT_NEAR(plan.cost + epsilon * divergence, plan.value, 1e-7);
    }
}

TEST(Entropic, AgreesWithDenseSinkhornIterations) {
  const Tensor x = normal(40, 2, "x"), y = normal(30, 2, "y") * 1.5;
  const double epsilon = 0.2;
  const EntropicPlan plan =
      entropic_plan(x, y, QuadraticCost(), {.epsilon = epsilon, .tolerance = 1e-12});
  const Tensor kernel = (-QuadraticCost().matrix(x, y) / epsilon).exp();
  Tensor u = at::ones({40}, at::kDouble), v = at::ones({30}, at::kDouble);
  for (int i = 0; i < 3000; ++i) {
    v = 1.0 / 30 / kernel.t().mv(u);
    u = 1.0 / 40 / kernel.mv(v);
  }
  const Tensor reference = u.unsqueeze(1) * kernel * v;
  const Tensor a = at::full({40}, 1.0 / 40, at::kDouble), b = at::full({30}, 1.0 / 30, at::kDouble);
  EXPECT_TRUE(at::allclose(entropic_matrix(plan, x, y, a, b), reference, 1e-8, 1e-12));
}

TEST(Entropic, CostTendsToTheExactOneFromAbove) {
  const Tensor x = normal(100, 2, "x"), y = normal(100, 2, "y") + 1;
  const double exact = exact_plan(x, y, QuadraticCost()).cost;
  double last = std::numeric_limits<double>::infinity();
  for (const double epsilon : {1.0, 0.1, 0.01, 0.001}) {
    const double cost =
        entropic_plan(x, y, QuadraticCost(), {.epsilon = epsilon, .tolerance = 1e-5}).cost;
    EXPECT_LT(cost, last);
    EXPECT_GT(cost, exact - 1e-4);
    // The entropy of a plan is at most log(n) apart from the product's.
    EXPECT_LT(cost, exact + epsilon * std::log(100) + 1e-4);
    last = cost;
  }
  EXPECT_NEAR(last, exact, 2e-3 * exact);
}

TEST(Entropic, ATinyEpsilonConverges) {
  for (const std::int64_t d : {2, 20}) {
    const Tensor x = normal(120, d, "x"), y = normal(120, d, "y") + 3;
    const double epsilon = 1e-4 * QuadraticCost().matrix(x, y).mean().item<double>();
    const EntropicPlan plan =
        entropic_plan(x, y, QuadraticCost(), {.epsilon = epsilon, .tolerance = 1e-4});
    EXPECT_LE(plan.marginal_error, 1e-4);
    EXPECT_TRUE(plan.source_potential.isfinite().all().item<bool>());
    EXPECT_TRUE(plan.target_potential.isfinite().all().item<bool>());
    const double exact = exact_plan(x, y, QuadraticCost()).cost;
    EXPECT_NEAR(plan.cost, exact, 0.01 * exact);
  }
}

TEST(Entropic, RepeatedPointsAreTheirWeightsAlsoWhereNoExponentialsAreKept) {
  const Tensor x = normal(58, 2, "x"), y = normal(58, 2, "y");
  const EntropicOptions options{.epsilon = 0.5, .tolerance = 1e-6};
  const EntropicPlan few = entropic_plan(x, y, QuadraticCost(), options);
  const EntropicPlan many =  // 33.6 million pairs
      entropic_plan(x.repeat({100, 1}), y.repeat({100, 1}), QuadraticCost(), options);
  EXPECT_EQ(many.iterations, few.iterations);
  EXPECT_NEAR(many.value, few.value, 1e-10);
  EXPECT_NEAR(many.cost, few.cost, 1e-10);
  EXPECT_TRUE(at::allclose(many.target_potential.narrow(0, 0, 58), few.target_potential, 0, 1e-9));
}

TEST(Entropic, OutliersThatUnderflowStillConverge) {
  Tensor x = normal(50, 2, "x"), y = normal(50, 2, "y");
  y[7] += 1e3;
  const EntropicPlan plan = entropic_plan(x, y, QuadraticCost(), {.epsilon = 0.05});
  EXPECT_LE(plan.marginal_error, 1e-6);
  EXPECT_TRUE(plan.target_potential.isfinite().all().item<bool>());
}

TEST(Entropic, IsSymmetricInTheRolesAndFreeOfTranslations) {
  const Tensor x = normal(70, 2, "x"), y = normal(90, 2, "y");
  const EntropicOptions options{.epsilon = 0.1, .tolerance = 1e-10};
  const EntropicPlan there = entropic_plan(x, y, QuadraticCost(), options);
  const EntropicPlan back = entropic_plan(y, x, QuadraticCost(), options);
  EXPECT_NEAR(there.value, back.value, 1e-9);
  EXPECT_NEAR(there.cost, back.cost, 1e-8);
  const EntropicPlan far = entropic_plan(x + 1000, y + 1000, QuadraticCost(), options);
  EXPECT_NEAR(far.value, there.value, 1e-7);
}

TEST(Entropic, StopsAtTheIterationLimitAndSaysHowFarItIs) {
  const Tensor x = normal(100, 2, "x"), y = normal(100, 2, "y") + 1;
  const EntropicPlan one =
      entropic_plan(x, y, QuadraticCost(), {.epsilon = 1e-3, .max_iterations = 3});
  EXPECT_EQ(one.iterations, 3);
  EXPECT_GT(one.marginal_error, 1e-6);
}

// Janati et al. 2020, theorem 1, on the line: the plan of N(0, p²) and N(0, q²) is Gaussian with
// covariance (sqrt(4 p² q² + epsilon²) - epsilon) / 2 for the cost ½|x - y|². The cost of a sample
// scatters by about sqrt((p⁴ + q⁴) / (2 n)) = 0.075 here: two of them; the seed is fixed.
TEST(Entropic, IsNearTheClosedFormOfGaussians) {
  const std::int64_t n = 1500;
  const double p = 1, q = 2, epsilon = 0.5;
  const Tensor x = p * normal(n, 1, "x"), y = q * normal(n, 1, "y");
  const double covariance = 0.5 * (std::sqrt(4 * p * p * q * q + epsilon * epsilon) - epsilon);
  const double truth = 0.5 * (p * p + q * q) - covariance;
  const EntropicPlan plan = entropic_plan(x, y, QuadraticCost(), {.epsilon = epsilon});
  EXPECT_NEAR(plan.cost, truth, 0.15);
  const Tensor points = at::linspace(-1.5, 1.5, 7, at::kDouble).view({7, 1});
  const Tensor mapped = EntropicMap(y, plan.target_potential, epsilon).transport(points);
  EXPECT_TRUE(at::allclose(mapped, points * covariance / (p * p), 0, 0.25));
}

TEST(EntropicMap, AtThePointsItIsTheBarycentricProjectionOfThePlan) {
  const Tensor x = normal(40, 2, "x"), y = normal(30, 2, "y");
  const Tensor a = random_weights(40, "a"), b = random_weights(30, "b");
  const EntropicPlan plan = entropic_plan(x, y, QuadraticCost(), {.epsilon = 0.1}, {a, b});
  const Tensor matrix = entropic_matrix(plan, x, y, a, b);
  EXPECT_TRUE(at::allclose(EntropicMap(y, plan.target_potential, 0.1, b).transport(x),
                           matrix.mm(y) / a.unsqueeze(1), 1e-9, 1e-9));
}

TEST(EntropicMap, IsNearTheTrueMapOfGaussians) {
  Random random(5, "covariances");
  const Moments p{at::zeros({2}, at::kDouble), random_covariance(2, 0.5, 2, random)};
  const Moments q{at::tensor({3.0, 1.0}, at::kDouble), random_covariance(2, 0.5, 2, random)};
  const Tensor x = GaussianMeasure(p).sample(1500, random),
               y = GaussianMeasure(q).sample(1500, random);
  const EntropicPlan plan =
      entropic_plan(x, y, QuadraticCost(), {.epsilon = 0.1, .tolerance = 1e-4});
  const EntropicMap map(y, plan.target_potential, plan.epsilon);
  const Tensor fresh = GaussianMeasure(p).sample(500, random);
  const Tensor truth = AffineTransportMap(bures_wasserstein_map(p, q)).transport(fresh);
  const double error = (map.transport(fresh) - truth).square().sum(1).mean().item<double>();
  const double variance = q.covariance.trace().item<double>();
  EXPECT_LT(error, 0.03 * variance);  // sampling and epsilon; the constant map has 1
  EXPECT_EQ(map.transport(fresh).scalar_type(), at::kFloat);
}

TEST(Entropic, ErrorsSayWhatIsWrong) {
  const Tensor x = at::ones({3, 2}), y = at::zeros({4, 2});
  const auto message = [&](const Tensor& from, const EntropicOptions& options) {
    return error_text([&] { entropic_plan(from, y, QuadraticCost(), options); });
  };
  expect_message(message(x, {.epsilon = 0}), "entropic plan: expected a positive epsilon, got 0");
  expect_message(message(x, {.epsilon = 1, .tolerance = -1}), "expected a positive tolerance");
  expect_message(message(x, {.epsilon = 1, .max_iterations = 0}), "max_iterations >= 1, got 0");
  expect_message(message(at::full({3, 2}, INFINITY), {.epsilon = 1}),
                 "expected finite source points, got row 0");
  expect_message(error_text([&] { EntropicMap(y, at::ones({3}), 1); }),
                 "expected points [m, d] and a potential [m], got [4, 2] and [3]");
  expect_message(error_text([&] { EntropicMap(y, at::ones({4}), 1).transport(at::ones({2, 3})); }),
                 "expected points [n, 2], got [2, 3]");
}

}  // namespace
}  // namespace monge
