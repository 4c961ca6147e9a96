#include "image/decode.h"
#include "image/evaluate.h"
#include "image/recolour.h"
#include "image/rows.h"

#include <bit>
#include <limits>

namespace monge::image {
namespace {

using vips::VImage;

/// Numbers the distinct 16-bit colours of a strip by open addressing; linear probing over a table
/// twice the strip's pixels stays short.
class StripColours {
 public:
  explicit StripColours(std::size_t pixels)
      : slots_(std::bit_ceil(pixels * 2), kFree), mask_(slots_.size() - 1) {}

  void clear() {
    std::ranges::fill(slots_, kFree);
    levels_.clear();
  }

  std::uint32_t number(const std::uint16_t* pixel) {
    const std::uint64_t key =
        std::uint64_t{pixel[0]} << 32 | std::uint64_t{pixel[1]} << 16 | pixel[2];
    constexpr std::uint64_t golden = 0x9E3779B97F4A7C15;  // Fibonacci hashing, Knuth vol. 3, 6.4
    for (std::size_t slot = (key * golden) >> 32;; ++slot) {
      std::uint32_t& found = slots_[slot & mask_];
      if (found == kFree) {
        found = static_cast<std::uint32_t>(levels_.size() / 3);
        levels_.insert(levels_.end(), pixel, pixel + 3);
        return found;
      }
      if (std::equal(pixel, pixel + 3, levels_.data() + std::size_t{found} * 3)) return found;
    }
  }

  /// [n, 3], in order of number.
  const std::vector<std::uint16_t>& levels() const { return levels_; }

 private:
  static constexpr std::uint32_t kFree = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> slots_;
  std::size_t mask_;
  std::vector<std::uint16_t> levels_;
};

class StripWriter {
 public:
  StripWriter(const VImage& picture, const ColourFunction& map, const std::string& where,
              std::uint64_t limit)
      : map_(map),
        where_(where),
        width_(picture.width()),
        bands_(picture.bands()),
        rows_(std::clamp<std::int64_t>(kStripPixels / width_, 1, picture.height())),
        colours_(static_cast<std::size_t>(rows_ * width_)),
        out_(room_for(picture, limit)) {}

  void add(const std::uint16_t* row) {
    pixels_.insert(pixels_.end(), row, row + width_ * bands_);
    if (std::ssize(pixels_) == rows_ * width_ * bands_) flush();
  }

  VImage finish() {
    flush();
    // Turns a file that was written into one that can be read.
    if (vips_image_pio_input(out_.get_image()) != 0) throw vips::VError();
    return out_;
  }

 private:
  static constexpr std::int64_t kStripPixels = std::int64_t{1} << 18;

  void flush() {
    colours_.clear();
    numbers_.clear();
    for (std::size_t i = 0; i < pixels_.size(); i += bands_)
      numbers_.push_back(colours_.number(pixels_.data() + i));
    mapped_.resize(colours_.levels().size());
    evaluate_levels<std::uint16_t>(map_, colours_.levels(), mapped_, where_);
    for (std::size_t i = 0; i < numbers_.size(); ++i)
      std::copy_n(mapped_.data() + std::size_t{numbers_[i]} * 3, 3, pixels_.data() + i * bands_);
    for (std::size_t i = 0; i < pixels_.size(); i += width_ * bands_, ++y_)
      if (vips_image_write_line(out_.get_image(), y_,
                                reinterpret_cast<VipsPel*>(pixels_.data() + i)) != 0)
        throw vips::VError();
    pixels_.clear();
  }

  const ColourFunction& map_;
  const std::string& where_;
  std::int64_t width_;
  std::int64_t bands_;
  std::int64_t rows_;
  StripColours colours_;
  std::vector<std::uint16_t> pixels_;
  std::vector<std::uint16_t> mapped_;
  std::vector<std::uint32_t> numbers_;
  VImage out_;
  int y_ = 0;
};

}  // namespace

VImage recolour_by_strips(const VImage& picture, const ColourFunction& map,
                          const std::string& where, std::uint64_t limit) {
  StripWriter writer(picture, map, where, limit);
  for_each_row<std::uint16_t>(picture, [&](const std::uint16_t* row, int) { writer.add(row); });
  return writer.finish();
}

}  // namespace monge::image
