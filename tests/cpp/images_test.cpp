#include "monge/measures/images.h"

#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/measures/array.h"
#include "monge/sampler.h"

#include "image/cache.h"
#include "image_fixture.h"
#include "kernel_fixture.h"

#include <fstream>

namespace monge {
namespace {

class ImageMeasures : public ImageTest {
 protected:
  /// A grey level everywhere: known whatever the crop and the size.
  std::filesystem::path flat(const std::string& name, int level, std::int64_t height = 20,
                             std::int64_t width = 20, std::int64_t bands = 3) const {
    std::filesystem::create_directories(at(name).parent_path());
    const Tensor levels = at::full({height, width, bands}, level, at::kInt);
    return save(picture(levels, 8, bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB),
                name);
  }

  void write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(at(name).parent_path());
    std::ofstream(at(name), std::ios::binary) << bytes;
  }

  /// Half of a JPEG file: its head is whole.
  void write_cut(const std::string& name) const {
    const auto whole = save(rgb(noise(64, 64, 3, 8)), "whole.jpg");
    const std::string bytes = read_text(whole);
    std::filesystem::remove(whole);
    write(name, bytes.substr(0, bytes.size() / 2));
  }

  ImageOptions options(std::int64_t size = 8) const {
    ImageOptions options;
    options.file = (folder_ / "set").string();
    options.size = size;
    options.workers = 2;
    return options;
  }

  static std::shared_ptr<const ImageMeasure> measure(const ImageOptions& options) {
    return std::dynamic_pointer_cast<const ImageMeasure>(make_images(options, "source"));
  }

  static Tensor all(const FiniteMeasure& measure) {
    return measure.points(at::arange(measure.size(), at::kLong));
  }

  /// The first number of each image as a level.
  static std::vector<int> levels(const FiniteMeasure& measure) {
    const Tensor firsts = ((all(measure).select(1, 0) + 1) * 127.5).round().to(at::kInt);
    return {firsts.const_data_ptr<int>(), firsts.const_data_ptr<int>() + firsts.numel()};
  }

  std::string refused(const ImageOptions& options) const {
    return message_of([&] { make_images(options, "source"); });
  }
};

TEST_F(ImageMeasures, AFolderIsReadInTheOrderOfItsNames) {
  flat("set/b.png", 30);
  flat("set/a/z.jpg", 10);
  flat("set/a/deep/er.webp", 50);
  flat("set/c.gif", 255);
  flat("set/d.png", 0);
  flat("set/.hidden/x.png", 99);
  flat("set/.x.png", 99);
  const auto images = measure(options());
  EXPECT_EQ(images->shape(), (std::vector<std::int64_t>{3, 8, 8}));
  std::vector<int> found = levels(*images);
  EXPECT_NEAR(found[0], 50, 2);  // lossy
  found.erase(found.begin());
  EXPECT_EQ(found, (std::vector<int>{10, 30, 255, 0}));
  EXPECT_TRUE(images->skipped().empty());
  const Tensor points = all(*images);
  EXPECT_FLOAT_EQ(points.min().item<float>(), -1);
  EXPECT_FLOAT_EQ(points.max().item<float>(), 1);
}

TEST_F(ImageMeasures, WhatIsNoPictureIsSkippedAndNamed) {
  flat("set/a.png", 10);
  write("set/b.txt", "hello");
  write("set/c.png", "");
  write_cut("set/d.jpg");
  flat("set/e.png", 50);
  const auto images = measure(options());
  ASSERT_EQ(images->skipped().size(), 2);  // what the heads tell
  EXPECT_EQ(images->count(), 3);
  EXPECT_EQ(levels(*images), (std::vector<int>{10, 50, 50}));  // the next in its place
  const auto skipped = images->skipped();
  ASSERT_EQ(skipped.size(), 3);
  EXPECT_EQ(skipped[0].name, "b.txt");
  EXPECT_NE(skipped[0].reason.find("no known picture format"), std::string::npos);
  EXPECT_NE(skipped[1].reason.find("an empty file"), std::string::npos);
  EXPECT_EQ(skipped[2].name, "d.jpg");
  EXPECT_EQ(summary_of({skipped[1]}),
            "1 file is no picture and was skipped: c.png (expected a picture file, got an empty "
            "file)");
  EXPECT_NE(summary_of({4, skipped[1]}).find("4 files are no pictures and were skipped"),
            std::string::npos);
  EXPECT_NE(summary_of({4, skipped[1]}).find(" and 1 more"), std::string::npos);
}

TEST_F(ImageMeasures, APictureThatIsDamagedAtTheEndGivesItsPlaceToTheFirst) {
  flat("set/a.png", 10);
  write_cut("set/z.jpg");
  EXPECT_EQ(levels(*measure(options())), (std::vector<int>{10, 10}));
  std::filesystem::remove(at("set/a.png"));
  EXPECT_NE(message_of([&] { levels(*measure(options())); }).find("at least one undamaged"),
            std::string::npos);
}

/// Where libvips has several threads to a picture, three of ten such reads gave what there was.
TEST_F(ImageMeasures, ADamagedPictureIsNeverTakenForAWholeOne) {
  flat("set/a.png", 10);
  write_cut("set/z.jpg");
  const auto misread = on_threads(2, [&] {
    int count = 0;
    for (int i = 0; i < 20; ++i) count += levels(*measure(options())) != std::vector<int>{10, 10};
    return count;
  });
  EXPECT_EQ(misread, 0);
}

TEST_F(ImageMeasures, BadFoldersAreRefusedWithTheFilesThatShowIt) {
  EXPECT_NE(refused(options()).find("another extension"), std::string::npos);  // no such folder
  std::filesystem::create_directories(at("set"));
  EXPECT_NE(refused(options()).find("an empty one"), std::string::npos);
  write("set/a.txt", "hello");
  EXPECT_NE(refused(options()).find("1 files that are none, such as a.txt"), std::string::npos);
  flat("set/grey.png", 10, 20, 20, 1);
  flat("set/red.png", 10, 30, 20);
  EXPECT_NE(refused(options()).find("1 in grey.png and 3 in red.png"), std::string::npos);
  ImageOptions crop = options();
  crop.channels = 3;
  crop.crop_size = 25;
  EXPECT_NE(refused(crop).find("grey.png: expected room for a crop of 25x25 pixels, got 20x20"),
            std::string::npos);
  crop.crop_size = 21;  // higher than one, wider than the other by a pixel
  EXPECT_NE(refused(crop).find("grey.png: expected room"), std::string::npos);
  std::filesystem::remove(at("set/grey.png"));
  EXPECT_NE(refused(crop).find("red.png: expected room for a crop of 21x21 pixels, got 20x30"),
            std::string::npos);
  flat("set/grey.png", 10, 20, 20, 1);
  crop.crop_size = 20;
  crop.crop_offset = 1;
  EXPECT_NE(refused(crop).find("1 above the centre"), std::string::npos);
  ImageOptions labels = options();
  labels.labels = {1};
  EXPECT_NE(refused(labels).find("source.labels"), std::string::npos);
  ImageOptions unsized = options(0);
  unsized.channels = 3;
  unsized.pad = 32;
  EXPECT_NE(refused(unsized).find("20x20 in grey.png and 20x30 in red.png"), std::string::npos);
  ImageOptions two = options();
  two.channels = 2;
  EXPECT_NE(refused(two).find("0, 1 or 3"), std::string::npos);
}

TEST_F(ImageMeasures, TheCropLiesWhereItIsAsked) {
  const Tensor levels = at::arange(40, at::kInt).view({40, 1, 1}).expand({40, 20, 3});
  std::filesystem::create_directories(at("set"));
  save(rgb(levels), "set/rows.png");
  save(rgb(levels), "set/same.png");
  const auto rows = [&](std::int64_t size, std::int64_t offset) {
    ImageOptions crop = options(0);
    crop.crop_size = size;
    crop.crop_offset = offset;
    const Tensor image = all(*measure(crop))[0].view({3, size, size})[0].select(1, 0);
    return ((image + 1) * 127.5).round().to(at::kInt);
  };
  EXPECT_TRUE(at::equal(rows(10, 0), at::arange(15, 25, at::kInt)));
  EXPECT_TRUE(at::equal(rows(10, 14), at::arange(1, 11, at::kInt)));
  EXPECT_TRUE(at::equal(rows(20, -10), at::arange(20, 40, at::kInt)));
}

TEST_F(ImageMeasures, ResizingIsAntialiased) {
  const Tensor board = (at::arange(64).view({64, 1, 1}) + at::arange(64).view({1, 64, 1}))
                           .remainder(2)
                           .mul(255)
                           .expand({64, 64, 3});
  std::filesystem::create_directories(at("set"));
  save(rgb(board), "set/a.png");
  save(rgb(board), "set/b.png");
  const Tensor small = all(*measure(options(16))).view({2, 3, 16, 16});
  // Black and white in equal parts are grey everywhere: pixels picked from them would not be.
  EXPECT_LT(small.abs().max().item<float>(), 0.02);
}

/// A decoder that leaves pixels out must not leave out antialiasing.
TEST_F(ImageMeasures, ALargeJpegIsReadShrunkenAndStillAlike) {
  const Tensor smooth =
      (at::sin(at::arange(640) * 0.05).view({640, 1, 1}) * at::cos(at::arange(640) * 0.08)) * 120 +
      128;
  const Tensor levels = (smooth.view({640, 640, 1}) + noise(640, 640, 3, 4)).clamp(0, 255);
  std::filesystem::create_directories(at("set"));
  save(rgb(levels), "set/a.jpg");
  save(rgb(levels), "set/b.png");  // which is always decoded whole
  const Tensor images = all(*measure(options(32)));
  EXPECT_LT((images[0] - images[1]).abs().mean().item<float>(), 0.02);
}

TEST_F(ImageMeasures, AStretchedPictureIsWhole) {
  const Tensor halves =
      at::cat({at::zeros({20, 40, 3}, at::kInt), at::full({20, 40, 3}, 255, at::kInt)}, 1);
  std::filesystem::create_directories(at("set"));
  save(rgb(halves), "set/a.png");
  ImageOptions whole = options();
  whole.crop = "none";
  const Tensor image = all(*measure(whole))[0].view({3, 8, 8})[0];
  EXPECT_FLOAT_EQ(image[0][0].item<float>(), -1);
  EXPECT_FLOAT_EQ(image[7][7].item<float>(), 1);
}

TEST_F(ImageMeasures, ChannelsAreThoseThatAreAsked) {
  flat("set/grey.png", 77, 20, 20, 1);
  flat("set/colour.png", 200);
  ImageOptions grey = options();
  grey.channels = 1;
  EXPECT_EQ(measure(grey)->shape(), (std::vector<std::int64_t>{1, 8, 8}));
  EXPECT_EQ(levels(*measure(grey)), (std::vector<int>{200, 77}));
  ImageOptions colour = options();
  colour.channels = 3;
  EXPECT_EQ(levels(*measure(colour)), (std::vector<int>{200, 77}));
  std::filesystem::remove(at("set/colour.png"));
  EXPECT_EQ(measure(options())->shape()[0], 1);
}

TEST_F(ImageMeasures, TransparentPartsAreWhite) {
  const Tensor levels =
      at::cat({at::full({20, 20, 3}, 60, at::kInt), at::zeros({20, 20, 1}, at::kInt)}, 2);
  std::filesystem::create_directories(at("set"));
  save(picture(levels, 8, VIPS_INTERPRETATION_sRGB), "set/a.png");
  EXPECT_EQ(ImageMeasures::levels(*measure(options())), (std::vector<int>{255}));
}

TEST_F(ImageMeasures, SixteenBitsBecomeEight) {
  std::filesystem::create_directories(at("set"));
  save(rgb(at::full({20, 20, 3}, 0x7f80, at::kInt), 16), "set/a.png");
  EXPECT_EQ(levels(*measure(options())), (std::vector<int>{0x7f}));
}

TEST_F(ImageMeasures, AGreyImageComesOnceInEachHue) {
  const Tensor levels = noise(2 * 4, 4, 1, 8).to(at::kByte).view({2, 1, 4, 4});
  const std::vector<double> hues{0, 90, 240};
  const auto images = std::make_shared<ImageMeasure>(image_set(levels), Mirrored::yes, hues);
  EXPECT_EQ(images->shape(), (std::vector<std::int64_t>{3, 4, 4}));
  ASSERT_EQ(images->size(), 12);
  EXPECT_EQ(images->count(), 2);
  const Tensor points = all(*images).view({3, 4, 3, 4, 4});  // hue, image, channels
  const Tensor shares = levels.to(at::kFloat) / 255, grey = at::cat({shares, shares.flip({3})});
  const std::vector<std::array<double, 3>> colours{{1, 0, 0}, {0.5, 1, 0}, {0, 0, 1}};
  for (std::int64_t hue = 0; hue < 3; ++hue)
    for (std::int64_t channel = 0; channel < 3; ++channel)
      EXPECT_TRUE(at::allclose(
          points[hue].select(1, channel),
          2 * colours[static_cast<std::size_t>(hue)][static_cast<std::size_t>(channel)] *
                  grey.squeeze(1) -
              1,
          1e-5, 1e-6))
          << hue << " " << channel;
  const auto second = images->part(at::tensor({1}, at::kLong), Mirrored::no);
  EXPECT_TRUE(at::equal(all(*second).view({3, 3, 4, 4}), points.select(1, 1)));
}

TEST_F(ImageMeasures, HuesAreForGreyBytes) {
  flat("set/a.png", 10);
  flat("set/b.png", 20);
  ImageOptions coloured = options();
  coloured.hues = {0, 120};
  EXPECT_EQ(refused(coloured),
            "source.channels: expected 1, grey images, where they are given hues, got 3");
  coloured.channels = 1;
  EXPECT_EQ(measure(coloured)->size(), 4);
  EXPECT_THROW(images_declaration().read({{"hues", std::vector<double>{370}}}, "source"), Error);
}

TEST_F(ImageMeasures, MirrorImagesStandBehindTheOthers) {
  std::filesystem::create_directories(at("set"));
  for (const char* name : {"set/a.png", "set/b.png"})
    save(rgb(noise(8, 8, 3, 8, static_cast<std::uint64_t>(name[4]))), name);
  ImageOptions flip = options();
  flip.flip = true;
  const auto images = measure(flip);
  ASSERT_EQ(images->size(), 4);
  EXPECT_EQ(images->count(), 2);
  const Tensor points = all(*images).view({4, 3, 8, 8});
  EXPECT_TRUE(at::equal(points.narrow(0, 2, 2), points.narrow(0, 0, 2).flip({3})));
  EXPECT_FALSE(at::equal(points[0], points[2]));
  const auto second = images->part(at::tensor({1}, at::kLong), Mirrored::no);
  EXPECT_TRUE(at::equal(all(*second).view({3, 8, 8}), points[1]));
}

/// Batches of a folder of `count` different pictures under these options.
std::vector<Tensor> batches_of(const ImageOptions& options, int count) {
  Sampler sampler(make_images(options, "source"), Random(3, "source"));
  std::vector<Tensor> batches;
  for (int i = 0; i < count; ++i) batches.push_back(sampler.next(7).clone());
  return batches;
}

TEST_F(ImageMeasures, TheNumbersDependNeitherOnThreadsNorOnMemoryNorOnTheCache) {
  for (int i = 0; i < 20; ++i) flat(fmt::format("set/{:02}.png", i), 8 * i, 300, 300);
  const auto expected = batches_of(options(256), 8);
  std::vector<ImageOptions> others(4, options(256));
  others[0].workers = 1;
  others[1].memory = 1;  // five images: each is decoded again and again
  others[2].workers = 5;
  others[2].memory = 1;
  others[2].cache = at("cache").string();
  others[3].cache = at("cache").string();
  for (const ImageOptions& other : others) {
    const auto got = batches_of(other, 8);
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_TRUE(at::equal(got[i], expected[i]));
  }
}

TEST_F(ImageMeasures, TheCacheServesUntilAFileChanges) {
  const auto path = flat("set/a.png", 10);
  flat("set/b.png", 20);
  ImageOptions cached = options();
  cached.cache = at("cache").string();
  EXPECT_EQ(levels(*measure(cached)), (std::vector<int>{10, 20}));
  EXPECT_TRUE(std::filesystem::exists(at("cache/CACHEDIR.TAG")));
  // The same size and time: the cache is asked, not the file.
  const auto time = std::filesystem::last_write_time(path);
  const auto bytes = std::filesystem::file_size(path);
  std::string other = read_text(flat("other/a.png", 30));
  ASSERT_EQ(other.size(), bytes);
  write("set/a.png", other);
  std::filesystem::last_write_time(path, time);
  EXPECT_EQ(levels(*measure(cached)), (std::vector<int>{10, 20}));
  std::filesystem::last_write_time(path, time + std::chrono::seconds(1));
  EXPECT_EQ(levels(*measure(cached)), (std::vector<int>{30, 20}));
  // Another size has another file; what was deleted or cut is decoded again.
  cached.size = 4;
  EXPECT_EQ(levels(*measure(cached)), (std::vector<int>{30, 20}));
  for (const auto& entry : std::filesystem::directory_iterator(at("cache")))
    std::filesystem::resize_file(entry.path(), 3);
  EXPECT_EQ(levels(*measure(cached)), (std::vector<int>{30, 20}));
  std::filesystem::remove_all(at("cache"));
  EXPECT_EQ(levels(*measure(cached)), (std::vector<int>{30, 20}));
}

TEST_F(ImageMeasures, ACacheKeepsNothingThatIsNotWhole) {
  const std::vector<std::uint8_t> levels{1, 2, 3, 4};
  std::vector<std::uint8_t> read(4);
  image::ImageCache cache(at("cache"), "contents", 4);
  EXPECT_FALSE(cache.read(5, 7, read));
  cache.write(5, 7, levels);
  EXPECT_TRUE(cache.read(5, 7, read));
  EXPECT_EQ(read, levels);
  EXPECT_FALSE(cache.read(5, 8, read));
  EXPECT_FALSE(cache.read(4, 7, read));
  for (const auto& entry : std::filesystem::directory_iterator(at("cache")))
    if (entry.path().extension() == ".images") {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(5 * 20 + 2);
      file.put(9);
    }
  EXPECT_FALSE(cache.read(5, 7, read));
  write("file", "");
  EXPECT_NE(message_of([&] { image::ImageCache(at("file"), "", 4); }).find("a cache folder"),
            std::string::npos);
}

TEST_F(ImageMeasures, AResumedStreamGoesOnWithTheSameImages) {
  for (int i = 0; i < 20; ++i) flat(fmt::format("set/{:02}.png", i), 8 * i);
  ImageOptions flip = options();
  flip.flip = true;
  Sampler one(make_images(flip, "source"), Random(3, "source"));
  for (int i = 0; i < 5; ++i) one.next(7);
  State saved;
  for (const auto& [name, tensor] : one.state()) saved[name] = tensor.clone();
  Sampler other(make_images(flip, "source"), Random(9, "other"));
  other.restore(saved);
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(at::equal(one.next(7), other.next(7)));
}

TEST_F(ImageMeasures, ATenthIsHeldOutAndNotMirrored) {
  const Tensor levels = at::arange(600, at::kInt).remainder(256).to(at::kByte).view({600, 1, 1, 1});
  const auto images = std::make_shared<ImageMeasure>(
      image_set(levels.expand({600, 1, 2, 2}).contiguous()), Mirrored::yes);
  const Split split = hold_out(images, Config{}, "source");
  const auto& train = dynamic_cast<const ImageMeasure&>(*split.train);
  const auto& held_out = dynamic_cast<const ImageMeasure&>(*split.held_out);
  EXPECT_EQ(train.size(), 2 * 540);
  EXPECT_EQ(held_out.size(), 60);
  EXPECT_EQ(split.held_out->shape(), (std::vector<std::int64_t>{1, 2, 2}));
  const Tensor together = at::cat({all(train).narrow(0, 0, 540), all(held_out)}).select(1, 0);
  const Tensor every = all(*images).narrow(0, 0, 600).select(1, 0);
  EXPECT_TRUE(at::equal(std::get<0>(together.sort()), std::get<0>(every.sort())));
  // Rows of the same points in an array are split alike.
  const auto rows = std::make_shared<ArrayMeasure>(all(*images).narrow(0, 0, 600),
                                                   std::vector<std::int64_t>{1, 2, 2});
  const Split of_rows = hold_out(rows, Config{}, "source");
  EXPECT_EQ(of_rows.train->shape(), (std::vector<std::int64_t>{1, 2, 2}));
  EXPECT_TRUE(
      at::equal(dynamic_cast<const ArrayMeasure&>(*of_rows.held_out).rows(), all(held_out)));
}

}  // namespace
}  // namespace monge
