#pragma once

#include "monge/measures/images.h"

#include "image/decode.h"

#include <vips/vips8>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace monge::image {

/// Throws Error, naming `where`, on options that do not fit one another.
void require_sound(const ImageOptions& options, std::string_view where);

/// Throws Error, naming `where`, where a picture of that size has no room for the crop.
void require_room(std::int64_t width, std::int64_t height, const ImageOptions& options,
                  std::string_view where);

/// The shape [channels, height, width] that pictures of that size get, padding not counted.
std::vector<std::int64_t> prepared_shape(std::int64_t channels, std::int64_t width,
                                         std::int64_t height, const ImageOptions& options);

/// The sRGB or grey `picture` (8 or 16 bits, alpha or none) as an image of `channels` bytes a
/// pixel: on white where it is transparent, cropped, then resized with antialiasing.
vips::VImage prepare(const vips::VImage& picture, std::int64_t channels,
                     const ImageOptions& options);

/// Images of bytes [n, c, height, width] prepared as pictures are, [n, channels, ...]; c = 1 or 3.
Tensor prepare(const Tensor& images, std::int64_t channels, const ImageOptions& options);

/// The picture in `path`, whose head is known, decoded and prepared. Throws Error.
vips::VImage read_prepared(const std::filesystem::path& path, const PictureHeader& header,
                           std::int64_t channels, const ImageOptions& options);

/// A picture prepared with the channels that the options ask for, [channels, height, width] bytes,
/// not padded. Throws Error.
Tensor read_picture(const std::filesystem::path& path, const ImageOptions& options);

/// Copies the channels of a prepared image, [height, width, c], to `levels` [c, height, width].
void to_planes(const vips::VImage& image, std::span<std::uint8_t> levels);

/// The image of `levels` [c, height, width], c = 1 or 3.
vips::VImage from_planes(const std::uint8_t* levels, const std::vector<std::int64_t>& shape);

/// Images [n, c, height, width] inside a square of `pad` pixels a side, 0 for none, of `value`.
Tensor padded(const Tensor& images, std::int64_t pad, double value);

}  // namespace monge::image
