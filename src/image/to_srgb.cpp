#include "image/to_srgb.h"

#include "monge/error.h"

#include "image/vips_session.h"

namespace monge::image {
namespace {

using vips::VImage;

constexpr auto kProfile = VIPS_META_ICC_NAME;

bool has_profile(const VImage& image) { return image.get_typeof(kProfile) != 0; }

bool is_lab(const VImage& image) {
  const auto interpretation = image.interpretation();
  return interpretation == VIPS_INTERPRETATION_LAB || interpretation == VIPS_INTERPRETATION_LABS ||
         interpretation == VIPS_INTERPRETATION_LABQ;
}

int colour_channels(const VImage& image) {
  if (image.interpretation() == VIPS_INTERPRETATION_CMYK && image.bands() >= 4) return 4;
  return image.bands() >= 3 ? 3 : 1;
}

int depth(const VImage& image) { return image.format() == VIPS_FORMAT_USHORT ? 16 : 8; }

void require_supported(const VImage& image, const std::string& where) {
  const auto format = image.format();
  const bool floating = vips_band_format_isfloat(format) || image.coding() == VIPS_CODING_RAD;
  if (floating)
    fail(where, "8 or 16 bits a channel", "a floating-point (HDR) picture: tone-map it to 16 bits");
  if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT)
    fail(where, "8 or 16 bits a channel", vips_enum_nick(VIPS_TYPE_BAND_FORMAT, format));
  if (image.bands() - colour_channels(image) > 1)
    fail(where, "grey, RGB or CMYK with at most one alpha channel",
         fmt::format("{} channels", image.bands()));
}

VImage transform(const VImage& colour, const char* fallback) {
  return colour.icc_transform("srgb", VImage::option()
                                          ->set("embedded", true)
                                          ->set("input_profile", fallback)
                                          ->set("intent", VIPS_INTENT_RELATIVE)
                                          ->set("black_point_compensation", true)
                                          ->set("depth", depth(colour)));
}

/// True where the profile of `image` moves no colour of a lattice by more than one 8-bit level:
/// the many vendors' sRGB profiles differ in rounding, and applying them would only add noise.
bool profile_is_srgb(const VImage& image) {
  constexpr int side = 17;
  constexpr int step = 65535 / (side - 1);
  std::vector<std::uint16_t> lattice;
  for (int i = 0; i < side * side * side; ++i)
    for (const int level : {i % side, i / side % side, i / side / side})
      lattice.push_back(static_cast<std::uint16_t>(level * step));
  VImage sample = VImage::new_from_memory(lattice.data(), lattice.size() * 2, side * side, side, 3,
                                          VIPS_FORMAT_USHORT)
                      .copy(VImage::option()->set("interpretation", VIPS_INTERPRETATION_RGB16));
  std::size_t length = 0;
  const void* profile = image.get_blob(kProfile, &length);
  vips_image_set_blob_copy(sample.get_image(), kProfile, profile, length);
  return (transform(sample, "srgb") - sample).abs().max() <= 257;
}

VImage replicate(const VImage& grey) { return VImage::bandjoin({grey, grey, grey}); }

VImage assumed_srgb(const VImage& colour) {
  if (colour.bands() == 4) {
    VImage bare = colour.copy();
    bare.remove(kProfile);
    return transform(bare, "cmyk");
  }
  return colour.bands() == 1 ? replicate(colour) : colour;
}

VImage colour_to_srgb(const VImage& colour) {
  if (!has_profile(colour)) return assumed_srgb(colour);
  try {
    if (colour.bands() == 3 && profile_is_srgb(colour)) return colour;
    return transform(colour, colour.bands() == 4 ? "cmyk" : "srgb");
  } catch (const vips::VError&) {  // a broken profile, or one for another kind of picture
    vips_error_clear();
    return assumed_srgb(colour);
  }
}

VImage lab_to_srgb(const VImage& image, const std::string& where) {
  const bool packed = image.coding() == VIPS_CODING_LABQ;  // three 8-bit channels in four bytes
  if (!packed && image.bands() != 3)
    fail(where, "Lab without further channels", fmt::format("{} channels", image.bands()));
  return image.colourspace(packed ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_RGB16);
}

VImage channels_to_srgb(const VImage& image, const std::string& where) {
  require_supported(image, where);
  const int channels = colour_channels(image);
  const VImage colour = image.extract_band(0, VImage::option()->set("n", channels));
  const VImage srgb = colour_to_srgb(colour);
  return image.bands() == channels ? srgb : srgb.bandjoin(image[channels]);
}

void keep_true_metadata(VImage& picture, bool profiled) {
  const std::unique_ptr<gchar*, void (*)(gchar**)> fields(
      vips_image_get_fields(picture.get_image()), g_strfreev);
  for (gchar** name = fields.get(); *name != nullptr; ++name) {
    const std::string_view field = *name;
    const bool kept = field.starts_with("exif-") || field == VIPS_META_IPTC_NAME ||
                      field == VIPS_META_RESOLUTION_UNIT;
    if (!kept || field.starts_with("exif-ifd1-")) picture.remove(*name);
  }
  picture.remove("exif-ifd4-InteroperabilityIndex");
  if (picture.get_typeof("exif-ifd2-ColorSpace") != 0) picture.set("exif-ifd2-ColorSpace", "1");
  if (!profiled) return;
  VipsBlob* srgb = VImage::profile_load("srgb");
  std::size_t length = 0;
  const void* bytes = vips_blob_get(srgb, &length);
  vips_image_set_blob_copy(picture.get_image(), kProfile, bytes, length);
  vips_area_unref(VIPS_AREA(srgb));
}

}  // namespace

VImage to_srgb(const VImage& image, const std::string& where) {
  const VImage srgb = is_lab(image) ? lab_to_srgb(image, where) : channels_to_srgb(image, where);
  VImage picture = srgb.copy(VImage::option()->set(
      "interpretation", depth(srgb) == 16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB));
  keep_true_metadata(picture, has_profile(image));
  return picture;
}

}  // namespace monge::image
