#include "image/prepare.h"

#include "monge/error.h"

#include "image/vips_session.h"

#include <cstring>

namespace monge::image {
namespace {

using vips::VImage;

/// A rectangle of a picture.
struct Frame {
  std::int64_t left, top, width, height;
};

/// What is taken of a picture before it is resized.
Frame crop_of(std::int64_t width, std::int64_t height, const ImageOptions& options) {
  const bool square = options.crop_size > 0 || (options.size > 0 && options.crop == "centre");
  if (!square) return {0, 0, width, height};
  const std::int64_t side = options.crop_size > 0 ? options.crop_size : std::min(width, height);
  return {(width - side) / 2, (height - side) / 2 - options.crop_offset, side, side};
}

/// Without alpha and of 8 bits.
VImage opaque(const VImage& picture) {
  VImage plain = picture;
  if (plain.format() == VIPS_FORMAT_USHORT)
    plain = plain.cast(VIPS_FORMAT_UCHAR, VImage::option()->set("shift", true));
  plain = plain.copy(VImage::option()->set(
      "interpretation", plain.bands() < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB));
  if (!plain.has_alpha()) return plain;
  return plain.flatten(VImage::option()->set("background", std::vector<double>{255}));
}

VImage cropped_and_resized(const VImage& picture, const ImageOptions& options) {
  const Frame frame = crop_of(picture.width(), picture.height(), options);
  VImage part = picture.crop(static_cast<int>(frame.left), static_cast<int>(frame.top),
                             static_cast<int>(frame.width), static_cast<int>(frame.height));
  if (options.size == 0 || (frame.width == options.size && frame.height == options.size))
    return part;
  const auto size = static_cast<double>(options.size);
  return part.resize(size / static_cast<double>(frame.width),
                     VImage::option()->set("vscale", size / static_cast<double>(frame.height)));
}

VImage with_channels(const VImage& picture, std::int64_t channels) {
  if (picture.bands() == channels) return picture;
  if (channels == 3) return VImage::bandjoin({picture, picture, picture});
  return picture.colourspace(VIPS_INTERPRETATION_B_W);
}

/// The memory of bytes [height, width, bands] as an image, which must not outlive it.
VImage view(const Tensor& pixels) {
  return VImage::new_from_memory(pixels.data_ptr(), pixels.nbytes(),
                                 static_cast<int>(pixels.size(1)), static_cast<int>(pixels.size(0)),
                                 static_cast<int>(pixels.size(2)), VIPS_FORMAT_UCHAR);
}

/// The pixels of an image of bytes, [height, width, bands].
Tensor pixels_of(const VImage& image) {
  const Tensor pixels = at::empty({image.height(), image.width(), image.bands()}, at::kByte);
  const VImage settled = image.copy_memory();
  std::memcpy(pixels.mutable_data_ptr(), settled.data(), pixels.nbytes());
  return pixels;
}

/// A decoder may leave out what resizing takes away, down to twice the size, so that the last step
/// is still antialiased resizing.
int shrink_for(const PictureHeader& header, const ImageOptions& options) {
  if (options.size == 0 || options.crop_size > 0 || options.crop_offset != 0) return 1;
  const std::int64_t most = std::min(header.width, header.height) / (2 * options.size);
  for (const int shrink : {8, 4, 2})
    if (most >= shrink) return shrink;
  return 1;
}

}  // namespace

void require_sound(const ImageOptions& options, std::string_view where) {
  if (options.channels == 2) fail(fmt::format("{}.channels", where), "0, 1 or 3", "2");
  if (options.crop == "none" && (options.crop_size > 0 || options.crop_offset != 0))
    fail(fmt::format("{}.crop", where), "centre where a crop is sized or moved", "none");
  const std::int64_t side = options.size > 0 ? options.size : options.crop_size;
  if (options.pad > 0 && options.pad < side)
    fail(fmt::format("{}.pad", where), fmt::format("at least the images' {} pixels", side),
         fmt::format("{}", options.pad));
}

void require_room(std::int64_t width, std::int64_t height, const ImageOptions& options,
                  std::string_view where) {
  const Frame frame = crop_of(width, height, options);
  if (frame.width <= width && frame.top >= 0 && frame.top + frame.height <= height) return;
  std::string crop = fmt::format("room for a crop of {0}x{0} pixels", frame.width);
  if (options.crop_offset != 0)
    crop += fmt::format(", {} {} the centre", std::abs(options.crop_offset),
                        options.crop_offset > 0 ? "above" : "below");
  fail(where, crop, fmt::format("{}x{} pixels", width, height));
}

std::vector<std::int64_t> prepared_shape(std::int64_t channels, std::int64_t width,
                                         std::int64_t height, const ImageOptions& options) {
  if (options.size > 0) return {channels, options.size, options.size};
  const Frame frame = crop_of(width, height, options);
  return {channels, frame.height, frame.width};
}

VImage prepare(const VImage& picture, std::int64_t channels, const ImageOptions& options) {
  return with_channels(cropped_and_resized(opaque(picture), options), channels);
}

Tensor prepare(const Tensor& images, std::int64_t channels, const ImageOptions& options) {
  // A small image costs more to set up than to resize: all planes are bands of one.
  const std::int64_t n = images.size(0), c = images.size(1);
  const Tensor bands = images.permute({2, 3, 0, 1}).flatten(2).contiguous();
  const Tensor resized = pixels_of(cropped_and_resized(view(bands), options));
  Tensor planes = resized.unflatten(2, {n, c}).permute({2, 3, 0, 1});
  if (c == channels) return planes;
  if (channels == 3) return planes.expand({n, 3, planes.size(2), planes.size(3)});
  const Tensor colours = planes.permute({0, 2, 3, 1}).flatten(0, 1).contiguous();
  return pixels_of(with_channels(opaque(view(colours)), 1))
      .view({n, 1, planes.size(2), planes.size(3)});
}

VImage read_prepared(const std::filesystem::path& path, const PictureHeader& header,
                     std::int64_t channels, const ImageOptions& options) {
  VImage picture = decode(path, shrink_for(header, options));
  if (header.channels == 1)  // decode() repeats grey
    picture = picture.bands() == 4 ? picture[0].bandjoin(picture[3]) : picture[0];
  require_room(picture.width(), picture.height(), options, path.string());
  return prepare(picture, channels, options);
}

Tensor read_picture(const std::filesystem::path& path, const ImageOptions& options) {
  return with_vips(path.string(), "a whole, undamaged picture", [&] {
    const PictureHeader header = read_header(path);
    const std::int64_t channels = options.channels > 0 ? options.channels : header.channels;
    const VImage image = read_prepared(path, header, channels, options);
    const Tensor levels = at::empty({channels, image.height(), image.width()}, at::kByte);
    to_planes(image,
              {levels.mutable_data_ptr<std::uint8_t>(), static_cast<std::size_t>(levels.numel())});
    return levels;
  });
}

void to_planes(const VImage& image, std::span<std::uint8_t> levels) {
  const VImage settled = image.copy_memory();
  const auto* pixels = static_cast<const std::uint8_t*>(settled.data());
  const auto bands = static_cast<std::size_t>(settled.bands());
  const std::size_t area = static_cast<std::size_t>(settled.width()) * settled.height();
  if (bands * area != levels.size())
    throw std::logic_error("a prepared image of another shape than planned");
  for (std::size_t band = 0; band < bands; ++band)
    for (std::size_t i = 0; i < area; ++i) levels[band * area + i] = pixels[i * bands + band];
}

VImage from_planes(const std::uint8_t* levels, const std::vector<std::int64_t>& shape) {
  const auto bands = static_cast<std::size_t>(shape[0]);
  const auto area = static_cast<std::size_t>(shape[1] * shape[2]);
  std::vector<std::uint8_t> pixels(bands * area);
  for (std::size_t band = 0; band < bands; ++band)
    for (std::size_t i = 0; i < area; ++i) pixels[i * bands + band] = levels[band * area + i];
  return VImage::new_from_memory(pixels.data(), pixels.size(), static_cast<int>(shape[2]),
                                 static_cast<int>(shape[1]), static_cast<int>(bands),
                                 VIPS_FORMAT_UCHAR)
      .copy(VImage::option()->set("interpretation",
                                  bands == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB))
      .copy_memory();
}

Tensor padded(const Tensor& images, std::int64_t pad, double value) {
  const std::int64_t height = images.size(2), width = images.size(3);
  if (pad == 0 || (height == pad && width == pad)) return images;
  const std::int64_t left = (pad - width) / 2, top = (pad - height) / 2;
  return at::constant_pad_nd(images, {left, pad - width - left, top, pad - height - top}, value);
}

}  // namespace monge::image
