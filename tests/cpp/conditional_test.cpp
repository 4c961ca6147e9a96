#include "monge/conditional.h"

#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/measures/gaussian.h"

#include "error_text.h"

namespace monge {
namespace {

/// T(x, z) = a x + b z.
class Scaled final : public StochasticMap {
 public:
  Scaled(double a, double b, std::int64_t dimension) : a_(a), b_(b), dimension_(dimension) {}
  std::int64_t dimension() const override { return dimension_; }
  std::int64_t noise_dimension() const override { return dimension_; }
  Tensor transport(const Tensor& x, const Tensor& z) const override { return a_ * x + b_ * z; }

 private:
  double a_, b_;
  std::int64_t dimension_;
};

ConditionalSpread spread_of(const Scaled& map, double gamma, std::int64_t points = 512) {
  Random random(4, "spread");
  const Tensor x = random.normal({points, map.dimension()});
  return conditional_spread(map, x, gamma, 8, random);
}

TEST(ConditionalSpread, IsTheShareOfTheNoiseInTheVariance) {
  // Variances 1 and 4; the mean of |2 (z - z')| is 2 √2 E|z|.
  const ConditionalSpread spread = spread_of({1, 2, 16}, 1);
  EXPECT_NEAR(spread.variance, 0.8, 0.02);
  EXPECT_NEAR(spread.diversity, 2 * std::sqrt(2) * 3.938, 0.2);  // E|z| in 16 dimensions
}

// From N(0, I) to N(0, 4 I) the optimal γ-weak plan has the means x / γ where these are less spread
// than the target, all of the rest being conditional: 1 - 1 / (4 γ²) of the variance.
TEST(ConditionalSpread, FindsTheTargetOfNormalMeasuresFromACollapsedMap) {
  for (const double gamma : {1.0, 0.75}) {
    const ConditionalSpread spread = spread_of({2, 0, 2}, gamma);
    EXPECT_EQ(spread.variance, 0);
    EXPECT_NEAR(spread.target, 1 - 1 / (4 * gamma * gamma), 0.06) << gamma;
    EXPECT_TRUE(spread.collapsed());
  }
}

TEST(ConditionalSpread, OfTheOptimalPlanIsItsTarget) {
  const ConditionalSpread spread = spread_of({1, std::sqrt(3), 2}, 1);
  EXPECT_NEAR(spread.variance, 0.75, 0.03);
  EXPECT_NEAR(spread.target, 0.75, 0.12);  // means of 8 draws are noisy, and noise is mixed too
  EXPECT_FALSE(spread.collapsed());
}

// In many dimensions too, where no sample of the target could tell: a map that ignores the noise is
// right where it contracts, for γ = 1, or is the identity.
TEST(ConditionalSpread, WantsNoneOfAContraction) {
  for (const std::int64_t dimension : {2, 64, 3072})
    for (const double scale : {0.5, 1.0}) {
      const ConditionalSpread spread = spread_of({scale, 0, dimension}, 1, 64);
      EXPECT_LT(spread.target, 1e-6) << scale << " in " << dimension;
      EXPECT_FALSE(spread.collapsed());
    }
  // 1 / γ-Lipschitz is enough.
  EXPECT_FALSE(spread_of({1.9, 0, 2}, 0.5).collapsed());
  EXPECT_TRUE(spread_of({4, 0, 2}, 0.5).collapsed());
}

TEST(ConditionalSpread, OfTheStrongCostHasNoTarget) {
  const ConditionalSpread spread = spread_of({2, 0, 2}, 0);
  EXPECT_EQ(spread.target, spread.variance);
  EXPECT_FALSE(spread.collapsed());
}

TEST(ConditionalSpread, RefusesWhatItCannotMeasure) {
  const Scaled map(1, 1, 2);
  Random random(1, "spread");
  const auto complaint = [&](std::int64_t n, std::int64_t d, double gamma, std::int64_t samples) {
    return error_text([&] { conditional_spread(map, at::zeros({n, d}), gamma, samples, random); });
  };
  expect_message(complaint(8, 3, 1, 4), "expected points [n, 2], n >= 4, got [8, 3]");
  expect_message(complaint(3, 2, 1, 4), "got [3, 2]");
  expect_message(complaint(8, 2, 1.5, 4), "gamma in [0, 1]");
  expect_message(complaint(8, 2, 1, 1), "at least 2 draws");
  expect_message(error_text([&] {
                   conditional_spread(Scaled(std::nan(""), 1, 2), at::zeros({8, 2}), 1, 4, random);
                 }),
                 "finite");
  const ConditionalSpread still =
      conditional_spread(Scaled(0, 0, 2), at::ones({8, 2}), 1, 4, random);
  EXPECT_EQ(still.target, 0);
}

TEST(Evaluation, WarnsOfConditionalCollapse) {
  const GaussianMeasure source({at::zeros({2}), at::eye(2)});
  const auto warnings = [&](double a, double b) {
    const Solution solution{std::make_shared<Scaled>(a, b, 2), nullptr};
    return warnings_of(evaluate_solution(solution, source, source, 100, 0, {.gamma = 1}));
  };
  ASSERT_EQ(warnings(2, 0).size(), 1u);
  expect_message(warnings(2, 0)[0], "conditional collapse");
  EXPECT_TRUE(warnings(1, std::sqrt(3)).empty());
  EXPECT_TRUE(warnings(0.5, 0).empty());
}

}  // namespace
}  // namespace monge
