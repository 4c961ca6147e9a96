#include "image/array_images.h"

#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/map_images.h"
#include "monge/measures/array.h"

#include "arrays/idx.h"
#include "image/levels.h"
#include "image/prepare.h"
#include "image_fixture.h"

#include <fstream>
#include <zlib.h>

namespace monge {
namespace {

class ArrayImages : public ImageTest {
 protected:
  static std::string big_endian(std::uint32_t number) {
    std::string bytes;
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(number >> shift & 0xff);
    return bytes;
  }

  /// An IDX file of bytes 0, 1, 2, ...
  static std::string idx(const std::vector<std::uint32_t>& sides, char type = 0x08) {
    std::string bytes{0, 0, type, static_cast<char>(sides.size())};
    std::uint32_t count = 1;
    for (const std::uint32_t side : sides) {
      bytes += big_endian(side);
      count *= side;
    }
    for (std::uint32_t i = 0; i < count; ++i) bytes += static_cast<char>(i);
    return bytes;
  }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(at(name), std::ios::binary) << bytes;
    return at(name).string();
  }

  std::string write_gzip(const std::string& name, const std::string& bytes) const {
    const gzFile file = gzopen(at(name).c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return at(name).string();
  }

  /// An npy file of levels or floats.
  std::string write_array(const std::string& name, const Tensor& array) const {
    const std::vector<std::int64_t> sides = array.sizes().slice(1).vec();
    const auto writer =
        create_array(at(name), RowFormat{sides, array.scalar_type()}, Existing::replace);
    writer->append(array.flatten(1));
    writer->close();
    return at(name).string();
  }

  static ImageOptions options(const std::string& file) {
    ImageOptions options;
    options.file = file;
    return options;
  }

  static Tensor points(const ImageOptions& options) {
    const auto measure =
        std::dynamic_pointer_cast<const FiniteMeasure>(make_images(options, "source"));
    std::vector<std::int64_t> sizes = measure->shape();
    sizes.insert(sizes.begin(), measure->size());
    return measure->points(at::arange(measure->size(), at::kLong)).view(sizes);
  }

  static Tensor levels_of(const Tensor& points) { return image::to_levels(points, "test"); }

  static std::string refused(const ImageOptions& options) {
    return message_of([&] { make_images(options, "source"); });
  }
};

TEST_F(ArrayImages, IdxIsReadPlainAndCompressed) {
  const Tensor expected = at::arange(60, at::kByte).view({3, 4, 5});
  EXPECT_TRUE(at::equal(read_idx(write("a.idx", idx({3, 4, 5}))), expected));
  EXPECT_TRUE(at::equal(read_idx(write_gzip("a.idx.gz", idx({3, 4, 5}))), expected));
  for (const char* name : {"train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", "x.idx"})
    EXPECT_TRUE(is_idx_path(name)) << name;
  for (const char* name : {"x.npy", "x.gz", "ubyte", "x.png"}) EXPECT_FALSE(is_idx_path(name));
}

TEST_F(ArrayImages, BadIdxIsRefused) {
  const auto refusal = [&](const std::string& path) { return message_of([&] { read_idx(path); }); };
  const auto expect = [&](const std::string& path, const std::string& words) {
    EXPECT_NE(refusal(path).find(words), std::string::npos) << refusal(path);
  };
  const std::string whole = idx({3, 4, 5});
  expect(write("empty.idx", ""), "an empty file");
  expect(write("magic.idx", "\x89PNG1234"), "a PNG image");
  expect(write("short.idx", whole.substr(0, 40)), "60 bytes for the sides 3 x 4 x 5, got 24");
  expect(write("sides.idx", whole.substr(0, 9)), "the lengths of 3 sides");
  expect(write("long.idx", whole + "x"), "bytes behind its array");
  expect(write("floats.idx", idx({1, 1, 4}, 0x0D)), "32-bit floats");
  expect(write("huge.idx", std::string{0, 0, 8, 3}.append(12, '\xff')), "address space");
  expect(at("missing.idx").string(), "missing.idx");
  std::string packed = read_text(write_gzip("a.gz", idx({30, 40, 50})));
  expect(write("cut.idx.gz", packed.substr(0, packed.size() / 2)), "cut.idx.gz");
  expect(write("tail.idx.gz", packed.substr(0, packed.size() - 4)), "cut off or damaged");
  packed[packed.size() / 2] ^= 0x55;
  expect(write("bits.idx.gz", packed), "bits.idx.gz");
}

TEST_F(ArrayImages, BytesOfAnyOrderBecomePlanesInRange) {
  const Tensor planes = at::arange(2 * 3 * 4 * 5, at::kByte).view({2, 3, 4, 5});
  const Tensor expected = planes.to(at::kFloat) / 127.5 - 1;
  EXPECT_TRUE(at::equal(points(options(write_array("planes.npy", planes))), expected));
  EXPECT_TRUE(at::equal(
      points(options(write_array("pixels.npy", planes.permute({0, 2, 3, 1}).contiguous()))),
      expected));
  EXPECT_TRUE(at::equal(points(options(write_array("grey.npy", planes.select(1, 0).contiguous()))),
                        expected.narrow(1, 0, 1)));
  EXPECT_TRUE(at::equal(points(options(write("a-ubyte", idx({2, 4, 5})))),
                        (at::arange(40, at::kByte).view({2, 1, 4, 5}).to(at::kFloat) / 127.5 - 1)));
}

TEST_F(ArrayImages, FloatsAreKeptAndHeldToTheirRange) {
  Tensor images = at::linspace(-1, 1, 2 * 4 * 4).view({2, 1, 4, 4});
  EXPECT_TRUE(at::equal(points(options(write_array("x.npy", images))), images));
  images[1] *= 2;
  const std::string file = write_array("wide.npy", images);
  EXPECT_NE(refused(options(file)).find("in image 1"), std::string::npos);
  ImageOptions resized = options(at("x.npy").string());
  resized.size = 2;
  EXPECT_NE(refused(resized).find("bytes (uint8)"), std::string::npos);
  ImageOptions padded = options(at("x.npy").string());
  padded.pad = 6;
  EXPECT_FLOAT_EQ(points(padded)[0][0][0][0].item<float>(), -1);
}

TEST_F(ArrayImages, PaddingIsBlackAroundTheImage) {
  ImageOptions padded = options(write("a.idx", idx({2, 3, 4})));
  padded.pad = 7;
  const Tensor image = levels_of(points(padded))[1][0];
  EXPECT_EQ(image.sizes(), (at::IntArrayRef{7, 7}));
  EXPECT_TRUE(
      at::equal(image.narrow(0, 2, 3).narrow(1, 1, 4), at::arange(12, 24, at::kByte).view({3, 4})));
  EXPECT_EQ(image.to(at::kInt).sum().item<int>(), 6 * 35);  // nothing else
  padded.pad = 3;
  EXPECT_NE(refused(padded).find("at most 3 pixels a side to pad, got 4"), std::string::npos);
}

TEST_F(ArrayImages, ArraysAreResizedAndOfOtherChannels) {
  ImageOptions asked = options(write_array("x.npy", at::full({2, 8, 8}, 90, at::kByte)));
  asked.size = 4;
  asked.channels = 3;
  const Tensor images = levels_of(points(asked));
  EXPECT_EQ(images.sizes(), (at::IntArrayRef{2, 3, 4, 4}));
  EXPECT_TRUE(images.eq(90).all().item<bool>());
}

TEST_F(ArrayImages, ManyArePreparedTogetherAsEachAlone) {
  Random random(5, "images");
  for (const std::int64_t had : {1, 3})
    for (const std::int64_t asked : {1, 3})
      for (const std::string crop : {"centre", "none"}) {
        ImageOptions options{.size = 16, .channels = asked, .crop = crop};
        options.crop_size = crop == "centre" ? 27 : 0;
        const Tensor images =
            random.normal({300, had, 41, 30}).mul(60).add(128).clamp(0, 255).to(at::kByte);
        const Tensor together = image::prepare_array(images, options, "images");
        const auto shape = images.sizes().slice(1).vec();
        ASSERT_EQ(together.sizes(), (std::vector<std::int64_t>{300, asked, 16, 16}));
        for (const std::int64_t i : {0, 150, 299}) {
          const Tensor one = at::empty({asked, 16, 16}, at::kByte);
          image::to_planes(
              image::prepare(image::from_planes(images[i].const_data_ptr<std::uint8_t>(), shape),
                             asked, options),
              {one.mutable_data_ptr<std::uint8_t>(), static_cast<std::size_t>(one.numel())});
          EXPECT_TRUE(at::equal(together[i], one)) << had << " to " << asked << ", crop " << crop;
        }
      }
}

TEST_F(ArrayImages, LabelsChooseImages) {
  ImageOptions chosen = options(write("t-images-idx3-ubyte", idx({5, 1, 2})));
  chosen.labels = {1, 3};
  EXPECT_NE(refused(chosen).find("t-labels-idx1-ubyte"), std::string::npos);
  write("t-labels-idx1-ubyte", idx({5}));  // 0 1 2 3 4
  EXPECT_TRUE(at::equal(levels_of(points(chosen)).flatten(1),
                        at::tensor({2, 3, 6, 7}).to(at::kByte).view({2, 2})));
  chosen.labels = {7};
  EXPECT_NE(refused(chosen).find("expected labels 7, got labels from 0 to 4"), std::string::npos);
  chosen.labels_file = write("few-ubyte", idx({4}));
  EXPECT_NE(refused(chosen).find("5 labels"), std::string::npos);
  ImageOptions array = options(write_array("x.npy", at::zeros({3, 2, 2}, at::kByte)));
  array.labels = {0};
  EXPECT_NE(refused(array).find("source.labels_file: expected a file of labels"),
            std::string::npos);
  array.labels_file = at("labels.csv").string();
  std::ofstream(at("labels.csv")) << "0\n1\n0\n";
  EXPECT_EQ(points(array).size(0), 2);
}

TEST_F(ArrayImages, WhatIsNoImageIsRefused) {
  const auto expect = [&](const ImageOptions& asked, const std::string& words) {
    EXPECT_NE(refused(asked).find(words), std::string::npos) << refused(asked);
  };
  expect(options(write_array("rows.npy", at::zeros({3, 4}))), "an array [n, 4]");
  expect(options(write_array("five.npy", at::zeros({3, 5, 4, 4}))), "[n, 5, 4, 4]");
  expect(options(write("x.tar", "")), "a folder of pictures, an IDX file or an array");
  expect(options(write_array("one.npy", at::zeros({1, 4, 4}, at::kByte))), "at least 2 images");
  expect(options(""), "source.file");
}

/// Turns every image upside down.
ImageMapping upside_down(std::vector<std::int64_t> shape, std::int64_t samples = 1) {
  std::vector<std::int64_t> sizes = shape;
  sizes.insert(sizes.begin(), -1);
  return {[sizes, samples](const Tensor& rows) {
            const Tensor turned = rows.view(sizes).flip({2}).flatten(1);
            return samples == 1 ? turned : at::cat({turned, -turned}, 1);
          },
          std::move(shape), samples};
}

TEST_F(ArrayImages, AFolderIsMappedToOneOfTheSameNames) {
  std::filesystem::create_directories(at("in/deep"));
  const Tensor picture = noise(8, 8, 3, 8);
  save(rgb(picture), "in/a.png");
  save(rgb(noise(8, 8, 3, 8, 2)), "in/deep/b.png");
  save(rgb(picture), "in/c.gif");
  std::ofstream(at("in/readme.txt")) << "hello";
  const auto done = map_image_folder(upside_down({3, 8, 8}), at("in"), at("out"), Existing::keep);
  EXPECT_EQ(done.images, 3);
  ASSERT_EQ(done.skipped.size(), 1);
  EXPECT_EQ(done.skipped[0].name, "readme.txt");
  EXPECT_TRUE(at::equal(read(at("out/a.png")), picture.flip({0})));
  EXPECT_TRUE(std::filesystem::exists(at("out/deep/b.png")));
  EXPECT_TRUE(std::filesystem::exists(at("out/c.gif.png")));
  EXPECT_NE(message_of([&] {
              map_image_folder(upside_down({3, 8, 8}), at("in"), at("out"), Existing::keep);
            }).find("pass --force"),
            std::string::npos);
  map_image_folder(upside_down({3, 8, 8}, 2), at("in"), at("out"), Existing::replace);
  EXPECT_TRUE(at::equal(read(at("out/a-1.png")), picture.flip({0})));
  EXPECT_TRUE(at::equal(read(at("out/a-2.png")), 255 - picture.flip({0})));
  EXPECT_NE(message_of([&] {
              map_image_folder(upside_down({3, 8, 8}), at("in"), at("in"), Existing::replace);
            }).find("another folder"),
            std::string::npos);
}

TEST_F(ArrayImages, APictureIsCutToTheMapsShape) {
  save(rgb(noise(30, 20, 3, 8)), "a.png");
  map_image(upside_down({1, 10, 10}), at("a.png"), at("b.png"), Existing::keep);
  EXPECT_EQ(read(at("b.png")).sizes(), (at::IntArrayRef{10, 10, 1}));
}

TEST_F(ArrayImages, AnArrayComesBackInItsOrderAndType) {
  const auto turned = [&](const Tensor& array, std::vector<std::int64_t> shape, std::int64_t pad) {
    const std::string file = write_array("in.npy", array);
    ImageMapping mapping = upside_down(std::move(shape));
    mapping.preparation.pad = pad;
    mapping.preparation.size = 4;  // as the images are
    map_image_array(mapping, file, at("out.npy"), Existing::replace);
    const auto reader = open_array(at("out.npy"));
    EXPECT_EQ(reader->type(), array.scalar_type());
    EXPECT_EQ(reader->row_shape(), array.sizes().slice(1).vec());
    return reader->next(100).to(array.scalar_type()).view(array.sizes());
  };
  const Tensor planes = at::arange(2 * 3 * 4 * 4, at::kByte).view({2, 3, 4, 4});
  const Tensor pixels = planes.permute({0, 2, 3, 1}).contiguous();
  const Tensor grey = planes.select(1, 0).contiguous();
  EXPECT_TRUE(at::equal(turned(planes, {3, 4, 4}, 0), planes.flip({2})));
  EXPECT_TRUE(at::equal(turned(pixels, {3, 4, 4}, 0), pixels.flip({1})));
  EXPECT_TRUE(at::equal(turned(grey, {1, 4, 4}, 0), grey.flip({1})));
  EXPECT_TRUE(at::equal(turned(grey, {1, 8, 8}, 8), grey.flip({1})));  // padded and cut again
  const Tensor floats = at::linspace(-1, 1, 2 * 3 * 4 * 4).view({2, 3, 4, 4});
  EXPECT_TRUE(at::equal(turned(floats, {3, 4, 4}, 0), floats.flip({2})));
  EXPECT_NE(message_of([&] {
              turned(planes, {3, 8, 8}, 0);
            }).find("images [3, 8, 8], those of the map, got [3, 4, 4]"),
            std::string::npos);
  map_image_array(upside_down({1, 4, 4}, 2), write_array("in.npy", grey), at("two.npy"),
                  Existing::keep);
  EXPECT_EQ(open_array(at("two.npy"))->row_shape(), (std::vector<std::int64_t>{2, 4, 4}));
  EXPECT_TRUE(holds_images(at("in.npy")));
  EXPECT_FALSE(holds_images(write_array("rows.npy", at::zeros({3, 4}))));
}

TEST_F(ArrayImages, LevelsSurviveBothWays) {
  const Tensor levels = at::arange(256).to(at::kByte).view({1, 1, 16, 16});
  EXPECT_TRUE(at::equal(image::to_levels(image::from_levels(levels), "test"), levels));
  EXPECT_NE(message_of([] { image::to_levels(at::full({1}, NAN), "test"); }).find("finite"),
            std::string::npos);
}

TEST_F(ArrayImages, AGridHasItsImagesInRows) {
  const Tensor images = at::linspace(-1, 1, 3 * 16).view({3, 1, 4, 4});
  write_grid(at("grid.png"), images, 2);
  const Tensor grid = read(at("grid.png")).squeeze(2);
  EXPECT_EQ(grid.sizes(), (at::IntArrayRef{14, 14}));
  const Tensor levels = image::to_levels(images, "test").to(at::kInt);
  EXPECT_TRUE(at::equal(grid.narrow(0, 2, 4).narrow(1, 8, 4), levels[1][0]));
  EXPECT_TRUE(at::equal(grid.narrow(0, 8, 4).narrow(1, 2, 4), levels[2][0]));
  EXPECT_TRUE(grid.narrow(0, 8, 6).narrow(1, 8, 6).eq(255).all().item<bool>());
  EXPECT_NE(message_of([&] { write_grid(at("x.png"), images, 0); }).find("at least 1 column"),
            std::string::npos);
}

}  // namespace
}  // namespace monge
