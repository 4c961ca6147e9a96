#pragma once

#include <vips/vips8>

#include <filesystem>
#include <string>
#include <vector>

namespace monge::image {

/// A format pictures are written in.
struct Format {
  std::string name;
  std::vector<std::string> extensions;
  int bits;      ///< the most a channel can have
  bool alpha;    ///< whether it can hold alpha
  int max_side;  ///< pixels
  void (*write)(const vips::VImage& picture, const char* file);
};

/// The format of that extension (case does not matter), or nullptr.
const Format* find_format(const std::filesystem::path& path);

/// The format to write `picture` to `out` in; throws Error where there is none or where it cannot
/// hold the depth, alpha or size of `picture`.
const Format& format_for(const std::filesystem::path& out, const vips::VImage& picture);

}  // namespace monge::image
