#pragma once

#include "monge/image.h"

#include "image/vips_session.h"

#include <vips/vips8>

#include <filesystem>
#include <string>

namespace monge {

/// A fresh folder for each test, and pictures made with libvips.
class ImageTest : public testing::Test {
 protected:
  void SetUp() override {
    image::start_vips();
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              fmt::format("monge-{}-{}-{}", ::getpid(), test->test_suite_name(), test->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path at(const std::string& name) const { return folder_ / name; }

  /// Uniformly random channels over the whole range, seeded: [height, width, bands].
  static Tensor noise(std::int64_t height, std::int64_t width, std::int64_t bands, int bits,
                      std::uint64_t seed = 7) {
    at::Generator generator = at::detail::createCPUGenerator(seed);
    return at::randint(0, 1 << bits, {height, width, bands}, generator, at::kInt);
  }

  /// The [height, width, bands] int tensor as a libvips image.
  static vips::VImage picture(const Tensor& levels, int bits, VipsInterpretation interpretation) {
    const Tensor ints = levels.to(at::kInt).contiguous();
    return vips::VImage::new_from_memory(
               ints.mutable_data_ptr<int>(), static_cast<std::size_t>(ints.numel()) * sizeof(int),
               static_cast<int>(ints.size(1)), static_cast<int>(ints.size(0)),
               static_cast<int>(ints.size(2)), VIPS_FORMAT_INT)
        .cast(bits == 16 ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR)
        .copy(vips::VImage::option()->set("interpretation", interpretation))
        .copy_memory();
  }
  static vips::VImage rgb(const Tensor& levels, int bits = 8) {
    return picture(levels, bits, bits == 16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
  }

  std::filesystem::path save(const vips::VImage& made, const std::string& name) const {
    made.write_to_file(at(name).c_str());
    return at(name);
  }

  /// The pixels of a file as libvips reads them, with no conversion: [height, width, bands] int.
  static Tensor read(const std::filesystem::path& path) {
    const vips::VImage ints =
        vips::VImage::new_from_file(path.c_str()).cast(VIPS_FORMAT_INT).copy_memory();
    return at::from_blob(const_cast<void*>(ints.data()),
                         {ints.height(), ints.width(), ints.bands()}, at::kInt)
        .clone();
  }

  /// What the error of opening `path` says.
  static std::string refusal(const std::filesystem::path& path) {
    return message_of([&] { Photograph photograph(path); });
  }
  static std::string message_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path folder_;
};

}  // namespace monge
