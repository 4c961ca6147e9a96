#include "monge/map_images.h"

#include "error_text.h"
#include "image_fixture.h"

#include <fstream>

namespace monge {
namespace {

Tensor image_of(std::int64_t height, std::int64_t width, std::int64_t channels = 3) {
  Random random(1, "image");
  return 2 * random.uniform({channels, height, width}) - 1;
}

ImageMapping mapping(std::int64_t side, std::function<Tensor(const Tensor&)> function,
                     std::int64_t channels = 3) {
  return {.function = std::move(function), .shape = {channels, side, side}};
}

TEST(Tiles, TheIdentityLeavesAnImageOfAnySizeAsItIs) {
  for (const auto& [height, width] : {std::pair(8, 8), {9, 12}, {23, 16}, {40, 31}}) {
    const Tensor image = image_of(height, width);
    const Tensor mapped = map_by_tiles(mapping(8, [](const Tensor& x) { return x; }), image);
    EXPECT_TRUE(at::allclose(mapped, image, 0, 1e-6)) << height << " " << width;
  }
}

TEST(Tiles, AMapOfPixelsIsThatOfTheWholeImage) {
  const Tensor image = image_of(21, 34, 1);
  const auto squared = [](const Tensor& x) { return x * x - 0.5; };
  EXPECT_TRUE(at::allclose(map_by_tiles(mapping(6, squared, 1), image), squared(image), 0, 1e-6));
}

/// Every tile gets a level of its own: between them the image changes no faster than the windows
/// do, pi / side of the difference of the levels in a pixel along an axis.
TEST(Tiles, TilesThatDisagreeAreBlendedWithoutSeams) {
  constexpr std::int64_t side = 16;
  Random random(2, "levels");
  const Tensor mapped = map_by_tiles(
      mapping(side, [&](const Tensor& x) { return random.uniform({x.size(0), 1}).expand_as(x); }),
      image_of(70, 50));
  const double fastest = 3.15 / side;
  EXPECT_LT(mapped.diff(1, 1).abs().max().item<double>(), fastest);
  EXPECT_LT(mapped.diff(1, 2).abs().max().item<double>(), fastest);
  EXPECT_GT(mapped.max().item<double>() - mapped.min().item<double>(), 0.5);
}

/// A place is mapped alike wherever it stands, up to the tiles: the border's tiles see the image's
/// mirror image, not black.
TEST(Tiles, TheBorderIsMappedAsTheMiddle) {
  const Tensor image = at::full({1, 30, 30}, 0.25f);
  const auto at_its_place = [](const Tensor& x) {  // 0 at the border of a tile, as a network's
    const Tensor tiles = x.view({-1, 1, 8, 8}).clone();
    for (const std::int64_t edge : {0, 7}) {
      tiles.select(2, edge).zero_();
      tiles.select(3, edge).zero_();
    }
    return tiles.flatten(1);
  };
  const Tensor mapped = map_by_tiles(mapping(8, at_its_place, 1), image);
  EXPECT_TRUE(at::allclose(mapped.narrow(1, 0, 4), mapped.narrow(1, 8, 4), 0, 1e-6));
  EXPECT_GT(mapped.min().item<double>(), 0.2);
}

TEST(Tiles, RefusesAMapOfOtherImages) {
  const auto refused = [](std::vector<std::int64_t> shape) {
    return error_text([&] {
      map_by_tiles({.function = [](const Tensor& x) { return x; }, .shape = std::move(shape)},
                   image_of(20, 20));
    });
  };
  expect_message(refused({3, 7, 7}), "an even number of pixels a side, got [3, 7, 7]");
  expect_message(refused({3, 8, 6}), "got [3, 8, 6]");
}

class TiledPhotographs : public ImageTest {
 protected:
  static ImageMapping darker() {
    return mapping(8, [](const Tensor& x) { return 0.5 * x - 0.5; });
  }
};

TEST_F(TiledPhotographs, AreMappedAtTheirOwnSize) {
  const auto in = save(rgb(noise(21, 33, 3, 8)), "in.png");
  map_photograph(darker(), in, at("out.png"), Existing::keep);
  const Tensor from = read(in).to(at::kDouble), to = read(at("out.png")).to(at::kDouble);
  EXPECT_EQ(to.sizes(), from.sizes());
  EXPECT_LE((to - 0.5 * from).abs().max().item<double>(), 0.51);
  EXPECT_NE(message_of([&] {
              map_photograph(darker(), in, at("out.png"), Existing::keep);
            }).find("exists"),
            std::string::npos);
}

TEST_F(TiledPhotographs, OfAFolderKeepTheirNamesAndSizes) {
  std::filesystem::create_directories(at("in/deep"));
  save(rgb(noise(12, 20, 3, 8)), "in/a.png");
  save(rgb(noise(30, 9, 3, 8)), "in/deep/b.png");
  std::ofstream(at("in/c.txt")) << "hello";
  const MappedFolder done = map_photograph_folder(darker(), at("in"), at("out"), Existing::keep);
  EXPECT_EQ(done.images, 2);
  ASSERT_EQ(done.skipped.size(), 1u);
  EXPECT_EQ(done.skipped[0].name, "c.txt");
  EXPECT_EQ(read(at("out/a.png")).sizes(), read(at("in/a.png")).sizes());
  EXPECT_EQ(read(at("out/deep/b.png")).sizes(), read(at("in/deep/b.png")).sizes());
}

/// A ramp of a photograph is one of half the slope in what is twice as large.
TEST_F(TiledPhotographs, AreEnlargedForAMapOfDownscaledOnes) {
  const Tensor ramp = (6 * at::arange(40)).view({1, 40, 1}).expand({11, 40, 3});
  const auto in = save(rgb(ramp), "in.png");
  ImageMapping enlarging = mapping(16, [](const Tensor& x) { return x; });
  enlarging.downscale = 2;
  map_photograph(enlarging, in, at("out.png"), Existing::keep);
  const Tensor large = read(at("out.png"));
  EXPECT_EQ(large.sizes(), (at::IntArrayRef{22, 80, 3}));
  EXPECT_LE((large.narrow(1, 4, 72).diff(1, 1) - 3).abs().max().item<int>(), 1);
  save(rgb(noise(7, 20, 3, 8)), "small.png");
  EXPECT_NE(message_of([&] {
              map_photograph(enlarging, at("small.png"), at("new.png"), Existing::keep);
            }).find("of at least 8x8 pixels, a tile of the map, got one of 20x7"),
            std::string::npos);
}

TEST_F(TiledPhotographs, LoseTheirColoursForAMapOfGreyOnes) {
  const auto in = save(rgb(noise(12, 12, 3, 8)), "in.png");
  ImageMapping colouring = mapping(8, [](const Tensor& x) { return x; });
  colouring.grey = true;
  map_photograph(colouring, in, at("grey.png"), Existing::keep);
  const Tensor grey = read(at("grey.png"));
  EXPECT_EQ(grey.size(2), 3);
  EXPECT_TRUE(at::equal(grey.select(2, 0), grey.select(2, 1)) &&
              at::equal(grey.select(2, 0), grey.select(2, 2)));
  map_photograph(colouring, at("grey.png"), at("again.png"), Existing::keep);
  EXPECT_LE((read(at("again.png")) - grey).abs().max().item<int>(), 1);
}

TEST_F(TiledPhotographs, SmallerThanATileAreRefusedBeforeAnythingIsWritten) {
  const auto in = save(rgb(noise(7, 33, 3, 8)), "in.png");
  const std::string text =
      message_of([&] { map_photograph(darker(), in, at("out.png"), Existing::keep); });
  EXPECT_EQ(text, in.string() +
                      ": expected a photograph of at least 8x8 pixels, a tile of the map, got one "
                      "of 33x7");
  EXPECT_FALSE(std::filesystem::exists(at("out.png")));
  save(rgb(noise(20, 20, 3, 8)), "a.png");
  std::filesystem::create_directories(at("set"));
  for (const char* name : {"a.png", "in.png"}) std::filesystem::rename(at(name), at("set") / name);
  EXPECT_NE(message_of([&] {
              map_photograph_folder(darker(), at("set"), at("moved"), Existing::keep);
            }).find("in.png: expected a photograph of at least 8x8"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(at("moved")));
}

}  // namespace
}  // namespace monge
