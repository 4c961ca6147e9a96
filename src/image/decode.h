#pragma once

#include <vips/vips8>

#include <cstdint>
#include <filesystem>

namespace monge::image {

/// The picture in `path`: upright, sRGB, three colour channels and at most one of alpha, 8 or 16
/// bits, decoded in full into memory or, past libvips's disc threshold (100 MB unless
/// VIPS_DISC_THRESHOLD says otherwise), into a temporary file that is read in windows.
/// Throws Error where the file is missing, damaged, cut short or not such a picture.
///
/// A JPEG file decodes to a `shrink`-th of its sides, 1, 2, 4 or 8, at less cost.
vips::VImage decode(const std::filesystem::path& path, int shrink = 1);

/// What the head of a picture file says of it.
struct PictureHeader {
  std::int64_t width, height;  ///< upright
  std::int64_t channels;       ///< of colour: 1 (grey) or 3
};

/// Reads no pixels. Throws Error where the file is missing or no picture.
PictureHeader read_header(const std::filesystem::path& path);

/// An image of that size to be written now and read later: in memory up to `limit` bytes, else in
/// a temporary file that goes with it.
vips::VImage room_for(const vips::VImage& image, std::uint64_t limit = vips_get_disc_threshold());

/// Computes every pixel of `image` now and keeps them, as room_for does.
vips::VImage settle(const vips::VImage& image, std::uint64_t limit = vips_get_disc_threshold());

}  // namespace monge::image
