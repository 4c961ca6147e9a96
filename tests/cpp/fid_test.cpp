#include "monge/fid.h"

#include "monge/error.h"
#include "monge/features.h"
#include "monge/moments.h"
#include "monge/random.h"

#include "arrays/npz_archive.h"
#include "error_text.h"
#include "temporary_folder.h"

namespace monge {
namespace {

Moments gathered(const Tensor& points, std::int64_t block) {
  MomentSums sums;
  for (const Tensor& some : points.split(block)) sums.add(some);
  return sums.moments();
}

Tensor normal(std::int64_t n, std::int64_t d, const char* name) {
  return Random(11, name).normal({n, d});
}

TEST(Moments, OfBlocksAreThoseOfTheWhole) {
  const Tensor points = normal(1000, 5, "points") + 1e4;
  const Moments whole = gathered(points, 1000), blocks = gathered(points, 7);
  EXPECT_TRUE(at::allclose(whole.mean, points.to(at::kDouble).mean(0), 1e-12, 0));
  EXPECT_TRUE(at::allclose(whole.covariance, points.to(at::kDouble).t().cov(), 1e-9, 1e-9));
  EXPECT_TRUE(at::allclose(whole.covariance, blocks.covariance, 1e-9, 1e-9));
  MomentSums sums;
  sums.add(points);
  expect_message(error_text([&] { sums.add(at::zeros({3, 4})); }), "expected points [n, 5]");
  expect_message(error_text([] { MomentSums().moments(); }), "at least one point");
}

TEST(FrechetDistance, IsTheClosedFormOfNormalMeasures) {
  const auto real = at::TensorOptions(at::kDouble);
  const Tensor zero = at::zeros({2}, real), one = at::ones({2}, real);
  const auto diagonal = [&](double a, double b) { return at::diag(at::tensor({a, b}, real)); };
  // |m_1 - m_2|² + Σ (s_1 - s_2)² for commuting covariances.
  EXPECT_NEAR(frechet_distance({zero, diagonal(4, 9)}, {one, diagonal(1, 1)}), 2 + 1 + 4, 1e-12);
  // Singular ones too: both of rank one, on different lines.
  EXPECT_NEAR(frechet_distance({zero, diagonal(4, 0)}, {zero, diagonal(0, 9)}), 13, 1e-12);
  EXPECT_NEAR(frechet_distance({zero, diagonal(4, 0)}, {zero, diagonal(4, 0)}), 0, 1e-12);
  expect_message(error_text([&] {
                   frechet_distance({zero, diagonal(1, 1)},
                                    {at::zeros({3}, real), at::eye(3, real)});
                 }),
                 "expected features of the dimension 2, got 3");
}

// E of the plug-in estimate is the true value plus a bias of about tr(S)(...)/n: with ten times the
// points it must fall several times, and stay positive.
TEST(FrechetDistance, OfTwoSamplesFallsWithTheirNumber) {
  const auto floor = [](std::int64_t n) {
    return frechet_distance(gathered(normal(n, 16, "a"), n), gathered(normal(n, 16, "b"), n));
  };
  const double few = floor(100), more = floor(1000), many = floor(10000);
  EXPECT_GT(few, 4 * more);
  EXPECT_GT(more, 4 * many);
  EXPECT_GT(many, 0);
}

TEST(FrechetDistance, OfFewerImagesThanFeaturesIsFinite) {
  const Moments few = gathered(normal(20, 64, "few"), 20);
  EXPECT_NEAR(frechet_distance(few, few), 0, 1e-9 * few.covariance.trace().item<double>());
}

Tensor smooth_images(std::int64_t n, const char* name) {
  const Tensor coarse = Random(3, name).uniform({n, 1, 4, 4}) * 1.2 - 0.6;
  return at::upsample_bilinear2d(coarse, at::IntArrayRef{32, 32}, false, std::nullopt);
}

TEST(FrechetDistance, InOfflineFeaturesRisesAsImagesAreShifted) {
  const auto network = offline_features();
  const auto moments = [&](const Tensor& images) {
    return gathered(network->features(images), images.size(0));
  };
  const Tensor images = smooth_images(300, "a");
  const Moments reference = moments(smooth_images(300, "b"));
  double before = frechet_distance(moments(images), reference);
  for (const double brighter : {0.1, 0.2, 0.4}) {
    const double shifted = frechet_distance(moments(images + brighter), reference);
    EXPECT_GT(shifted, 1.2 * before) << brighter;
    before = shifted;
  }
}

TEST(KernelDistance, IsUnbiasedAndSeesAShift) {
  double sum = 0, squares = 0;
  constexpr int times = 200;
  for (int i = 0; i < times; ++i) {
    Random random(static_cast<std::uint64_t>(i), "kernel");
    const double value = kernel_distance(random.normal({8, 3}), random.normal({5, 3}));
    sum += value;
    squares += value * value;
  }
  const double mean = sum / times;
  const double error = std::sqrt((squares / times - mean * mean) / times);
  EXPECT_LT(std::abs(mean), 5 * error);  // false alarm below 1e-6
  EXPECT_GT(kernel_distance(normal(200, 3, "x"), normal(200, 3, "y") + 1), 1);
  EXPECT_THROW(kernel_distance(at::zeros({1, 3}), at::zeros({4, 3})), Error);
}

TEST(FeatureStatistics, ComeBackAsTheyWere) {
  const TemporaryFolder folder;
  const Moments moments = gathered(normal(50, 6, "points"), 50);
  write_feature_statistics(folder / "s.npz", moments);
  const Moments back = read_feature_statistics(folder / "s.npz");
  EXPECT_TRUE(at::equal(back.mean, moments.mean));
  EXPECT_TRUE(at::equal(back.covariance, moments.covariance));
  EXPECT_THROW(write_feature_statistics(folder / "s.npz", moments, Existing::keep), Error);
  EXPECT_EQ(folder.entries(), 1);
}

TEST(FeatureStatistics, SayWhatAFileLacks) {
  const TemporaryFolder folder;
  const auto complaint = [&](const std::map<std::string, Tensor>& arrays) {
    write_npz_double(folder / "s.npz", arrays, Existing::replace);
    return error_text([&] { read_feature_statistics(folder / "s.npz"); });
  };
  const Tensor mu = at::zeros({3}, at::kDouble), sigma = at::eye(3, at::kDouble);
  expect_message(complaint({{"mu", mu}}), "sigma");
  expect_message(complaint({{"mu", mu}, {"sigma", at::eye(4, at::kDouble)}}),
                 "expected mu [d] and sigma [d, d], got [3] and [4, 4]");
  expect_message(complaint({{"mu", mu * std::nan("")}, {"sigma", sigma}}), "finite");
  expect_message(complaint({{"mu", mu}, {"sigma", sigma + sigma.roll(1)}}), "symmetric");
}

}  // namespace
}  // namespace monge
