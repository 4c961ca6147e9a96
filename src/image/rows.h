#pragma once

#include <vips/vips8>

#include <memory>

namespace monge::image {

struct RegionDeleter {
  void operator()(VipsRegion* region) const { g_object_unref(region); }
};
using RegionPointer = std::unique_ptr<VipsRegion, RegionDeleter>;

/// Calls visit(row, y) for every row from the top: row points to width * bands channels, valid
/// during the call. Pixels in memory are not copied, those on disc pass through a small window.
template <typename Channel, typename Visit>
void for_each_row(const vips::VImage& picture, Visit visit) {
  constexpr int strip = 64;
  const RegionPointer region(vips_region_new(picture.get_image()));
  for (int top = 0; top < picture.height(); top += strip) {
    VipsRect area{0, top, picture.width(), std::min(strip, picture.height() - top)};
    if (vips_region_prepare(region.get(), &area) != 0) throw vips::VError();
    for (int y = top; y < top + area.height; ++y)
      visit(reinterpret_cast<const Channel*>(VIPS_REGION_ADDR(region.get(), 0, y)), y);
  }
}

}  // namespace monge::image
