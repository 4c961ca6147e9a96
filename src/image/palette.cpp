#include "image/colour_set.h"
#include "image/photograph.h"
#include "image/rows.h"
#include "image/vips_session.h"

namespace monge {
namespace {

std::uint8_t byte(std::uint8_t level) { return level; }
std::uint8_t byte(std::uint16_t level) {
  return static_cast<std::uint8_t>((level * 255u + 32767u) / 65535u);
}

/// Calls visit(key) for every pixel.
template <typename Channel, typename Visit>
void for_each_colour(const vips::VImage& picture, Visit visit) {
  const std::int64_t bands = picture.bands();
  const std::int64_t width = picture.width();
  image::for_each_row<Channel>(picture, [&](const Channel* pixel, int) {
    for (std::int64_t x = 0; x < width; ++x, pixel += bands)
      visit(image::ColourSet::key(byte(pixel[0]), byte(pixel[1]), byte(pixel[2])));
  });
}

template <typename Channel>
Palette count_colours(const vips::VImage& picture) {
  image::ColourSet set;
  for_each_colour<Channel>(picture, [&](std::uint32_t key) { set.insert(key); });
  set.seal();
  Tensor counts = at::zeros({set.size()}, at::kLong);
  auto* count = counts.mutable_data_ptr<std::int64_t>();
  for_each_colour<Channel>(picture, [&](std::uint32_t key) { ++count[set.index(key)]; });
  std::vector<std::uint8_t> bytes = set.colours();
  const Tensor levels = at::from_blob(bytes.data(), {set.size(), 3}, at::kByte);
  return {levels.to(at::kFloat) / 255.0f, counts};
}

}  // namespace

Palette Photograph::palette() const {
  return image::with_vips(impl_->name, "its pixels", [&] {
    return bits() == 8 ? count_colours<std::uint8_t>(impl_->picture)
                       : count_colours<std::uint16_t>(impl_->picture);
  });
}

}  // namespace monge
