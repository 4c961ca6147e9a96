#include "monge/error.h"
#include "monge/map_images.h"

#include "image/folder.h"

namespace monge {
namespace {

/// The picture, or nothing where it is damaged.
std::optional<Photograph> opened(const std::filesystem::path& path,
                                 std::vector<SkippedFile>& skipped, const std::string& name) {
  try {
    return Photograph(path);
  } catch (const Error& error) {
    skipped.push_back({name, image::reason_of(error, path)});
    return std::nullopt;
  }
}

}  // namespace

MappedFolder recolour_folder(const ColourFunction& map, const std::filesystem::path& in,
                             const std::filesystem::path& out, Existing existing) {
  image::require_place(in, out, existing);
  image::FolderListing listing = image::list_pictures(in);
  MappedFolder done{0, std::move(listing.skipped)};
  for (const image::FolderPicture& picture : listing.pictures) {
    const auto photograph = opened(in / picture.name, done.skipped, picture.name);
    if (!photograph) continue;
    const std::filesystem::path path = out / image::output_name(picture.name, 0, 1);
    image::make_folder(path.parent_path());
    photograph->recolour(map, path, existing);
    ++done.images;
  }
  return done;
}

}  // namespace monge
