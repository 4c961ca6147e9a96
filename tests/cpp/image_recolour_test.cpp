#include "image/decode.h"
#include "image/recolour.h"
#include "image_fixture.h"

#include <fstream>
#include <unistd.h>

namespace monge {
namespace {

Tensor identity(const Tensor& colours) { return colours; }
Tensor inversion(const Tensor& colours) { return 1 - colours; }

/// Not monotone, mixes channels, leaves [0, 1] on both sides.
Tensor swirl(const Tensor& colours) {
  return at::stack({1.4 * colours.select(1, 1) - 0.2, at::sin(9 * colours.select(1, 2)),
                    colours.select(1, 0) * colours.select(1, 1)},
                   1);
}

Tensor direct(const ColourFunction& map, const Tensor& levels, int bits) {
  const auto full = static_cast<float>((1 << bits) - 1);
  const Tensor colours = levels.narrow(2, 0, 3).reshape({-1, 3}).to(at::kFloat) / full;
  const Tensor mapped = (map(colours).clamp(0, 1) * full + 0.5).floor().to(at::kInt);
  return mapped.reshape({levels.size(0), levels.size(1), 3});
}

class Recolour : public ImageTest {
 protected:
  Tensor recoloured(const std::filesystem::path& in, const ColourFunction& map,
                    const std::string& name) {
    Photograph(in).recolour(map, at(name), Existing::replace);
    return read(at(name));
  }
};

TEST_F(Recolour, IdentityIsBitExact) {
  for (const int bits : {8, 16}) {
    for (const std::int64_t bands : {3, 4}) {
      const Tensor levels = noise(61, 83, bands, bits);
      const auto in = save(rgb(levels, bits), "in.png");
      for (const std::string name : {"out.png", "out.tif"})
        EXPECT_TRUE(at::equal(recoloured(in, identity, name), levels)) << bits << bands << name;
    }
  }
}

TEST_F(Recolour, EveryLevelSurvivesTheIdentity) {
  const Tensor ramp = at::arange(65536, at::kInt).reshape({256, 256, 1}).expand({256, 256, 3});
  const auto in = save(rgb(ramp, 16), "in.tif");
  EXPECT_TRUE(at::equal(recoloured(in, identity, "out.tif"), ramp));
}

TEST_F(Recolour, LosslessWebpIsExact) {
  const Tensor levels = noise(61, 83, 3, 8);
  const auto in = save(rgb(levels), "in.png");
  EXPECT_TRUE(at::equal(recoloured(in, inversion, "out.webp"), 255 - levels));
}

TEST_F(Recolour, EveryPixelIsTheMapOfItsColourAndAlphaStays) {
  for (const int bits : {8, 16}) {
    const Tensor levels = noise(190, 117, 4, bits);
    const auto in = save(rgb(levels, bits), "in.tif");
    const Tensor out = recoloured(in, swirl, "out.png");
    EXPECT_TRUE(at::equal(out.narrow(2, 0, 3), direct(swirl, levels, bits))) << bits;
    EXPECT_TRUE(at::equal(out.select(2, 3), levels.select(2, 3))) << bits;
  }
}

TEST_F(Recolour, TheMapSeesEachColourOnceInBoundedBlocks) {
  // 80000 distinct colours, each in five pixels, scattered.
  const Tensor distinct = at::arange(80000, at::kInt) * 209;
  const Tensor shuffled = distinct.repeat(5).index_select(
      0, at::randperm(400000, at::detail::createCPUGenerator(3), at::kLong));
  const Tensor levels = at::stack({shuffled.bitwise_right_shift(16),
                                   shuffled.bitwise_right_shift(8) % 256, shuffled % 256},
                                  1)
                            .reshape({400, 1000, 3});
  const auto in = save(rgb(levels), "in.png");
  std::vector<Tensor> seen;
  const ColourFunction spy = [&](const Tensor& colours) {
    EXPECT_LE(colours.size(0), 65536);
    seen.push_back((colours * 255).round().to(at::kInt));
    return colours;
  };
  EXPECT_TRUE(at::equal(recoloured(in, spy, "out.png"), levels));
  const Tensor all = at::cat(seen);
  const Tensor keys = all.select(1, 0) * 65536 + all.select(1, 1) * 256 + all.select(1, 2);
  EXPECT_TRUE(at::equal(std::get<0>(keys.sort()), distinct));
}

TEST_F(Recolour, SixteenBitColoursAreMappedOnceAStrip) {
  const Tensor levels = noise(16, 4, 3, 16).repeat({40, 50, 1});
  const auto in = save(rgb(levels, 16), "in.tif");
  std::int64_t seen = 0;
  const ColourFunction spy = [&](const Tensor& colours) {
    seen += colours.size(0);
    return 1 - colours;
  };
  EXPECT_TRUE(at::equal(recoloured(in, spy, "out.tif"), 65535 - levels));
  EXPECT_EQ(seen, 64);
}

TEST_F(Recolour, JpegIsCloseAndKeepsFullChroma) {
  Tensor levels = at::zeros({64, 64, 3}, at::kInt);
  levels.slice(1, 0, 64, 2).select(2, 0).fill_(220);  // red and blue columns, a pixel wide
  levels.slice(1, 1, 64, 2).select(2, 2).fill_(220);
  const auto in = save(rgb(levels), "in.png");
  const Tensor out = recoloured(in, identity, "out.jpg");
  // Halved chroma would blend neighbours, an error of about 110.
  EXPECT_LT((out - levels).abs().max().item<int>(), 40);
}

TEST_F(Recolour, RefusesWhatTheFormatCannotHoldBeforeCallingTheMap) {
  const auto alpha = save(rgb(noise(8, 8, 4, 8)), "alpha.png");
  const auto deep = save(rgb(noise(8, 8, 3, 16), 16), "deep.png");
  const auto wide = save(rgb(at::zeros({1, 17000, 3}, at::kInt)), "wide.png");
  const auto message = [&](const std::filesystem::path& in, const std::string& name) {
    const Photograph photograph(in);
    return message_of([&] {
      photograph.recolour(
          [](const Tensor& colours) {
            ADD_FAILURE() << "the map was called";
            return colours;
          },
          at(name), Existing::keep);
    });
  };
  EXPECT_NE(message(alpha, "out.jpg").find("alpha"), std::string::npos);
  EXPECT_NE(message(deep, "out.jpg").find("16 bits"), std::string::npos);
  EXPECT_NE(message(deep, "out.webp").find("16 bits"), std::string::npos);
  EXPECT_NE(message(wide, "out.webp").find("16383"), std::string::npos);
  EXPECT_NE(message(alpha, "out.bmpx").find(".jpg, .jpeg, .png, .tif, .tiff"), std::string::npos);
  EXPECT_NE(message(alpha, "out").find("got none"), std::string::npos);
  EXPECT_NE(message(alpha, "missing/out.png").find("missing"), std::string::npos);
  EXPECT_NE(message(alpha, "deep.png").find("exists"), std::string::npos);
}

TEST_F(Recolour, AFailedMapLeavesNothingBehindAndKeepsWhatWasThere) {
  for (const int bits : {8, 16}) {
    const auto in = save(rgb(noise(9, 9, 3, bits), bits), "in.png");
    const auto out = save(rgb(at::zeros({2, 2, 3}, at::kInt)), "out.png");
    const Photograph photograph(in);
    const std::vector<ColourFunction> bad = {
        [](const Tensor& colours) { return colours / 0; },
        [](const Tensor& colours) { return colours.narrow(1, 0, 2); },
        [](const Tensor&) { return Tensor(); },
        [](const Tensor&) -> Tensor { throw Error("stop"); }};
    for (const ColourFunction& map : bad)
      EXPECT_THROW(photograph.recolour(map, out, Existing::replace), Error);
    EXPECT_TRUE(at::equal(read(out), at::zeros({2, 2, 3}, at::kInt)));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
  }
}

TEST_F(Recolour, MayReplaceItsOwnSource) {
  const Tensor levels = noise(20, 30, 3, 8);
  const auto path = save(rgb(levels), "in.png");
  Photograph(path).recolour(inversion, path, Existing::replace);
  EXPECT_TRUE(at::equal(read(path), 255 - levels));
}

TEST_F(Recolour, PaletteCountsEveryPixel) {
  const Tensor levels = noise(70, 90, 4, 8).bitwise_and(0xC0);
  const Palette palette = Photograph(save(rgb(levels), "in.png")).palette();
  const auto [rows, inverse, counts] =
      at::unique_dim(levels.narrow(2, 0, 3).reshape({-1, 3}), 0, true, false, true);
  EXPECT_TRUE(at::equal((palette.colours * 255).round().to(at::kInt), rows));
  EXPECT_TRUE(at::equal(palette.counts, counts));
}

TEST_F(Recolour, PaletteOfSixteenBitsIsRoundedToEight) {
  const Tensor levels = noise(40, 50, 3, 16);
  const Palette palette = Photograph(save(rgb(levels, 16), "in.tif")).palette();
  const Tensor rounded = (levels.reshape({-1, 3}).to(at::kDouble) / 257).round().to(at::kInt);
  const auto [rows, inverse, counts] = at::unique_dim(rounded, 0, true, false, true);
  EXPECT_TRUE(at::equal((palette.colours * 255).round().to(at::kInt), rows));
  EXPECT_TRUE(at::equal(palette.counts, counts));
}

TEST_F(Recolour, PicturesOnDiscAreThoseInMemory) {
  constexpr std::uint64_t nothing_in_memory = 0;
  const Tensor levels = noise(333, 77, 3, 16);
  const vips::VImage source = image::settle(rgb(levels, 16), nothing_in_memory);
  ASSERT_NE(source.get_image()->dtype, VIPS_IMAGE_SETBUF);
  const vips::VImage inverted =
      image::recolour_by_strips(source, inversion, "test", nothing_in_memory);
  ASSERT_NE(inverted.get_image()->dtype, VIPS_IMAGE_SETBUF);
  EXPECT_TRUE(at::equal(read(save(source, "same.tif")), levels));
  EXPECT_TRUE(at::equal(read(save(inverted, "inverted.tif")), 65535 - levels));
}

TEST_F(Recolour, PreviewFitsTheSideAndNeverEnlarges) {
  std::string mime;
  const Photograph plain(save(rgb(noise(60, 120, 3, 16), 16), "plain.tif"));
  const std::string jpeg = plain.preview(30, &mime);
  EXPECT_EQ(mime, "image/jpeg");
  vips::VImage small = vips::VImage::new_from_buffer(jpeg.data(), jpeg.size(), "");
  EXPECT_EQ(small.width(), 30);
  EXPECT_EQ(small.height(), 15);
  const Photograph clear(save(rgb(noise(12, 6, 4, 8)), "clear.png"));
  const std::string png = clear.preview(100, &mime);
  EXPECT_EQ(mime, "image/png");
  small = vips::VImage::new_from_buffer(png.data(), png.size(), "");
  EXPECT_EQ(small.width(), 6);
  EXPECT_EQ(small.bands(), 4);
  EXPECT_THROW(clear.preview(0, nullptr), Error);
}

}  // namespace
}  // namespace monge
