#include "image/decode.h"

#include "monge/error.h"
#include "monge/files.h"

#include "image/to_srgb.h"
#include "image/vips_session.h"

#include <fstream>

namespace monge::image {
namespace {

using vips::VImage;

void require_file(const std::filesystem::path& path) {
  constexpr auto expected = "a picture file";
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    fail(path.string(), expected, "no such file");
  if (error) fail(path.string(), expected, error.message());
  if (std::filesystem::is_directory(status)) fail(path.string(), expected, "a folder");
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size == 0) fail(path.string(), expected, "an empty file");
}

/// libvips reads BMP by ImageMagick, and that not from a source. ImageMagick's other formats, some
/// of which are scripts, stay closed: the first bytes of the file name the format.
bool is_bitmap(const std::filesystem::path& path) {
  std::array<char, 2> first{};
  std::ifstream(path, std::ios::binary).read(first.data(), first.size());
  return first == std::array{'B', 'M'};
}

VImage open_bitmap(const std::filesystem::path& path) {
  const std::string bytes = read_text(path);
  VipsBlob* blob = vips_blob_copy(bytes.data(), bytes.size());
  const auto held =
      std::unique_ptr<VipsArea, decltype(&vips_area_unref)>(VIPS_AREA(blob), vips_area_unref);
  return VImage::magickload_buffer(blob).copy_memory();
}

/// Opened as a source, since libvips takes a file name apart at its brackets.
VImage open(const std::filesystem::path& path, VipsAccess access, int shrink) {
  if (is_bitmap(path)) return open_bitmap(path);
  const auto source = vips::VSource::new_from_file(path.c_str());
  const char* loader = vips_foreign_find_load_source(source.get_source());
  if (!loader) {
    vips_error_clear();
    fail(path.string(), "a picture file", "a file of no known picture format");
  }
  vips::VOption* options =
      VImage::option()->set("access", access)->set("fail_on", VIPS_FAIL_ON_ERROR);
  if (shrink > 1 && std::string_view(loader).starts_with("VipsForeignLoadJpeg"))
    options->set("shrink", shrink);
  return VImage::new_from_source(source, "", options);
}

/// Rows can be taken from the decoder as they come unless the picture has to be turned.
VImage open_upright(const std::filesystem::path& path, int shrink) {
  VImage rows = open(path, VIPS_ACCESS_SEQUENTIAL, shrink);
  if (vips_image_get_orientation(rows.get_image()) <= 1) return rows;
  return open(path, VIPS_ACCESS_RANDOM, shrink).autorot();
}

/// To libjpeg scrambled data are no error but a warning, and libvips passes it on only in its log.
/// JPEG has no checksums, so damage that still decodes to as many blocks cannot be told.
bool tells_of_damage(std::string_view log) { return log.find("Corrupt JPEG data") != log.npos; }

}  // namespace

VImage room_for(const VImage& image, std::uint64_t limit) {
  const bool fits = VIPS_IMAGE_SIZEOF_IMAGE(image.get_image()) <= limit;
  VImage room = fits ? VImage::new_memory() : VImage::new_temp_file("%s.v");
  if (vips_image_pipelinev(room.get_image(), VIPS_DEMAND_STYLE_ANY, image.get_image(), nullptr) !=
      0)
    throw vips::VError();
  return room;
}

VImage settle(const VImage& image, std::uint64_t limit) {
  if (VIPS_IMAGE_SIZEOF_IMAGE(image.get_image()) <= limit) return image.copy_memory();
  VImage file = VImage::new_temp_file("%s.v");
  image.write(file);
  return file;
}

PictureHeader read_header(const std::filesystem::path& path) {
  require_file(path);
  return with_vips(path.string(), "a picture", [&] {
    const VImage picture = open(path, VIPS_ACCESS_SEQUENTIAL, 1);
    PictureHeader header{picture.width(), picture.height(), picture.bands() < 3 ? 1 : 3};
    constexpr int first_turned = 5;  // EXIF orientations that exchange the sides
    if (vips_image_get_orientation(picture.get_image()) >= first_turned)
      std::swap(header.width, header.height);
    return header;
  });
}

VImage decode(const std::filesystem::path& path, int shrink) {
  constexpr auto expected = "a whole, undamaged picture";
  require_file(path);
  return with_vips(path.string(), expected, [&] {
    VImage picture;
    const std::string log =
        warnings_of([&] { picture = settle(to_srgb(open_upright(path, shrink), path.string())); });
    if (tells_of_damage(log)) fail(path.string(), expected, "corrupt JPEG data");
    return picture;
  });
}

}  // namespace monge::image
