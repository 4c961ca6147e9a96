#include "image/format.h"

#include "monge/error.h"
#include "monge/image.h"

#include "image/vips_session.h"

#include <cctype>
#include <limits>

namespace monge::image {
namespace {

using vips::VImage;
using vips::VOption;

// Full-resolution chroma: the point of a recoloured picture is its colours. Optimised Huffman
// tables would save a few per cent, at the price of holding the coefficients of the whole picture.
void write_jpeg(const VImage& picture, const char* file) {
  picture.jpegsave(
      file, VImage::option()->set("Q", 95)->set("subsample_mode", VIPS_FOREIGN_SUBSAMPLE_OFF));
}

void write_png(const VImage& picture, const char* file) { picture.pngsave(file); }

void write_tiff(const VImage& picture, const char* file) {
  // A classic TIFF ends at 4 GB; compressed sizes are not known beforehand.
  const bool big = VIPS_IMAGE_SIZEOF_IMAGE(picture.get_image()) > (guint64{1} << 31);
  picture.tiffsave(file, VImage::option()
                             ->set("compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE)
                             ->set("predictor", VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL)
                             ->set("bigtiff", big));
}

// Lossy WebP halves the chroma resolution, so the lossless kind; more effort than this takes a
// multiple of the time for a few per cent of the size.
void write_webp(const VImage& picture, const char* file) {
  picture.webpsave(file, VImage::option()->set("lossless", true)->set("effort", 1)->set("Q", 20));
}

VOption* heif_options(VipsForeignHeifCompression compression) {
  return VImage::option()
      ->set("Q", 90)
      ->set("compression", compression)
      ->set("bitdepth", 8)
      ->set("subsample_mode", VIPS_FOREIGN_SUBSAMPLE_OFF);
}

void write_avif(const VImage& picture, const char* file) {
  picture.heifsave(file, heif_options(VIPS_FOREIGN_HEIF_COMPRESSION_AV1));
}

void write_heic(const VImage& picture, const char* file) {
  picture.heifsave(file, heif_options(VIPS_FOREIGN_HEIF_COMPRESSION_HEVC));
}

/// libvips may be built with libheif, and libheif still lack the encoder: only trying tells.
bool can_write_heif(VipsForeignHeifCompression compression) {
  try {
    const VImage probe =
        VImage::black(64, 64, VImage::option()->set("bands", 3))
            .copy(VImage::option()->set("interpretation", VIPS_INTERPRETATION_sRGB));
    VipsBlob* blob = probe.heifsave_buffer(heif_options(compression));
    vips_area_unref(VIPS_AREA(blob));
    return true;
  } catch (const vips::VError&) {
    vips_error_clear();
    return false;
  }
}

std::vector<Format> supported_formats() {
  start_vips();
  constexpr int unlimited = std::numeric_limits<int>::max();
  std::vector<Format> formats = {
      {"JPEG", {".jpg", ".jpeg"}, 8, false, 65500, write_jpeg},
      {"PNG", {".png"}, 16, true, unlimited, write_png},
      {"TIFF", {".tif", ".tiff"}, 16, true, unlimited, write_tiff},
  };
  if (vips_type_find("VipsOperation", "webpsave") != 0)
    formats.push_back({"WebP", {".webp"}, 8, true, 16383, write_webp});
  if (can_write_heif(VIPS_FOREIGN_HEIF_COMPRESSION_AV1))
    formats.push_back({"AVIF", {".avif"}, 8, true, 16384, write_avif});
  if (can_write_heif(VIPS_FOREIGN_HEIF_COMPRESSION_HEVC))
    formats.push_back({"HEIC", {".heic"}, 8, true, 16384, write_heic});
  return formats;
}

const std::vector<Format>& formats() {
  static const std::vector<Format> table = supported_formats();
  return table;
}

std::string lower_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

std::string accepted_extensions() {
  std::vector<std::string> all;
  for (const Format& format : formats())
    all.insert(all.end(), format.extensions.begin(), format.extensions.end());
  return fmt::format("{}", fmt::join(all, ", "));
}

}  // namespace

const Format* find_format(const std::filesystem::path& path) {
  const std::string extension = lower_extension(path);
  for (const Format& format : formats())
    if (std::ranges::find(format.extensions, extension) != format.extensions.end()) return &format;
  return nullptr;
}

const Format& format_for(const std::filesystem::path& out, const VImage& picture) {
  const std::string where = out.string();
  const Format* format = find_format(out);
  if (!format)
    fail(where, "an extension among " + accepted_extensions(),
         out.has_extension() ? out.extension().string() : "none");
  if (picture.bands() == 4 && !format->alpha)
    fail(where, "a format that keeps alpha (.png, .tiff)", format->name + ", which has none");
  if (picture.format() == VIPS_FORMAT_USHORT && format->bits < 16)
    fail(where, "a format of 16 bits a channel, as the picture has (.png, .tiff)",
         format->name + ", which has 8");
  const int side = std::max(picture.width(), picture.height());
  if (side > format->max_side)
    fail(where, fmt::format("a side of at most {} pixels in {}", format->max_side, format->name),
         std::to_string(side));
  return *format;
}

}  // namespace monge::image

namespace monge {

bool is_image_path(const std::filesystem::path& path) {
  const std::string extension = image::lower_extension(path);
  return is_writable_image_path(path) || extension == ".bmp" || extension == ".gif";
}

bool is_writable_image_path(const std::filesystem::path& path) {
  return image::find_format(path) != nullptr;
}

}  // namespace monge
