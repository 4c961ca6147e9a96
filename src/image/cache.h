#pragma once

#include "descriptor.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace monge::image {

/// Decoded images in a file, a slot each, that outlive the process. A slot holds an image of one
/// key (its file's name, size and time) or nothing: with a checksum, so that what a killed process,
/// another one or a cut file left is nothing. The file may be deleted at any time.
class ImageCache {
 public:
  /// The file in `folder`, which is made where it is missing, of what `contents` says, with slots
  /// of `bytes`. Throws Error where it cannot be opened.
  ImageCache(const std::filesystem::path& folder, std::string_view contents, std::size_t bytes);

  /// Whether the slot holds the image of that key; then it is copied to `levels`.
  bool read(std::int64_t slot, std::uint64_t key, std::span<std::uint8_t> levels) const;
  /// A write that fails, on a full disk, ends all writing with a log line.
  void write(std::int64_t slot, std::uint64_t key, std::span<const std::uint8_t> levels);

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::size_t bytes_;
  std::atomic<bool> full_ = false;
};

/// 64 bits of a text that differ wherever texts do, for all practical purposes.
std::uint64_t cache_key(std::string_view text);

}  // namespace monge::image
