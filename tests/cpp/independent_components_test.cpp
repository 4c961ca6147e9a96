#include "independent_components.h"

#include "monge/random.h"

#include <gtest/gtest.h>

namespace monge {
namespace {

constexpr std::int64_t d = 12;

/// Points A s of independent coordinates s of variance 1, half of them uniform and half Laplace.
Tensor mixed(const Tensor& a, std::int64_t n, Random& random) {
  Tensor s = (random.uniform({n, d}).to(at::kDouble) - 0.5) * std::sqrt(12.0);
  const Tensor u = random.uniform({n, d / 2}).to(at::kDouble) - 0.5;
  s.narrow(1, 0, d / 2).copy_(-u.sign() * (1 - 2 * u.abs()).clamp_min(1e-12).log() / std::sqrt(2));
  return s.mm(a.t()) + 3;
}

TEST(IndependentComponents, AreThoseThatWereMixed) {
  Random random(0, "components");
  const Tensor a = random.normal({d, d}).to(at::kDouble) + 2 * at::eye(d, at::kDouble);
  const Tensor rows = independent_components(mixed(a, 20000, random), random);
  ASSERT_EQ(rows.sizes(), (at::IntArrayRef{d, d}));
  EXPECT_LT((rows.norm(2, {1}) - 1).abs().max().item<double>(), 1e-6);
  // Each row picks one coordinate of s out of A s, and each coordinate is picked.
  const Tensor picked = rows.mm(a).abs();
  const Tensor shares = picked / picked.norm(2, {1}, true);
  EXPECT_GT(std::get<0>(shares.max(1)).min().item<double>(), 0.99);
  EXPECT_GT(std::get<0>(shares.max(0)).min().item<double>(), 0.99);
}

TEST(IndependentComponents, AreThereForGaussiansAndForPointsOfAPlane) {
  Random random(1, "components");
  const Tensor flat = random.normal({500, 2}).mm(random.normal({2, d}));
  const Tensor rows = independent_components(flat, random);
  ASSERT_EQ(rows.sizes(), (at::IntArrayRef{2, d}));
  EXPECT_TRUE(rows.isfinite().all().item<bool>());
  EXPECT_EQ(independent_components(at::ones({9, d}), random).size(0), 0);
}

}  // namespace
}  // namespace monge
