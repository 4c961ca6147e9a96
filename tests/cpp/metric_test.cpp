#include "monge/metric.h"

#include "monge/affine.h"
#include "monge/discrete.h"
#include "monge/error.h"
#include "monge/measures/gaussian.h"

#include <numbers>
#include <numeric>

namespace monge {
namespace {

Tensor normal(std::int64_t n, std::int64_t d, const char* name, std::uint64_t seed = 11) {
  return Random(seed, name).normal({n, d});
}

TEST(Cost, MatrixAgreesWithPairsEvenFarFromTheOrigin) {
  const QuadraticCost cost;
  for (const double offset : {0.0, 1e4}) {
    const Tensor x = normal(7, 3, "x").to(at::kDouble) + offset;
    const Tensor y = normal(5, 3, "y").to(at::kDouble) + offset;
    const Tensor matrix = cost.matrix(x, y);
    for (std::int64_t j = 0; j < 5; ++j)
      EXPECT_TRUE(
          at::allclose(matrix.select(1, j), cost.between(x, y[j].expand_as(x)), 1e-9, 1e-9));
  }
}

TEST(Cost, QuadraticCostIsHalfTheSquaredDistance) {
  const QuadraticCost cost;
  const Tensor x = at::zeros({1, 2}), y = at::tensor({3.0f, 4.0f}).view({1, 2});
  EXPECT_FLOAT_EQ(cost.between(x, y).item<float>(), 12.5f);
  EXPECT_DOUBLE_EQ(transport_cost(x, y, cost), 12.5);
}

TEST(Metric, L2UvpIsZeroForTheTruthAndHundredForTheConstantMap) {
  const Tensor truth = normal(1000, 3, "truth");
  const double variance = truth.var(0, /*unbiased=*/false).sum().item<double>();
  EXPECT_EQ(l2_uvp(truth, truth, variance), 0);
  EXPECT_NEAR(l2_uvp(truth.mean(0).expand_as(truth), truth, variance), 100, 1e-3);
  EXPECT_THROW(l2_uvp(truth, truth, 0), Error);
  EXPECT_THROW(l2_uvp(truth, truth.narrow(0, 0, 1), 1), Error);
}

TEST(Metric, CosineComparesDirectionsOfDisplacements) {
  const Tensor x = normal(100, 2, "x"), move = normal(100, 2, "move");
  EXPECT_NEAR(cosine_similarity(x, x + 3 * move, x + move), 1, 1e-5);
  EXPECT_NEAR(cosine_similarity(x, x - move, x + move), -1, 1e-5);
  const Tensor turned = at::stack({-move.select(1, 1), move.select(1, 0)}, 1);
  EXPECT_NEAR(cosine_similarity(x, x + turned, x + move), 0, 1e-5);
  EXPECT_EQ(cosine_similarity(x, x, x + move), 0);
  EXPECT_EQ(cosine_similarity(x, x, x), 1);
}

/// E|Z| for Z ~ N(shift, deviation²).
double mean_absolute(double shift, double deviation) {
  return deviation * std::sqrt(2 / std::numbers::pi) *
             std::exp(-shift * shift / (2 * deviation * deviation)) +
         shift * std::erf(shift / (deviation * std::numbers::sqrt2));
}

/// Mean of `draw` over seeds and five of its standard errors: false alarm below 1e-6.
struct Repeated {
  double mean, bound;
};
Repeated repeated(int times, const std::function<double(std::uint64_t)>& draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < times; ++i) {
    const double value = draw(static_cast<std::uint64_t>(i));
    sum += value;
    squares += value * value;
  }
  const double mean = sum / times;
  return {mean, 5 * std::sqrt((squares / times - mean * mean) / times)};
}

TEST(EnergyDistance, IsUnbiasedOnTinySamplesOfEqualMeasures) {
  const Repeated result = repeated(1000, [](std::uint64_t seed) {
    return energy_distance(normal(3, 2, "x", seed), normal(4, 2, "y", seed));
  });
  EXPECT_LT(std::abs(result.mean), result.bound);
  EXPECT_LT(result.bound, 0.3);  // averages that count a point against itself are off by 1.03
}

TEST(EnergyDistance, MatchesTheClosedFormOfGaussiansOnTheLine) {
  const double truth = 2 * mean_absolute(1, std::sqrt(1 + 4.0)) - mean_absolute(0, std::sqrt(2)) -
                       mean_absolute(0, std::sqrt(8));
  const Repeated result = repeated(200, [](std::uint64_t seed) {
    return energy_distance(normal(200, 1, "x", seed), 1 + 2 * normal(300, 1, "y", seed));
  });
  EXPECT_NEAR(result.mean, truth, result.bound);
  EXPECT_LT(result.bound, 0.1 * truth);
}

TEST(EnergyDistance, BlocksEqualTheDirectFormula) {
  const Tensor x = normal(3000, 2, "x") + 100, y = normal(2500, 2, "y") + 100;
  const auto mean = [](const Tensor& a, const Tensor& b, std::int64_t pairs) {
    return at::cdist(a.to(at::kDouble), b.to(at::kDouble), 2, 2).sum().item<double>() /
           static_cast<double>(pairs);
  };
  const double direct =
      2 * mean(x, y, 3000 * 2500) - mean(x, x, 3000 * 2999) - mean(y, y, 2500 * 2499);
  EXPECT_NEAR(energy_distance(x, y), direct, 1e-7);
  EXPECT_THROW(energy_distance(x.narrow(0, 0, 1), y), Error);
}

double brute_force_cost(const Tensor& x, const Tensor& y) {
  const Tensor costs = QuadraticCost().matrix(x.to(at::kDouble), y.to(at::kDouble));
  const auto cost = costs.accessor<double, 2>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(x.size(0)));
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

void expect_marginals(const DiscretePlan& plan, std::int64_t n, std::int64_t m) {
  const auto marginal = [&](const Tensor& indices, std::int64_t size) {
    return at::zeros({size}, at::kDouble).index_add(0, indices, plan.mass);
  };
  EXPECT_TRUE(plan.mass.gt(0).all().item<bool>());
  EXPECT_LE(plan.mass.size(0), n + m - 1);  // a vertex of the polytope
  EXPECT_TRUE(at::allclose(marginal(plan.rows, n),
                           at::full({n}, 1.0 / static_cast<double>(n), at::kDouble), 1e-12));
  EXPECT_TRUE(at::allclose(marginal(plan.columns, m),
                           at::full({m}, 1.0 / static_cast<double>(m), at::kDouble), 1e-12));
}

TEST(ExactPlan, CostEqualsTheBestOfAllPermutations) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor x = normal(6, 2, "x", seed), y = 2 * normal(6, 2, "y", seed) + 1;
    const DiscretePlan plan = exact_plan(x, y, QuadraticCost());
    EXPECT_NEAR(plan.cost, brute_force_cost(x, y), 1e-12);
    expect_marginals(plan, 6, 6);
  }
}

TEST(ExactPlan, UnequalCountsEqualTheBestPermutationOfReplicatedPoints) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor x = normal(2, 3, "x", seed), y = normal(3, 3, "y", seed);
    const DiscretePlan plan = exact_plan(x, y, QuadraticCost());
    EXPECT_NEAR(plan.cost, brute_force_cost(x.repeat({3, 1}), y.repeat({2, 1})), 1e-12);
    expect_marginals(plan, 2, 3);
  }
  expect_marginals(exact_plan(normal(90, 2, "x"), normal(140, 2, "y"), QuadraticCost()), 90, 140);
  expect_marginals(exact_plan(normal(1, 2, "x"), normal(5, 2, "y"), QuadraticCost()), 1, 5);
}

TEST(ExactPlan, OnTheLineItMatchesSortedPoints) {
  const Tensor x = normal(400, 1, "x").to(at::kDouble),
               y = normal(400, 1, "y").to(at::kDouble).exp();
  const Tensor gaps = std::get<0>(x.sort(0)) - std::get<0>(y.sort(0));
  EXPECT_NEAR(exact_w2_squared(x, y), gaps.square().mean().item<double>(), 1e-11);
}

TEST(ExactPlan, DoesNotDependOnTheOrderOfPoints) {
  const Tensor x = normal(150, 2, "x"), y = normal(100, 2, "y");
  Random random(3, "order");
  const Tensor mixed = x.index_select(0, random.permutation(150));
  EXPECT_NEAR(exact_w2_squared(x, y), exact_w2_squared(mixed, y), 1e-12);
  EXPECT_NEAR(exact_w2_squared(x, y), exact_w2_squared(y, x), 1e-12);
}

TEST(ExactPlan, TranslationCostsItsSquaredLength) {
  const Tensor x = normal(200, 3, "x").to(at::kDouble);
  const Tensor shift = at::tensor({100.0, -200.0, 50.0}, at::kDouble);
  EXPECT_NEAR(exact_w2_squared(x, x + shift), 52500, 1e-8);
  EXPECT_EQ(exact_w2_squared(x, x), 0);
}

// Many ties: the simplex would cycle here without its care for degenerate pivots.
TEST(ExactPlan, EndsOnDuplicatedPointsAndGrids) {
  const Tensor grid = at::stack(at::meshgrid({at::arange(12), at::arange(12)}, "ij"), 2)
                          .view({144, 2})
                          .to(at::kDouble);
  EXPECT_NEAR(exact_w2_squared(grid, grid + 1), 2, 1e-10);
  EXPECT_EQ(exact_w2_squared(at::ones({50, 2}), at::ones({70, 2})), 0);
}

TEST(ExactPlan, WrongPointsAreRefused) {
  EXPECT_THROW(exact_plan(at::ones({3, 2}), at::ones({3, 1}), QuadraticCost()), Error);
  EXPECT_THROW(exact_plan(at::ones({0, 2}), at::ones({3, 2}), QuadraticCost()), Error);
  EXPECT_THROW(exact_plan(at::full({3, 2}, NAN), at::ones({3, 2}), QuadraticCost()), Error);
}

// W2 is a metric, so |W2(p^, q^) - W2(p, q)| <= W2(p^, p) + W2(q^, q); for 800 points in the plane
// each of these is about 0.1 (and 0.1 the largest standard deviation, 2): bound 0.3.
TEST(ExactPlan, IsNearTheClosedFormForGaussians) {
  Random random(5, "covariances");
  const Moments p{at::zeros({2}, at::kDouble), random_covariance(2, 0.5, 2, random)};
  const Moments q{at::tensor({3.0, 1.0}, at::kDouble), random_covariance(2, 0.5, 2, random)};
  const double sampled = exact_w2_squared(GaussianMeasure(p).sample(800, random),
                                          GaussianMeasure(q).sample(800, random));
  EXPECT_NEAR(std::sqrt(sampled), std::sqrt(bures_wasserstein_squared(p, q)), 0.3);
}

TEST(SlicedW2, OnTheLineEqualsTheExactValueForAnyCounts) {
  Random random(1, "slices");
  for (const auto& [n, m] : {std::pair{60, 60}, {60, 90}, {7, 50}, {1, 9}}) {
    const Tensor x = normal(n, 1, "x"), y = 2 * normal(m, 1, "y") + 1;
    EXPECT_NEAR(sliced_w2_squared(x, y, 3, random), exact_w2_squared(x, y), 1e-6);
  }
}

// <t, direction>² has mean |t|²/d and, for d = 3, variance 4|t|⁴/45: five standard errors, false
// alarm below 1e-6.
TEST(SlicedW2, OfATranslationIsItsSquaredLengthOverTheDimension) {
  Random random(2, "slices");
  const Tensor x = normal(100, 3, "x"), shift = at::tensor({2.0f, -1.0f, 2.0f});
  const double sliced = sliced_w2_squared(x, x + shift, 20000, random);
  EXPECT_NEAR(sliced, 3, 5 * 9 * std::sqrt(4.0 / 45 / 20000));
  EXPECT_EQ(sliced_w2_squared(x, x, 10, random), 0);
}

/// sign · |x|² / 2 + <slope, x>.
class Bowl final : public Potential {
 public:
  Bowl(double sign, Tensor slope) : sign_(sign), slope_(std::move(slope)) {}
  std::int64_t dimension() const override { return slope_.size(0); }
  Tensor value(const Tensor& x, Graph) const override {
    return 0.5 * sign_ * x.square().sum(1) + x.mv(slope_);
  }
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override {
    return {value(x, graph), sign_ * x + slope_};
  }
  State parameters() const override { return {}; }
  std::string name() const override { return "bowl"; }
  Table options() const override { return {}; }

 private:
  double sign_;
  Tensor slope_;
};

TEST(Convexity, IsZeroForConvexAndPositiveForConcavePotentials) {
  const Tensor points = normal(200, 3, "points").to(at::kDouble),
               slope = at::ones({3}, at::kDouble);
  Random random(1, "segments");
  EXPECT_EQ(convexity_violation(Bowl(1, slope), points, 1000, random), 0);
  EXPECT_LT(convexity_violation(Bowl(0, slope), points, 1000, random), 1e-14);
  EXPECT_GT(convexity_violation(Bowl(-1, slope), points, 1000, random), 0.1);
  EXPECT_THROW(convexity_violation(Bowl(1, slope), points.narrow(1, 0, 2), 10, random), Error);
}

TEST(Metric, TableHasAFormulaForEveryMetric) {
  std::vector<std::string> names;
  for (const PartInfo& info : metrics()) {
    EXPECT_EQ(info.kind, "metric");
    EXPECT_FALSE(info.sentence.empty());
    names.push_back(info.name);
  }
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

TEST(ModeShares, CountEachPointToItsNearestMode) {
  const Tensor centers = at::tensor({0.f, 0.f, 10.f, 0.f}).view({2, 2});
  const Tensor std = at::tensor({1.f, 0.1f});
  const Tensor weights = at::tensor({0.75, 0.25}, at::kDouble);
  // Two points at the first mode (one beyond 3 std), two at the second (one beyond 3 std).
  const Tensor points = at::tensor({0.f, 1.f, 4.f, 0.f, 10.f, 0.2f, 9.f, 0.f}).view({4, 2});
  const ModeShares shares = mode_shares(points, centers, std, weights);
  EXPECT_NEAR(shares.least, 0.5 / 0.75, 1e-12);
  EXPECT_NEAR(shares.most, 0.5 / 0.25, 1e-12);
  EXPECT_NEAR(shares.within, 0.5, 1e-12);
}

TEST(ModeShares, AMissedModeHasNoMass) {
  const Tensor centers = at::arange(6, at::kFloat).view({3, 2});
  const ModeShares shares = mode_shares(centers.narrow(0, 0, 2), centers, at::ones({3}),
                                        at::full({3}, 1.0 / 3, at::kDouble));
  EXPECT_EQ(shares.least, 0);
  EXPECT_NEAR(shares.most, 1.5, 1e-12);
}

}  // namespace
}  // namespace monge
