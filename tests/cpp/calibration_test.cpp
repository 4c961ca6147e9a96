#include "solvers/calibration.h"

#include "monge/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace monge {
namespace {

Tensor weights_of(Calibration& calibration, const Tensor& points) {
  Calibration other = calibration;
  ProcessGroup alone;
  const auto weights = calibrated(calibration, points, other, points, points.size(0), alone).x;
  return at::tensor(at::ArrayRef<float>(weights.data(), weights.size()));
}

Moments standard_moments(std::int64_t d) {
  return {at::zeros({d}, at::kDouble), at::eye(d, at::kDouble)};
}

/// Three correlated coordinates z = R n of variance 1, and the points x = m + s z.
struct Normal {
  Tensor mean = at::tensor({1.0, -2.0, 0.5}, at::kDouble);
  Tensor deviation = at::tensor({2.0, 0.1, 1.0}, at::kDouble);
  Tensor root = at::tensor({1.0, 0.0, 0.0, 0.6, 0.8, 0.0, 0.0, 0.6, 0.8}, at::kDouble).view({3, 3});

  Moments moments() const {
    const Tensor scaled = root * deviation.unsqueeze(1);
    return {mean, scaled.matmul(scaled.t())};
  }
  Tensor standardised(std::int64_t n, Random& random) const {
    return random.normal({n, 3}).to(at::kDouble).matmul(root.t());
  }
  Tensor points(const Tensor& z) const { return (mean + deviation * z).to(at::kFloat); }
};

TEST(Calibration, GivesABatchTheMomentsOfTheMeasureNearly) {
  const Normal normal;
  Random random(5, "points");
  Calibration calibration(normal.moments());
  double before = 0, after = 0;
  for (int batch = 0; batch < 50; ++batch) {
    const Tensor z = normal.standardised(80, random);
    const Tensor w = weights_of(calibration, normal.points(z)).unsqueeze(1);
    EXPECT_NEAR(w.mean().item<double>(), 1, 1e-5);
    const Tensor other = z.roll({1}, {1});
    for (const Tensor& covariate :
         {z, z.square() - 1, z * other - at::tensor({0.0, 0.6, 0.48}, at::kDouble)}) {
      before += covariate.mean(0).square().sum().item<double>();
      after += (w * covariate).mean(0).square().sum().item<double>();
    }
  }
  EXPECT_LT(after, 0.05 * before);
}

TEST(Calibration, WeightedSumsAreUnbiasedAndLessNoisy) {
  const Normal normal;
  Random random(6, "points");
  Calibration calibration(normal.moments());
  constexpr int batches = 1000;
  const auto f = [](const Tensor& z) {  // E f = 1
    return z.sum(1) + z.square().mean(1) + 0.2 * z.select(1, 0).pow(3);
  };
  std::vector<double> plain, weighted;
  for (int batch = 0; batch < batches; ++batch) {
    const Tensor z = normal.standardised(80, random), values = f(z);
    plain.push_back(values.mean().item().toDouble());
    weighted.push_back((weights_of(calibration, normal.points(z)) * values).mean().item<double>());
  }
  const auto spread = [](const std::vector<double>& v) {
    return at::tensor(v, at::kDouble).std().item<double>();
  };
  EXPECT_LT(spread(weighted), 0.4 * spread(plain));
  // Of a ratio of random sums the bias is of order 1 / n, a fraction of one batch's noise.
  EXPECT_NEAR(at::tensor(weighted, at::kDouble).mean().item<double>(), 1, 0.2 * spread(weighted));
}

TEST(Calibration, FewPointsAreGivenTheirMeanOnly) {
  Random random(7, "points");
  const Tensor x = random.normal({40, 8}) + 0.3;  // 4 d <= n < 8 d
  Calibration calibration(standard_moments(8));
  const Tensor w = weights_of(calibration, x).unsqueeze(1);
  EXPECT_LT((w * x).mean(0).norm().item<double>(), 0.5 * x.mean(0).norm().item<double>());
  EXPECT_TRUE(Calibration::serves(32, 8));
  EXPECT_FALSE(Calibration::serves(31, 8));
}

TEST(Calibration, OutliersAndConstantsKeepWeightsInBounds) {
  Random random(8, "points");
  Tensor x = random.normal({64, 2});
  x[3][0] = 1e6;
  x.select(1, 1).fill_(5);
  Moments moments = standard_moments(2);
  moments.mean[1] = 5;
  moments.covariance[1][1] = 0;
  Calibration calibration(moments);
  const Tensor w = weights_of(calibration, x);
  EXPECT_TRUE(((w >= -2) & (w <= 6)).all().item<bool>());
  x[4][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(weights_of(calibration, x).eq(1).all().item<bool>());
}

}  // namespace
}  // namespace monge
