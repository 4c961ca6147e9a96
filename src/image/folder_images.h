#pragma once

#include "monge/measures/images.h"

#include "image/cache.h"
#include "image/folder.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

namespace monge::image {

/// The pictures of a folder as images; see open_image_folder(), which makes one.
class FolderImages final : public ImageSet {
 public:
  FolderImages(std::filesystem::path folder, const ImageOptions& options);
  ~FolderImages() override;

  std::int64_t size() const override { return std::ssize(listing_.pictures); }
  std::vector<std::int64_t> shape() const override { return shape_; }
  void gather(std::span<const std::int64_t> indices, std::span<std::uint8_t> levels) const override;
  void prefetch(std::span<const std::int64_t> indices) const override;
  std::vector<SkippedFile> skipped() const override;

  /// Whether the picture could be read; then it is copied to `levels`.
  bool read(std::int64_t index, std::span<std::uint8_t> levels) const;
  /// Of the images without their padding.
  std::int64_t height() const { return bare_shape_[1]; }
  std::int64_t width() const { return bare_shape_[2]; }
  const std::string& name(std::int64_t index) const { return listing_.pictures[index].name; }

 private:
  enum class Stage { queued, decoding, ready, damaged };
  struct Entry {
    Stage stage = Stage::queued;
    std::vector<std::uint8_t> levels;
    std::string reason;  // of damage
  };
  using Lock = std::unique_lock<std::mutex>;

  std::vector<std::int64_t> planned_shape() const;
  void start_workers();
  void work(const std::stop_token& stop) const;
  void request(std::int64_t index) const;
  void decode_next(Lock& lock) const;
  void store(std::int64_t index, Entry entry) const;
  const Entry& await(std::int64_t index, Lock& lock) const;
  Entry decoded(std::int64_t index) const;
  std::vector<std::uint8_t> levels_of(std::int64_t index) const;

  std::filesystem::path folder_;
  ImageOptions options_;
  FolderListing listing_;
  std::vector<std::int64_t> bare_shape_, shape_;  // without padding, and with it
  std::size_t bytes_;                             // of an image
  std::size_t most_;                              // images that are kept
  mutable std::optional<ImageCache> cache_;

  mutable std::mutex guard_;  // of what follows
  mutable std::condition_variable_any work_, done_;
  mutable std::unordered_map<std::int64_t, Entry> entries_;
  mutable std::deque<std::int64_t> queue_, kept_;  // to be decoded; ready, the oldest first
  std::vector<std::jthread> workers_;
};

}  // namespace monge::image
