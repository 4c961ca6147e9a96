#include "monge/measures/crops.h"

#include "monge/error.h"

#include "error_text.h"
#include "image_fixture.h"

#include <fstream>
#include <set>

namespace monge {
namespace {

/// Levels that tell where they are, [3, height, width]: the row and the column in the first two.
Tensor charted(std::int64_t height, std::int64_t width) {
  const Tensor rows = at::arange(height).view({-1, 1}).expand({height, width});
  const Tensor columns = at::arange(width).view({1, -1}).expand({height, width});
  return at::stack({rows, columns, at::zeros({height, width}, at::kLong)}).to(at::kByte);
}

/// Crops as levels, [n, 3, s, s].
Tensor crops_of(const CropMeasure& measure, std::int64_t n, std::uint64_t seed = 1) {
  Random random(seed, "crops");
  const auto shape = measure.shape();
  return (measure.sample(n, random).view({n, shape[0], shape[1], shape[2]}) + 1) * 127.5;
}

TEST(Crops, AreWindowsAtEveryPlaceAlike) {
  const CropMeasure measure({charted(7, 9)}, {.size = 4}, "test");
  EXPECT_EQ(measure.shape(), (std::vector<std::int64_t>{3, 4, 4}));
  constexpr std::int64_t n = 4800;  // 24 places of 200 crops each
  const Tensor crops = crops_of(measure, n);
  const Tensor top = crops.select(1, 0).select(1, 0).select(1, 0);
  const Tensor left = crops.select(1, 1).select(1, 0).select(1, 0);
  const Tensor steps = at::arange(4, at::kFloat);
  EXPECT_TRUE(at::allclose(crops.select(1, 0),
                           top.view({n, 1, 1}) + steps.view({1, 4, 1}).expand({n, 4, 4}), 0, 1e-3));
  EXPECT_TRUE(at::allclose(
      crops.select(1, 1), left.view({n, 1, 1}) + steps.view({1, 1, 4}).expand({n, 4, 4}), 0, 1e-3));
  const Tensor counts =
      at::bincount((top.round() * 6 + left.round()).to(at::kLong)).to(at::kDouble);
  ASSERT_EQ(counts.numel(), 24);
  // Chi-squared of 23 degrees of freedom exceeds 60 with probability 4e-5.
  EXPECT_LT(((counts - 200).square() / 200).sum().item<double>(), 60);
}

TEST(Crops, AreMirroredHalfOfTheTime) {
  constexpr std::int64_t n = 1000;
  const CropMeasure measure({charted(4, 4)}, {.size = 4, .flip = true}, "test");
  const Tensor columns = crops_of(measure, n).select(1, 1);
  const Tensor mirrored = columns.select(1, 0).select(1, 0).gt(1);
  EXPECT_TRUE(at::allclose(columns.index({mirrored}).flip(2)[0], columns.index({~mirrored})[0]));
  // Five standard deviations.
  EXPECT_NEAR(mirrored.sum().item<double>() / n, 0.5, 5 * 0.5 / std::sqrt(double(n)));
}

TEST(Crops, OfEveryPhotographAlike) {
  std::vector<Tensor> photographs;
  for (const int level : {10, 20, 30})
    photographs.push_back(at::full({1, 5 + level, 6}, level, at::kByte));
  const CropMeasure measure(photographs, {.size = 5}, "test");
  const Tensor levels = crops_of(measure, 900).mean({1, 2, 3});
  for (const int level : {10, 20, 30})
    EXPECT_NEAR((levels - level).abs().lt(0.1).sum().item<double>(), 300, 5 * std::sqrt(200.0));
}

/// On ramps the row's and the column's slopes are the cosine and the sine of the angle.
TEST(Crops, AreTurnedByEveryAngleUpToTheLargest) {
  const CropMeasure measure({charted(60, 50)}, {.size = 16, .rotation = 30}, "test");
  const Tensor crops = crops_of(measure, 500).to(at::kDouble);
  const Tensor rows = crops.select(1, 0);
  const Tensor down = (rows.select(1, 15) - rows.select(1, 0)).mean(1) / 15;
  const Tensor right = (rows.select(2, 15) - rows.select(2, 0)).mean(1) / 15;
  EXPECT_TRUE(at::allclose(down.square() + right.square(), at::ones_like(down), 0, 1e-4));
  const Tensor degrees = at::atan2(right, down) * (180 / 3.14159265358979);
  EXPECT_LE(degrees.abs().max().item<double>(), 30.01);
  EXPECT_GT(degrees.max().item<double>(), 28);  // missed with probability 5e-8
  EXPECT_LT(degrees.min().item<double>(), -28);
  EXPECT_GE(crops.min().item<double>(), -1e-3);
  EXPECT_LE(crops.select(1, 0).max().item<double>(), 59.001);
}

TEST(Crops, HaveTheNoiseThatIsAskedFor) {
  const CropMeasure measure({at::full({1, 20, 20}, 128, at::kByte)}, {.size = 10, .noise = 0.05},
                            "test");
  Random random(2, "crops");
  const Tensor points = measure.sample(100, random);
  EXPECT_NEAR(points.std().item<double>(), 0.05, 5 * 0.05 / std::sqrt(2e4));
  EXPECT_NEAR(points.mean().item<double>(), 128 / 127.5 - 1, 5 * 0.05 / 100);
}

TEST(Crops, FollowTheirSeed) {
  const CropMeasure measure({charted(30, 30)},
                            {.size = 8, .flip = true, .rotation = 10, .noise = 0.1}, "test");
  EXPECT_TRUE(at::equal(crops_of(measure, 20, 5), crops_of(measure, 20, 5)));
  EXPECT_FALSE(at::equal(crops_of(measure, 20, 5), crops_of(measure, 20, 6)));
}

TEST(Crops, NeedRoomHoweverTheyAreTurned) {
  const auto refused = [](std::int64_t side, const CropOptions& options) {
    return error_text([&] { CropMeasure({charted(side, 40)}, options, "photo.jpg"); });
  };
  EXPECT_EQ(refused(7, {.size = 8}),
            "photo.jpg: expected photographs of at least 8x8 pixels, for crops of 8, got one of "
            "40x7");
  EXPECT_EQ(refused(8, {.size = 8}), "");
  // 7 (cos 45 + sin 45) + 1 = 10.9
  EXPECT_NE(refused(10, {.size = 8, .rotation = 90}).find("at least 11x11 pixels"),
            std::string::npos);
  EXPECT_EQ(refused(11, {.size = 8, .rotation = 90}), "");
}

class CropFiles : public ImageTest {
 protected:
  void flat(const std::string& name, int level, std::int64_t height, std::int64_t width,
            std::int64_t bands = 3) const {
    std::filesystem::create_directories(at(name).parent_path());
    save(picture(at::full({height, width, bands}, level, at::kInt), 8,
                 bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB),
         name);
  }
  std::string refused(const CropOptions& options) const {
    return message_of([&] { make_crops(options, "source"); });
  }
  static const CropMeasure& crops(const std::shared_ptr<const Measure>& measure) {
    return dynamic_cast<const CropMeasure&>(*measure);
  }
};

TEST_F(CropFiles, AFolderIsReadAndWhatIsNoPictureSkipped) {
  flat("set/a.png", 100, 30, 20);
  flat("set/deep/b.png", 200, 20, 40);
  std::ofstream(at("set/c.txt")) << "hello";
  const auto whole = save(rgb(noise(64, 64, 3, 8)), "whole.jpg");
  const std::string bytes = read_text(whole);
  std::ofstream(at("set/d.jpg"), std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  const auto measure = make_crops({.file = at("set").string(), .size = 8, .short_side = 16}, "x");
  EXPECT_EQ(crops(measure).count(), 2);
  ASSERT_EQ(crops(measure).skipped().size(), 2u);
  EXPECT_EQ(crops(measure).skipped()[0].name, "c.txt");
  EXPECT_EQ(crops(measure).skipped()[1].name, "d.jpg");
  const Tensor levels = crops_of(crops(measure), 100).mean({1, 2, 3}).round().to(at::kInt);
  const auto* found = levels.const_data_ptr<int>();
  EXPECT_EQ(std::set<int>(found, found + 100), (std::set<int>{100, 200}));
}

TEST_F(CropFiles, APhotographIsResizedByItsShorterSide) {
  flat("a.png", 50, 40, 80);
  CropOptions options{.file = at("a.png").string(), .size = 10, .short_side = 10};
  EXPECT_EQ(make_crops(options, "x")->shape(), (std::vector<std::int64_t>{3, 10, 10}));
  options.size = 11;
  EXPECT_NE(refused(options).find("at least 11x11 pixels, for crops of 11, got one of 20x10"),
            std::string::npos);
  options.channels = 1;
  options.short_side = 0;
  EXPECT_EQ(make_crops(options, "x")->shape(), (std::vector<std::int64_t>{1, 11, 11}));
}

/// A ramp is reproduced by a cubic convolution; the alternating lines beside it, which a
/// photograph of half the size cannot hold, become their mean.
TEST_F(CropFiles, APhotographIsDownscaledAndKeepsItsSize) {
  const Tensor columns = at::arange(41).view({1, 41}).expand({32, 41});
  const Tensor lines = 80 + 100 * (at::arange(32) % 2).view({32, 1}).expand({32, 41});
  save(rgb(at::stack({5 * columns, lines, at::full({32, 41}, 7)}, 2)), "a.png");
  const auto measure =
      make_crops({.file = at("a.png").string(), .size = 32, .downscale = 2}, "source");
  const Tensor middle = crops_of(crops(measure), 20).narrow(2, 8, 16).narrow(3, 8, 16);
  const Tensor ramp = middle.select(1, 0);
  EXPECT_LE((ramp.diff(1, 2) - 5).abs().max().item<double>(), 2);  // each rounded twice
  EXPECT_LE(ramp.diff(1, 1).abs().max().item<double>(), 0.01);
  EXPECT_LE((middle.select(1, 1) - 130).abs().max().item<double>(), 1.01);
  EXPECT_LE((middle.select(1, 2) - 7).abs().max().item<double>(), 0.01);
}

TEST_F(CropFiles, APhotographThatIsDownscaledToNothingIsItsMean) {
  save(rgb(noise(6, 6, 3, 8)), "a.png");
  const auto measure =
      make_crops({.file = at("a.png").string(), .size = 6, .downscale = 16}, "source");
  const Tensor crop = crops_of(crops(measure), 1)[0];
  EXPECT_LE((crop - crop.narrow(1, 0, 1).narrow(2, 0, 1)).abs().max().item<double>(), 0.01);
}

TEST_F(CropFiles, ColoursAreTakenOut) {
  std::filesystem::create_directories(at("set"));
  save(rgb(noise(9, 9, 3, 8)), "set/colour.png");
  CropOptions options{.file = at("set").string(), .size = 9, .grey = true};
  const Tensor crop = crops_of(crops(make_crops(options, "x")), 1)[0];
  ASSERT_EQ(crop.size(0), 3);
  EXPECT_TRUE(at::equal(crop[0], crop[1]) && at::equal(crop[0], crop[2]));
  EXPECT_GT(crop.std().item<double>(), 10);
  flat("set/grey.png", 90, 9, 9, 1);  // of one channel: it stays what it is, beside the others
  const Tensor levels = crops_of(crops(make_crops(options, "x")), 50).flatten(1);
  EXPECT_TRUE((levels - 90).abs().lt(0.01).all(1).any().item<bool>());
  options.channels = 1;
  EXPECT_EQ(make_crops(options, "x")->shape(), (std::vector<std::int64_t>{1, 9, 9}));
}

TEST_F(CropFiles, WhatCannotBeCroppedIsRefusedInOneLine) {
  flat("mixed/a.png", 10, 20, 20);
  flat("mixed/grey.png", 10, 20, 20, 1);
  flat("small/a.png", 10, 20, 20);
  flat("small/b.png", 10, 9, 20);
  std::filesystem::create_directories(at("empty"));
  const auto says = [&](const CropOptions& options, const std::string& words) {
    const std::string text = refused(options);
    EXPECT_NE(text.find(words), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  };
  says({.file = at("mixed").string(), .size = 8}, "1 in grey.png");
  says({.file = at("small").string(), .size = 10}, "got one of 20x9");
  says({.file = at("empty").string()}, "got an empty one");
  says({.file = at("nothing.jpg").string()}, "nothing.jpg");
  says({}, "source.file: expected a photograph or a folder of them, got none");
  says({.file = at("small").string(), .channels = 2}, "source.channels: expected 0, 1 or 3");
  EXPECT_EQ(refused({.file = at("mixed").string(), .size = 8, .channels = 3}), "no error");
}

}  // namespace
}  // namespace monge
