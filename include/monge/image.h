#pragma once

#include "monge/files.h"
#include "monge/tensor.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace monge {

class TransportMap;

/// A function of colours: [n, 3] float32 sRGB in [0, 1] to [n, 3] float32 (clipped by the caller).
using ColourFunction = std::function<Tensor(const Tensor&)>;

/// Distinct colours of a picture: sRGB in [0, 1], [m, 3] float32, and how many pixels have each,
/// [m] int64.
struct Palette {
  Tensor colours;
  Tensor counts;
};

/// A photograph of any common format, upright (EXIF orientation applied) and in sRGB (ICC profile
/// applied; grey and CMYK promoted), 8 or 16 bits a channel, alpha kept aside. Decoded once; large
/// files are paged to disk by libvips, so memory stays bounded.
class Photograph {
 public:
  /// Throws Error where the file is missing, damaged (truncated files too), or not a picture.
  explicit Photograph(const std::filesystem::path& path);
  ~Photograph();
  Photograph(Photograph&&) noexcept;

  std::int64_t width() const;
  std::int64_t height() const;
  int bits() const;  ///< 8 or 16
  bool has_alpha() const;

  /// All distinct colours. 16-bit pictures are counted at 8 bits a channel: a palette is for
  /// sampling; recolour() does not use it.
  Palette palette() const;

  /// Writes the picture with every colour replaced by map(colour), clipped to [0, 1] and rounded to
  /// the picture's depth; alpha, size and depth stay; format by the extension of `out`, which must
  /// be one that can hold the picture (Error otherwise). The map sees each distinct colour of an
  /// 8-bit picture exactly once; of a 16-bit picture once a strip. Atomic.
  void recolour(const ColourFunction& map, const std::filesystem::path& out,
                Existing existing) const;

  /// A preview with the longer side at most `side`, as JPEG bytes (PNG where it has alpha).
  std::string preview(int side, std::string* mime) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// True where the extension is that of a picture format that can be read here.
bool is_image_path(const std::filesystem::path& path);
/// True where it is that of one that can be written here; GIF and BMP are only read.
bool is_writable_image_path(const std::filesystem::path& path);

/// Writes a 3-D LUT in the .cube format of video and photo tools: LUT_3D_SIZE `size`, red fastest,
/// domain 0 to 1. 2 <= size <= 256. Atomic.
void write_cube(const std::filesystem::path& path, const ColourFunction& map, int size,
                const std::string& title, Existing existing);

/// True where the extension is .cube.
bool is_cube_path(const std::filesystem::path& path);

/// Reads a .cube file (Adobe Cube LUT Specification 1.0) as a map of sRGB colours [n, 3]: a 3-D
/// LUT, interpolated linearly in tetrahedra, or a 1-D one, a curve for each channel. DOMAIN_MIN,
/// DOMAIN_MAX and DaVinci Resolve's LUT_3D_INPUT_RANGE are kept to; colours outside of the domain
/// are clipped to it. Throws Error, naming the line, on anything else.
std::shared_ptr<const TransportMap> read_cube(const std::filesystem::path& path);

}  // namespace monge
