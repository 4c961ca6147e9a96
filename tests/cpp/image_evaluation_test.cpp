#include "image_evaluation.h"

#include "monge/error.h"
#include "monge/fid.h"
#include "monge/measures/array.h"
#include "monge/moments.h"

#include "error_text.h"
#include "evaluation_points.h"
#include "image/png.h"
#include "image/vips_session.h"
#include "image_samples.h"
#include "temporary_folder.h"

namespace monge {
namespace {

constexpr std::int64_t side = 16;

/// Rows of smooth images around a level of grey.
Tensor smooth_rows(std::int64_t n, std::int64_t channels, double level, const char* name) {
  const Tensor coarse = Random(3, name).uniform({n, channels, 4, 4}) * 1.2 - 0.6;
  return (at::upsample_bilinear2d(coarse, at::IntArrayRef{side, side}, false, std::nullopt) + level)
      .flatten(1);
}

std::shared_ptr<const ArrayMeasure> smooth_measure(std::int64_t n, std::int64_t channels,
                                                   double level, const char* name) {
  return std::make_shared<ArrayMeasure>(smooth_rows(n, channels, level, name),
                                        std::vector{channels, side, side});
}

/// T(x, z) = x + shift + noise · z, one z for all pixels of an image.
class Brighter final : public StochasticMap {
 public:
  Brighter(double shift, double noise, std::int64_t dimension)
      : shift_(shift), noise_(noise), dimension_(dimension) {}
  std::int64_t dimension() const override { return dimension_; }
  std::int64_t noise_dimension() const override { return 1; }
  Tensor transport(const Tensor& x, const Tensor& z) const override {
    return x + shift_ + noise_ * z;
  }

 private:
  double shift_, noise_;
  std::int64_t dimension_;
};

Solution affine(double shift, std::int64_t dimension) {
  return {std::make_shared<AffineTransportMap>(
              AffineMap{at::eye(dimension), at::full({dimension}, shift)}),
          nullptr};
}

double figure(const std::vector<EvaluatedFigure>& figures, const std::string& name) {
  const auto found = std::ranges::find(figures, name, &EvaluatedFigure::name);
  if (found == figures.end()) throw std::out_of_range(name);
  return found->value;
}

class ImageEvaluation : public testing::TestWithParam<std::int64_t> {};
TEST_P(ImageEvaluation, TellsTheRightMapFromTheIdentity) {
  const std::int64_t channels = GetParam(), d = channels * side * side;
  const auto source = smooth_measure(300, channels, -0.3, "source");
  const auto target = smooth_measure(600, channels, 0.3, "target");
  const auto judged = [&](double shift) {
    return evaluate_solution(affine(shift, d), *source, *target, 1000, 0);
  };
  const auto right = judged(0.6), still = judged(0);
  EXPECT_EQ(figure(right, "points"), 300);
  EXPECT_LT(figure(right, "offline_frechet"), 1.5 * figure(right, "offline_frechet_floor"));
  EXPECT_GT(figure(right, "offline_frechet_identity"), 3 * figure(right, "offline_frechet"));
  EXPECT_NEAR(figure(still, "offline_frechet"), figure(still, "offline_frechet_identity"), 1e-6);
  EXPECT_GT(figure(still, "offline_kernel"), 10 * std::abs(figure(right, "offline_kernel")));
  EXPECT_GT(figure(still, "energy_distance"), 10 * figure(right, "energy_distance"));
  const double root = std::sqrt(static_cast<double>(d));
  EXPECT_NEAR(figure(right, "l2"), 0.6 * root, 1e-3);
  EXPECT_NEAR(figure(right, "transport_cost"), 0.18 * root * root, 1e-2);
  EXPECT_GT(figure(right, "offline_perceptual"), 0);
  EXPECT_EQ(figure(still, "offline_perceptual"), 0);
  for (const auto& [name, value, meaning] : right) {
    EXPECT_NE(name, "fid");
    EXPECT_TRUE(std::isfinite(value)) << name;
  }
}
INSTANTIATE_TEST_SUITE_P(Channels, ImageEvaluation, testing::Values(1, 3));

TEST(ImageEvaluation, SaysOfEveryFeatureFigureWhichFeaturesTheyAre) {
  const auto measure = smooth_measure(20, 1, 0, "images");
  const auto figures = evaluate_solution(affine(0, side * side), *measure, *measure, 10, 0);
  for (const char* name : {"offline_frechet", "offline_kernel", "offline_perceptual"}) {
    const auto found = std::ranges::find(figures, name, &EvaluatedFigure::name);
    ASSERT_NE(found, figures.end());
    EXPECT_NE(found->meaning.find("offline features (Fashion-MNIST classifier)"),
              std::string::npos);
  }
}

TEST(ImageEvaluation, MeasuresDiversityOverTheNoise) {
  const auto source = smooth_measure(200, 1, 0, "source");
  const auto judged = [&](double noise, double gamma) {
    const Solution solution{std::make_shared<Brighter>(0, noise, side * side), nullptr};
    return evaluate_solution(solution, *source, *source, 100, 0, {.gamma = gamma});
  };
  const auto noisy = judged(0.2, 1), plain = judged(0, 1);
  // |T(x, z) - T(x, z')| = 0.2 |z - z'| sqrt(d), and E|z - z'| = 2 / sqrt(pi).
  EXPECT_NEAR(figure(noisy, "diversity"), 0.2 * 1.128 * side, 0.4);
  EXPECT_GT(figure(noisy, "offline_perceptual_diversity"), 0);
  EXPECT_EQ(figure(plain, "diversity"), 0);
  EXPECT_EQ(figure(plain, "offline_perceptual_diversity"), 0);
  // The identity, which the weak cost wants of a source that is its own target.
  EXPECT_TRUE(warnings_of(plain).empty());
  // An expansion that ignores the noise has collapsed.
  const AffineMap twice{2 * at::eye(side * side), at::zeros({side * side})};
  class Deaf final : public StochasticMap {
   public:
    explicit Deaf(AffineMap map) : map_(std::move(map)) {}
    std::int64_t dimension() const override { return map_.dimension(); }
    std::int64_t noise_dimension() const override { return 1; }
    Tensor transport(const Tensor& x, const Tensor&) const override { return map_.transport(x); }

   private:
    AffineTransportMap map_;
  };
  const auto collapsed = evaluate_solution({std::make_shared<Deaf>(twice), nullptr}, *source,
                                           *source, 100, 0, {.gamma = 1});
  EXPECT_EQ(warnings_of(collapsed).size(), 1u);
}

TEST(ImageEvaluation, ComparesWithStatisticsOfTheWholeTarget) {
  const TemporaryFolder folder;
  const auto target = smooth_measure(200, 1, 0, "target");
  MomentSums sums;
  sums.add(offline_features()->features(target->rows().view({200, 1, side, side})));
  write_feature_statistics(folder / "target.npz", sums.moments());
  Config config;
  config.sections["evaluate"] = {{"statistics", (folder / "target.npz").string()}};
  const auto figures = evaluate_solution(affine(0, side * side), *target, *target, 1000, 0,
                                         evaluation_settings(config, *target, *target));
  EXPECT_LT(figure(figures, "offline_frechet_statistics"),
            figure(figures, "offline_frechet_floor"));

  write_feature_statistics(folder / "target.npz",
                           {at::zeros({3}, at::kDouble), at::eye(3, at::kDouble)});
  expect_message(error_text([&] { evaluation_settings(config, *target, *target); }),
                 "expected statistics of the 128 features of offline features (Fashion-MNIST "
                 "classifier), got of 3");
  config.sections["evaluate"] = {{"features", (folder / "target.npz").string()}};
  expect_message(error_text([&] { evaluation_settings(config, *target, *target); }), "safetensors");
  const ArrayMeasure points(at::zeros({3, 2}));
  expect_message(error_text([&] { evaluation_settings(config, points, points); }),
                 "evaluate.features: expected a target of images with 1 or 3 channels, got one of "
                 "[2]");
}

TEST(ImageEvaluation, NeedsImagesOfBothMeasures) {
  const auto few = smooth_measure(3, 1, 0, "few");
  expect_message(error_text([&] { evaluate_solution(affine(0, side * side), *few, *few, 10, 0); }),
                 "at least 2 source and 4 target images");
}

// 3072 coordinates: nothing of the size of their covariance, no exact plan between thousands.
TEST(ImageEvaluation, WatchesImagesInPixelsAndInFeatures) {
  const std::int64_t d = side * side;
  const auto source = smooth_measure(400, 1, -0.3, "source");
  const auto target = smooth_measure(400, 1, 0.3, "target");
  const EvaluationPoints points = draw_evaluation_points(*source, *target, 100, 0);
  const Quality right = watched_quality(affine(0.6, d), points);
  const Quality still = watched_quality(affine(0, d), points);
  ASSERT_EQ(right.figures.size(), 4u);
  EXPECT_EQ(right.figures[1].first, "energy distance in features");
  EXPECT_EQ(right.figures[2].first, "offline_frechet");
  EXPECT_LT(right.figures[2].second, 0.5 * still.figures[2].second);
  EXPECT_EQ(right.figures[3].first, "l2");
  EXPECT_NEAR(right.figures[3].second, 0.6 * std::sqrt(static_cast<double>(d)), 1e-3);
  EXPECT_NEAR(still.figures[3].second, 0, 1e-6);
  EXPECT_NEAR(right.value, right.figures[0].second + right.figures[1].second, 1e-12);
  EXPECT_LT(std::abs(right.value), 3 * right.noise);
  EXPECT_GT(still.value, 10 * right.noise);
  EXPECT_GT(still.figures[1].second, 5 * right.noise);
}

TEST(Png, HoldsTheImageThatLibvipsReadsBack) {
  for (const std::int64_t channels : {1, 3}) {
    const Tensor levels =
        at::arange(channels * 5 * 7, at::kInt).mul(37).remainder(256).view({channels, 5, 7});
    const std::string png = image::png_of(levels.to(at::kFloat) / 127.5 - 1);
    image::start_vips();
    const vips::VImage read = vips::VImage::new_from_buffer(png.data(), png.size(), "")
                                  .cast(VIPS_FORMAT_INT)
                                  .copy_memory();
    ASSERT_EQ(read.bands(), channels);
    const Tensor back =
        at::from_blob(const_cast<void*>(read.data()), {5, 7, channels}, at::kInt).clone();
    EXPECT_TRUE(at::equal(back.permute({2, 0, 1}), levels));
  }
  expect_message(error_text([] { image::png_of(at::zeros({2, 4, 4})); }), "c = 1 or 3");
}

TEST(Grid, HasTheImagesInRowsWithLinesBetween) {
  const Tensor images = at::arange(3, at::kFloat).view({3, 1, 1, 1}).expand({3, 1, 2, 2}) / 4;
  const Tensor grid = image::grid_of(images, 2, 3);
  ASSERT_EQ(grid.sizes(), (at::IntArrayRef{1, 18, 18}));
  EXPECT_TRUE(grid.narrow(2, 10, 6).narrow(1, 2, 6).eq(0.25).all().item<bool>());
  EXPECT_TRUE(grid.narrow(2, 2, 6).narrow(1, 10, 6).eq(0.5).all().item<bool>());
  EXPECT_TRUE(grid.narrow(1, 8, 2).eq(1).all().item<bool>());
  EXPECT_TRUE(grid.narrow(2, 10, 6).narrow(1, 10, 6).eq(1).all().item<bool>());
}

TEST(SampleGrids, ShowWhatAMapMakesOfImages) {
  const std::vector<std::int64_t> shape{1, side, side};
  const auto measure = smooth_measure(20, 1, 0, "images");
  const Tensor x = sample_images(*measure, 5, 0);
  EXPECT_TRUE(at::equal(x, sample_images(*measure, 5, 0)));
  EXPECT_EQ(sample_images(*measure, 50, 0).size(0), 20);
  const auto plain = sample_grids(*affine(0.5, side * side).map, x, shape);
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_EQ(plain[0].image.size(1), 2 * (4 * side + 2) + 2);  // two rows, pixels four wide
  EXPECT_EQ(plain[0].image.size(2), 5 * (4 * side + 2) + 2);
  const auto noisy = sample_grids(Brighter(0, 0.1, side * side), x, shape);
  ASSERT_EQ(noisy.size(), 2u);
  EXPECT_EQ(noisy[0].image.size(1), 5 * (4 * side + 2) + 2);
  EXPECT_EQ(noisy[1].image.size(2), 8 * (4 * side + 2) + 2);
}

}  // namespace
}  // namespace monge
