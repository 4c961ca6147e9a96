#include "image/cache.h"

#include "monge/error.h"
#include "monge/files.h"
#include "monge/log.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <glib.h>
#include <unistd.h>
#include <zlib.h>

namespace monge::image {
namespace {

/// Behind the bytes of an image.
struct Seal {
  std::uint64_t key;
  std::uint64_t checksum;
};

Seal seal_of(std::uint64_t key, std::span<const std::uint8_t> levels) {
  const uLong start = crc32_z(0, reinterpret_cast<const Bytef*>(&key), sizeof(key));
  return {key, crc32_z(start, levels.data(), levels.size())};
}

/// Whether all of the bytes could be moved.
template <class Move>
bool move_all(Move move, std::size_t count, std::size_t offset) {
  for (std::size_t done = 0; done < count;) {
    const ssize_t moved = move(done, count - done, static_cast<off_t>(offset + done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    done += static_cast<std::size_t>(moved);
  }
  return true;
}

/// Tells backup programs that there is nothing to keep (bford.info/cachedir).
void mark_as_cache(const std::filesystem::path& folder) {
  const std::filesystem::path tag = folder / "CACHEDIR.TAG";
  if (!std::filesystem::exists(tag))
    write_text(tag,
               "Signature: 8a477f597d28d172789f06886806bc55\n"
               "# Images that monge has decoded; this folder may be deleted at any time.\n");
}

std::filesystem::path made_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) fail(folder.string(), "a cache folder that can be made", failure.message());
  mark_as_cache(folder);
  return folder;
}

}  // namespace

ImageCache::ImageCache(const std::filesystem::path& folder, std::string_view contents,
                       std::size_t bytes)
    : path_(made_folder(folder) / fmt::format("{:016x}.images", cache_key(contents))),
      file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)),
      bytes_(bytes) {
  if (file_.get() < 0) fail_system(path_, "open", errno);
}

bool ImageCache::read(std::int64_t slot, std::uint64_t key, std::span<std::uint8_t> levels) const {
  const std::size_t begin = static_cast<std::size_t>(slot) * (bytes_ + sizeof(Seal));
  const auto read = [&](void* to) {
    return [this, to](std::size_t done, std::size_t count, off_t offset) {
      return ::pread(file_.get(), static_cast<char*>(to) + done, count, offset);
    };
  };
  Seal seal{};
  if (!move_all(read(&seal), sizeof(seal), begin + bytes_) || seal.key != key) return false;
  return move_all(read(levels.data()), bytes_, begin) &&
         seal.checksum == seal_of(key, levels).checksum;
}

void ImageCache::write(std::int64_t slot, std::uint64_t key, std::span<const std::uint8_t> levels) {
  if (full_) return;
  const std::size_t begin = static_cast<std::size_t>(slot) * (bytes_ + sizeof(Seal));
  const Seal seal = seal_of(key, levels);
  std::vector<std::uint8_t> record(levels.begin(), levels.end());
  const auto* end = reinterpret_cast<const std::uint8_t*>(&seal);
  record.insert(record.end(), end, end + sizeof(seal));
  const bool written = move_all(
      [&](std::size_t done, std::size_t count, off_t offset) {
        return ::pwrite(file_.get(), record.data() + done, count, offset);
      },
      record.size(), begin);
  if (!written && !full_.exchange(true))
    log::warning(
        fmt::format("{}: cannot keep more images: {}", path_.string(), std::strerror(errno)));
}

std::uint64_t cache_key(std::string_view text) {
  gchar* hex = g_compute_checksum_for_data(
      G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(text.data()), text.size());
  const std::string first(hex, 16);
  g_free(hex);
  return std::stoull(first, nullptr, 16);
}

}  // namespace monge::image
