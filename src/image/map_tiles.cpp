#include "monge/error.h"
#include "monge/map_images.h"

#include "image/bicubic.h"
#include "image/folder.h"
#include "image/levels.h"
#include "image/prepare.h"

#include <numbers>

namespace monge {
namespace {

namespace fs = std::filesystem;

/// sin² across a tile, [side]: moved by half a tile it adds up to 1.
Tensor window(std::int64_t side) {
  const Tensor middles = at::arange(side, at::kFloat) + 0.5;
  return (middles * (std::numbers::pi / static_cast<double>(side))).sin().square();
}

/// Tiles at every half of their side, which cover `length` pixels twice.
std::int64_t tiles_over(std::int64_t length, std::int64_t step) { return (length - 1) / step + 2; }

/// `image` [c, h, w] with so much of its mirror image around that the tiles cover all of it alike.
Tensor surrounded(const Tensor& image, std::int64_t side, std::int64_t step) {
  const auto behind = [&](std::int64_t length) {
    return (tiles_over(length, step) - 1) * step + side - step - length;
  };
  return at::reflection_pad2d(image, {step, behind(image.size(2)), step, behind(image.size(1))});
}

void require_room(const ImageMapping& mapping, std::int64_t width, std::int64_t height,
                  const fs::path& path) {
  const std::int64_t least = (mapping.shape[1] + mapping.downscale - 1) / mapping.downscale;
  if (std::min(width, height) < least)
    fail(path.string(),
         fmt::format("a photograph of at least {0}x{0} pixels, a tile of the map", least),
         fmt::format("one of {}x{}", width, height));
}

/// [channels, h, w], or [1, h, w] where the map sees no colours.
Tensor read_whole(const ImageMapping& mapping, const fs::path& path) {
  return image::read_picture(path,
                             {.channels = mapping.grey ? 1 : mapping.shape[0], .crop = "none"});
}

void write_mapped(const ImageMapping& mapping, const Tensor& photograph, const fs::path& in,
                  const fs::path& out, Existing existing) {
  Tensor levels = photograph;
  if (mapping.downscale > 1)
    levels = image::bicubic(levels, levels.size(1) * mapping.downscale,
                            levels.size(2) * mapping.downscale);
  const Tensor mapped =
      map_by_tiles(mapping, image::from_levels(levels.expand({mapping.shape[0], -1, -1})));
  image::write_levels(out, image::to_levels(mapped, in.string()), existing);
}

}  // namespace

Tensor map_by_tiles(const ImageMapping& mapping, const Tensor& image) {
  const std::int64_t channels = mapping.shape[0], side = mapping.shape[1], step = side / 2;
  if (mapping.shape[2] != side || side % 2 != 0)
    fail("tiles", "a map of square images of an even number of pixels a side",
         fmt::format("[{}]", fmt::join(mapping.shape, ", ")));
  const Tensor all = surrounded(image, side, step);
  const std::int64_t down = tiles_over(image.size(1), step),
                     across = tiles_over(image.size(2), step);
  const Tensor weights = at::outer(window(side), window(side));
  Tensor blended = at::zeros_like(all);
  for (std::int64_t row = 0; row < down; ++row) {
    const Tensor strip = all.narrow(1, row * step, side);
    const Tensor tiles = strip.unfold(2, side, step).permute({2, 0, 1, 3});  // [across, c, s, s]
    const Tensor moved =
        mapping.function(tiles.reshape({across, -1})).view({across, channels, side, side}) *
        weights;
    Tensor to = blended.narrow(1, row * step, side);
    for (std::int64_t column = 0; column < across; ++column)
      to.narrow(2, column * step, side).add_(moved[column]);
  }
  return blended.narrow(1, step, image.size(1)).narrow(2, step, image.size(2));
}

void map_photograph(const ImageMapping& mapping, const fs::path& in, const fs::path& out,
                    Existing existing) {
  const Tensor levels = read_whole(mapping, in);
  require_room(mapping, levels.size(2), levels.size(1), in);
  write_mapped(mapping, levels, in, out, existing);
}

MappedFolder map_photograph_folder(const ImageMapping& mapping, const fs::path& in,
                                   const fs::path& out, Existing existing) {
  image::require_place(in, out, existing);
  image::FolderListing listing = image::list_pictures(in);
  for (const image::FolderPicture& picture : listing.pictures)
    require_room(mapping, picture.header.width, picture.header.height, in / picture.name);
  MappedFolder done{0, std::move(listing.skipped)};
  for (const image::FolderPicture& picture : listing.pictures) {
    const fs::path from = in / picture.name, to = out / image::output_name(picture.name, 0, 1);
    Tensor levels;
    try {
      levels = read_whole(mapping, from);
    } catch (const Error& error) {
      done.skipped.push_back({picture.name, image::reason_of(error, from)});
      continue;
    }
    image::make_folder(to.parent_path());
    write_mapped(mapping, levels, from, to, existing);
    ++done.images;
  }
  return done;
}

}  // namespace monge
