#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace monge::image {

/// A set of 8-bit colours as a bitmap (2 MB, inside the cache) with ranks: after seal(), every
/// colour of the set has an index in 0 .. size() - 1, in increasing order of (red, green, blue).
class ColourSet {
 public:
  static std::uint32_t key(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
    return std::uint32_t{red} << 16 | std::uint32_t{green} << 8 | blue;
  }

  void insert(std::uint32_t key) { words_[key >> 6] |= std::uint64_t{1} << (key & 63); }

  void seal() {
    for (std::size_t i = 0; i < kWords; ++i) {
      ranks_[i] = size_;
      size_ += static_cast<std::uint32_t>(std::popcount(words_[i]));
    }
  }

  std::uint32_t size() const { return size_; }

  /// The index of a colour of the sealed set.
  std::uint32_t index(std::uint32_t key) const {
    const std::uint64_t below = words_[key >> 6] & ((std::uint64_t{1} << (key & 63)) - 1);
    return ranks_[key >> 6] + static_cast<std::uint32_t>(std::popcount(below));
  }

  /// The colours in order of index, [size, 3] bytes.
  std::vector<std::uint8_t> colours() const {
    std::vector<std::uint8_t> bytes;
    bytes.reserve(std::size_t{size_} * 3);
    for (std::size_t i = 0; i < kWords; ++i) {
      for (std::uint64_t left = words_[i]; left != 0; left &= left - 1) {
        const auto key = static_cast<std::uint32_t>(i << 6) | std::countr_zero(left);
        bytes.push_back(static_cast<std::uint8_t>(key >> 16));
        bytes.push_back(static_cast<std::uint8_t>(key >> 8));
        bytes.push_back(static_cast<std::uint8_t>(key));
      }
    }
    return bytes;
  }

 private:
  static constexpr std::size_t kWords = (std::size_t{1} << 24) / 64;
  std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(kWords);
  std::vector<std::uint32_t> ranks_ = std::vector<std::uint32_t>(kWords);
  std::uint32_t size_ = 0;
};

}  // namespace monge::image
