#include "monge/cost.h"

#include "monge/error.h"
#include "monge/random.h"

#include "error_text.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace monge {
namespace {

struct Kind {
  const char* name;
  WeakCost cost;
};

std::vector<Kind> kinds() {
  const auto kernel = [](double gamma, double exponent) {
    return WeakCost(KernelWeakOptions{.gamma = gamma, .exponent = exponent});
  };
  return {{"strong", 0.0},
          {"weak", 0.75},
          {"weak, gamma = 1", 1.0},
          {"kernel", kernel(0.5, 1)},
          {"kernel, gamma = 1", kernel(1, 1.5)},
          {"strong, of distances", kernel(0, 1)}};
}

/// The estimates of few samples of skewed laws have the mean of those of very many: 5 sigma of the
/// difference, a false alarm in 2e6.
TEST(WeakCost, EstimatesAreUnbiased) {
  Random random(41, "samples");
  const auto laws = [&](std::int64_t n, std::int64_t k) {
    const Tensor z = random.normal({n, k, 2}).to(at::kDouble);
    return at::stack({z.select(2, 0).square(), z.select(2, 0) * z.select(2, 1) - 1}, 2);
  };
  for (const auto& [name, cost] : kinds())
    for (const std::int64_t k : {2, 3, 8}) {
      const std::int64_t n = 20000, many = 100, m = 400;
      const Tensor x = at::tensor({0.5, -1.0}, at::kDouble).view({1, 2});
      const Tensor few = cost.estimate(x.expand({n, 2}), laws(n, k));
      const Tensor true_value = cost.estimate(x.expand({m, 2}), laws(m, many));
      const double error = std::sqrt(few.var().item<double>() / static_cast<double>(n) +
                                     true_value.var().item<double>() / static_cast<double>(m));
      EXPECT_NEAR(few.mean().item<double>(), true_value.mean().item<double>(), 5 * error)
          << name << " k=" << k;
    }
}

TEST(WeakCost, ClosedFormsOfAGaussian) {
  // Y = x + 2 z in two dimensions: E|x - Y|² = 8 and Var = 8; |x - Y| = 2 R and |Y - Y'| = 2 √2 R,
  // R of mean √(pi/2).
  Random random(42, "samples");
  const std::int64_t n = 20000, k = 3;
  const Tensor x = random.normal({n, 2}).to(at::kDouble);
  const Tensor y = x.unsqueeze(1) + 2 * random.normal({n, k, 2}).to(at::kDouble);
  const auto expect = [&](const WeakCost& cost, double value) {
    const Tensor estimates = cost.estimate(x, y);
    const double error = estimates.std().item<double>() / std::sqrt(static_cast<double>(n));
    EXPECT_NEAR(estimates.mean().item<double>(), value, 5 * error);  // 5 sigma
  };
  const double r = std::sqrt(std::numbers::pi / 2);
  expect(0.0, 4);
  expect(0.75, 4 - 0.75 * 4);
  expect(1.0, 0);
  for (const double gamma : {0.0, 0.4, 1.0})
    expect(WeakCost(KernelWeakOptions{.gamma = gamma, .exponent = 1}),
           r - 0.25 * gamma * 2 * std::numbers::sqrt2 * r);
}

TEST(WeakCost, AKernelOfExponentTwoIsTheQuadraticOne) {
  Random random(43, "samples");
  const Tensor x = random.normal({50, 3}).to(at::kDouble);
  const Tensor y = random.normal({50, 5, 3}).to(at::kDouble);
  const WeakCost near(KernelWeakOptions{.gamma = 0.7, .exponent = 2 - 1e-12});
  EXPECT_LT((near.estimate(x, y) - WeakCost(0.7).estimate(x, y)).abs().max().item<double>(), 1e-9);
}

TEST(WeakCost, GammaZeroIsTheStrongCostBitForBit) {
  Random random(44, "samples");
  const Tensor x = random.normal({50, 3}), y = random.normal({50, 4, 3});
  const WeakCost weak(WeakQuadraticOptions{.gamma = 0}), strong(0.0);
  EXPECT_TRUE(at::equal(weak.estimate(x, y), strong.estimate(x, y)));
  EXPECT_TRUE(at::equal(weak.derivative(x, y).value, strong.derivative(x, y).value));
  EXPECT_TRUE(at::equal(weak.derivative(x, y).in_y, strong.derivative(x, y).in_y));
  const Tensor one = y.narrow(1, 0, 1).contiguous();
  EXPECT_LT((strong.estimate(x, one) - QuadraticCost().between(x, one.squeeze(1)))
                .abs()
                .max()
                .item<double>(),
            1e-6);
}

TEST(WeakCost, DerivativesAreThoseOfTheEstimate) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble})
    for (const auto& [name, cost] : kinds())
      for (const std::int64_t d : {1, 2, 70}) {
        Random random(45, "samples");
        const Tensor x = random.normal({130, d}).to(dtype);
        const Tensor y = random.normal({130, 4, d}).to(dtype).requires_grad_(true);
        const Tensor value = cost.estimate(x, y);
        const Tensor expected = torch::autograd::grad({value.sum()}, {y}).front();
        const WeakCost::Derivative found = cost.derivative(x, y);
        const double allowed = dtype == at::kFloat ? 2e-5 : 1e-12;
        const double size = 1 + value.abs().max().item<double>();
        EXPECT_LT((found.value - value).abs().max().item<double>(), allowed * size)
            << name << " d=" << d;
        EXPECT_LT((found.in_y - expected).abs().max().item<double>(), allowed * size)
            << name << " d=" << d;
      }
}

TEST(WeakCost, PointsThatCoincideHaveAFiniteDerivative) {
  const WeakCost cost(KernelWeakOptions{.gamma = 1, .exponent = 0.5});
  const auto found = cost.derivative(at::ones({2, 3}), at::ones({2, 4, 3}));
  EXPECT_EQ(found.value.abs().max().item<double>(), 0);
  EXPECT_EQ(found.in_y.abs().max().item<double>(), 0);
}

TEST(WeakCost, GammaRisesLinearlyAndStays) {
  const WeakCost cost(WeakQuadraticOptions{.gamma = 0.6, .gamma_steps = 4});
  EXPECT_EQ(cost.gamma_at(0), 0);
  EXPECT_DOUBLE_EQ(cost.gamma_at(1), 0.15);
  EXPECT_EQ(cost.gamma_at(4), 0.6);
  EXPECT_EQ(cost.gamma_at(1000), 0.6);
  EXPECT_EQ(WeakCost(0.6).gamma_at(0), 0.6);
}

TEST(WeakCost, RefusesOtherShapesAndTypes) {
  const Tensor x = at::zeros({3, 2}), y = at::zeros({3, 2, 2});
  const WeakCost cost(1.0);
  for (const Tensor& other : {x, at::zeros({2, 2, 2}), at::zeros({3, 2, 1})})
    EXPECT_NE(error_text([&] { cost.estimate(x, other); }).find("[n, k, d]"), std::string::npos);
  EXPECT_NE(error_text([&] { cost.estimate(x, y.narrow(1, 0, 1)); }).find("at least 2 samples"),
            std::string::npos);
  EXPECT_NE(error_text([&] { cost.derivative(x, y.to(at::kDouble)); }).find("float32 or float64"),
            std::string::npos);
}

}  // namespace
}  // namespace monge
