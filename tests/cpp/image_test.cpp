#include "image_fixture.h"

#include <fstream>
#include <unistd.h>

namespace monge {
namespace {

using vips::VImage;

class Image : public ImageTest {
 protected:
  /// The colours of a picture as the Photograph sees it, through a lossless identity recolouring.
  Tensor decoded(const std::filesystem::path& path) {
    const Photograph photograph(path);
    photograph.recolour([](const Tensor& colours) { return colours; }, at("decoded.png"),
                        Existing::replace);
    return read(at("decoded.png"));
  }

  std::string bytes(const std::filesystem::path& path) { return read_text(path); }

  std::filesystem::path put(const std::string& name, const std::string& content) {
    std::ofstream(at(name), std::ios::binary) << content;
    return at(name);
  }

  static VImage profiled(const VImage& image, const char* profile) {
    VImage tagged = image.copy();
    VipsBlob* blob = VImage::profile_load(profile);
    std::size_t length = 0;
    const void* data = vips_blob_get(blob, &length);
    vips_image_set_blob_copy(tagged.get_image(), VIPS_META_ICC_NAME, data, length);
    vips_area_unref(VIPS_AREA(blob));
    return tagged;
  }

  static bool has(const std::filesystem::path& path, const char* field) {
    return VImage::new_from_file(path.c_str()).get_typeof(field) != 0;
  }
};

TEST_F(Image, OrientationIsApplied) {
  // https://exiftool.org/TagNames/EXIF.html, 0x0112: 6 needs a turn of 90 degrees clockwise to be
  // upright, 8 one of 270, 3 one of 180, 2 a mirror left to right.
  const Tensor levels = noise(5, 7, 3, 8);
  const std::map<int, Tensor> upright = {{1, levels},
                                         {2, levels.flip(1)},
                                         {3, levels.flip({0, 1})},
                                         {6, levels.transpose(0, 1).flip(1)},
                                         {8, levels.transpose(0, 1).flip(0)}};
  for (const auto& [orientation, expected] : upright) {
    VImage turned = rgb(levels).copy();
    turned.set("orientation", orientation);
    const auto path = save(turned, "turned.tif");
    const Photograph photograph(path);
    EXPECT_EQ(photograph.width(), expected.size(1));
    EXPECT_EQ(photograph.height(), expected.size(0));
    EXPECT_TRUE(at::equal(decoded(path), expected)) << orientation;
    photograph.recolour([](const Tensor& colours) { return colours; }, at("out.tif"),
                        Existing::replace);
    EXPECT_EQ(vips_image_get_orientation(VImage::new_from_file(at("out.tif").c_str()).get_image()),
              1);
  }
}

TEST_F(Image, ExifStaysAndDoesNotTurnThePictureTwice) {
  VImage image = rgb(at::full({16, 8, 3}, 90, at::kInt)).copy();
  image.set("exif-ifd0-Make", "Monge (Monge, ASCII, 6 components, 6 bytes)");
  image.set("exif-ifd2-ColorSpace", "65535");
  image.set("orientation", 6);
  const auto in = save(image, "in.jpg");
  ASSERT_TRUE(has(in, "exif-ifd0-Orientation"));
  Photograph(in).recolour([](const Tensor& colours) { return colours; }, at("out.jpg"),
                          Existing::keep);
  const VImage out = VImage::new_from_file(at("out.jpg").c_str());
  EXPECT_EQ(out.width(), 16);
  EXPECT_EQ(vips_image_get_orientation(out.get_image()), 1);
  EXPECT_EQ(std::string(out.get_string("exif-ifd0-Make")).substr(0, 5), "Monge");
  EXPECT_EQ(std::string(out.get_string("exif-ifd2-ColorSpace")).substr(0, 1), "1");
}

TEST_F(Image, GreyAndAlphaArePromoted) {
  for (const int bits : {8, 16}) {
    const auto kind = bits == 16 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W;
    for (const std::int64_t bands : {1, 2}) {
      const Tensor levels = noise(11, 13, bands, bits);
      const auto path = save(picture(levels, bits, kind), "grey.png");
      const Photograph photograph(path);
      EXPECT_EQ(photograph.bits(), bits);
      EXPECT_EQ(photograph.has_alpha(), bands == 2);
      const Tensor out = decoded(path);
      EXPECT_TRUE(at::equal(out.narrow(2, 0, 3), levels.narrow(2, 0, 1).expand({11, 13, 3})));
      if (bands == 2) {
        EXPECT_TRUE(at::equal(out.select(2, 3), levels.select(2, 1)));
      }
    }
  }
}

TEST_F(Image, PalettePicturesAreExpanded) {
  const Tensor levels = noise(20, 20, 3, 8).bitwise_and(0x80);  // eight colours
  const VImage image = rgb(levels);
  image.pngsave(at("few.png").c_str(), VImage::option()->set("palette", true)->set("dither", 0.0));
  image.gifsave(at("few.gif").c_str(), VImage::option()->set("dither", 0.0));
  for (const std::string name : {"few.png", "few.gif"}) {
    const Tensor out = decoded(at(name)).narrow(2, 0, 3);
    EXPECT_LE((out - levels).abs().max().item<int>(), 2) << name;
  }
}

TEST_F(Image, OnlyTheFirstFrameOfAnAnimationIsRead) {
  VImage reel = rgb(at::cat({at::zeros({8, 8, 3}, at::kInt), at::full({8, 8, 3}, 255, at::kInt)}));
  reel = reel.copy();
  reel.set("page-height", 8);
  const auto path = save(reel, "reel.gif");
  EXPECT_EQ(Photograph(path).height(), 8);
  EXPECT_EQ(decoded(path).narrow(2, 0, 3).max().item<int>(), 0);
}

TEST_F(Image, AnSrgbProfileChangesNoPixel) {
  for (const int bits : {8, 16}) {
    const Tensor levels = noise(30, 30, 4, bits);
    const auto path = save(profiled(rgb(levels, bits), "srgb"), "tagged.png");
    EXPECT_TRUE(at::equal(decoded(path), levels)) << bits;
    EXPECT_TRUE(has(at("decoded.png"), VIPS_META_ICC_NAME));
  }
}

TEST_F(Image, DisplayP3IsConverted) {
  // Display P3 has the transfer function and white of sRGB, so grey stays; from its primaries
  // (SMPTE EG 432-1) the linear sRGB of P3 (0.6, 0.5, 0.4) follows as computed here.
  const auto linear = [](double v) {
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  const auto encoded = [](double v) {
    return v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
  };
  const double r = linear(153 / 255.0), g = linear(128 / 255.0), b = linear(102 / 255.0);
  const double expected[] = {1.2249402 * r - 0.2249402 * g, -0.0420570 * r + 1.0420570 * g,
                             -0.0196376 * r - 0.0786361 * g + 1.0982736 * b};
  const Tensor levels =
      at::tensor({153, 128, 102, 90, 77, 77, 77, 10}, at::kInt).reshape({1, 2, 4});
  const auto path = save(profiled(rgb(levels), "p3"), "p3.png");
  const Tensor out = decoded(path);
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(out[0][0][c].item<int>(), 255 * encoded(expected[c]), 1.01) << c;
    EXPECT_NEAR(out[0][1][c].item<int>(), 77, 1) << c;
  }
  EXPECT_EQ(out[0][0][3].item<int>(), 90);
  EXPECT_EQ(out[0][1][3].item<int>(), 10);
}

TEST_F(Image, CmykIsConverted) {
  // No ink, all ink, and cyan alone; with and without a profile.
  const Tensor inks =
      at::tensor({0, 0, 0, 0, 255, 255, 255, 255, 255, 0, 0, 0}, at::kInt).reshape({1, 3, 4});
  const VImage bare = picture(inks, 8, VIPS_INTERPRETATION_CMYK);
  for (const VImage& image : {bare, profiled(bare, "cmyk")}) {
    const Tensor out = decoded(save(image, "ink.tif"));
    ASSERT_EQ(out.size(2), 3);
    EXPECT_GT(out[0][0].min().item<int>(), 245);
    EXPECT_LT(out[0][1].max().item<int>(), 40);
    EXPECT_LT(out[0][2][0].item<int>(), 100);
    EXPECT_GT(out[0][2][2].item<int>(), 150);
  }
}

TEST_F(Image, ABrokenProfileMeansSrgb) {
  const Tensor levels = noise(10, 10, 3, 8);
  VImage image = rgb(levels).copy();
  const std::string junk(500, 'x');
  vips_image_set_blob_copy(image.get_image(), VIPS_META_ICC_NAME, junk.data(), junk.size());
  EXPECT_TRUE(at::equal(decoded(save(image, "junk.tif")), levels));
  // A press profile on an RGB picture.
  EXPECT_TRUE(at::equal(decoded(save(profiled(rgb(levels), "cmyk"), "wrong.tif")), levels));
}

TEST_F(Image, LabBecomesSrgb) {
  const VImage wanted = rgb(noise(9, 9, 3, 8));
  const auto deep = save(wanted.colourspace(VIPS_INTERPRETATION_LABS), "labs.tif");
  EXPECT_EQ(Photograph(deep).bits(), 16);
  const Tensor levels = read(save(wanted, "wanted.png"));
  EXPECT_LE((decoded(deep).to(at::kFloat) / 257 - levels).abs().max().item<float>(), 1.0f);
}

TEST_F(Image, DamagedFilesGiveOneClearLine) {
  const VImage image = rgb(noise(200, 200, 3, 8));
  const auto line = [&](const std::filesystem::path& path) {
    const std::string message = refusal(path);
    EXPECT_EQ(message.find(path.string() + ": expected "), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  };
  for (const std::string name : {"a.jpg", "a.png", "a.tif", "a.webp", "a.gif"}) {
    const std::string whole = bytes(save(image, name));
    SCOPED_TRACE(name);
    line(put("cut-" + name, whole.substr(0, whole.size() / 2)));
  }
  std::string scrambled = bytes(at("a.jpg"));
  scrambled.erase(scrambled.size() / 2, scrambled.size() / 4);
  EXPECT_NE(line(put("torn.jpg", scrambled)).find("corrupt"), std::string::npos);
  scrambled = bytes(at("a.png"));
  scrambled.replace(scrambled.size() / 2, 4, "oops");
  line(put("torn.png", scrambled));

  EXPECT_NE(line(put("empty.jpg", "")).find("an empty file"), std::string::npos);
  EXPECT_NE(line(put("text.jpg", "not a picture\n")).find("no known picture format"),
            std::string::npos);
  EXPECT_NE(line(at("missing.jpg")).find("no such file"), std::string::npos);
  EXPECT_NE(line(folder_).find("a folder"), std::string::npos);
  save(image.cast(VIPS_FORMAT_FLOAT), "hdr.tif");
  EXPECT_NE(line(at("hdr.tif")).find("floating-point"), std::string::npos);
  save(picture(noise(4, 4, 6, 8), 8, VIPS_INTERPRETATION_MULTIBAND), "six.tif");
  EXPECT_NE(line(at("six.tif")).find("6 channels"), std::string::npos);
}

TEST_F(Image, BitmapsAreRead) {
  // 2 x 1 pixels of 24 bits, blue first, the row filled up to 8 bytes.
  const std::string header{
      "BM\x3e\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x18\0"
      "\0\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
      54};
  const std::string pixels{"\x0a\x14\x1e\x28\x32\x3c\0\0", 8};
  EXPECT_TRUE(at::equal(decoded(put("a.bmp", header + pixels)),
                        at::tensor({30, 20, 10, 60, 50, 40}, at::kInt).view({1, 2, 3})));
  EXPECT_NE(refusal(put("cut.bmp", header.substr(0, 20))).find("cut.bmp: expected"),
            std::string::npos);
  EXPECT_TRUE(is_image_path("a.bmp"));
  EXPECT_FALSE(is_writable_image_path("a.bmp"));
}

TEST_F(Image, BytesAfterTheLastBlockHarmNothing) {
  const std::string whole = bytes(save(rgb(noise(40, 40, 3, 8)), "a.jpg"));
  put("b.jpg", whole + "trailing notes of a camera");
  EXPECT_TRUE(at::equal(decoded(at("b.jpg")), decoded(at("a.jpg"))));
}

TEST_F(Image, BracketsInANameAreNoOptions) {
  const Tensor levels = noise(6, 9, 3, 8);
  save(rgb(at::zeros({3, 3, 3}, at::kInt)), "b.png");
  std::filesystem::rename(save(rgb(levels), "a.png"), at("b.png[1]"));
  EXPECT_TRUE(at::equal(decoded(at("b.png[1]")), levels));
}

TEST_F(Image, AFileThatChangedIsReadAgain) {
  const Tensor first = noise(6, 9, 3, 8, 1);
  const Tensor second = noise(6, 9, 3, 8, 2);
  EXPECT_TRUE(at::equal(decoded(save(rgb(first), "a.png")), first));
  EXPECT_TRUE(at::equal(decoded(save(rgb(second), "a.png")), second));
}

TEST_F(Image, NothingIsPrinted) {
  const std::string whole = bytes(save(rgb(noise(200, 200, 3, 8)), "a.jpg"));
  std::string torn = whole;
  torn.erase(torn.size() / 2, torn.size() / 4);
  put("torn.jpg", torn);
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const std::string message = refusal(at("torn.jpg"));
  is_image_path("a.avif");
  EXPECT_EQ(testing::internal::GetCapturedStderr() + testing::internal::GetCapturedStdout(), "");
  EXPECT_NE(message.find("corrupt JPEG data"), std::string::npos) << message;
}

TEST(ImagePath, KnowsTheFormatsItWrites) {
  for (const char* name : {"a.jpg", "b/c.JPEG", "d.png", "e.tif", "f.TIFF", "g.webp"})
    EXPECT_TRUE(is_image_path(name)) << name;
  for (const char* name : {"a.txt", "jpg", "a.jpg.gz", "", "a.csv", "a.pdf"})
    EXPECT_FALSE(is_image_path(name)) << name;
}

TEST(ImagePath, BundledPhotographsOpen) {
  for (const char* name : {"china.jpg", "flower.jpg"}) {
    const Photograph photograph(std::filesystem::path(MONGE_SOURCE_DIR) / "data/photos" / name);
    EXPECT_EQ(photograph.width(), 640);
    EXPECT_EQ(photograph.height(), 427);
    EXPECT_EQ(photograph.palette().counts.sum().item<std::int64_t>(), 640 * 427);
  }
}

}  // namespace
}  // namespace monge
