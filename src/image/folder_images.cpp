#include "image/folder_images.h"

#include "monge/error.h"

#include "image/prepare.h"
#include "image/vips_session.h"

#include <ATen/Parallel.h>

namespace monge::image {
FolderImages::FolderImages(std::filesystem::path folder, const ImageOptions& options)
    : folder_(std::move(folder)),
      options_(options),
      listing_(list_pictures(folder_)),
      bare_shape_(planned_shape()),
      shape_(options_.pad > 0 ? std::vector{bare_shape_[0], options_.pad, options_.pad}
                              : bare_shape_),
      bytes_(static_cast<std::size_t>(c10::multiply_integers(shape_))),
      most_(std::max<std::size_t>((static_cast<std::size_t>(options_.memory) << 20) / bytes_, 1)) {
  if (std::max(bare_shape_[1], bare_shape_[2]) > options_.pad && options_.pad > 0)
    fail(folder_.string(), fmt::format("images of at most {} pixels a side to pad", options_.pad),
         fmt::format("{}x{}", bare_shape_[2], bare_shape_[1]));
  if (!options_.cache.empty())
    cache_.emplace(options_.cache,
                   fmt::format("{}\n{} {} {} {} {} {}", std::filesystem::absolute(folder_).string(),
                               fmt::join(shape_, " "), options_.size, options_.crop,
                               options_.crop_size, options_.crop_offset, options_.pad),
                   bytes_);
  start_workers();
}

FolderImages::~FolderImages() = default;

/// Of every picture, padding not counted.
std::vector<std::int64_t> FolderImages::planned_shape() const {
  const auto& pictures = listing_.pictures;
  const std::int64_t channels = common_channels(folder_, pictures, options_.channels);
  const auto shape_at = [&](const FolderPicture& one) {
    const auto [width, height] = std::pair(one.header.width, one.header.height);
    require_room(width, height, options_, (folder_ / one.name).string());
    return prepared_shape(channels, width, height, options_);
  };
  const auto described = [](const FolderPicture& one) {
    return fmt::format("{}x{} in {}", one.header.width, one.header.height, one.name);
  };
  const std::vector<std::int64_t> shape = shape_at(pictures.front());
  for (const FolderPicture& one : pictures)
    if (shape_at(one) != shape)
      fail(folder_.string(), "pictures of one size, or a size to make them so",
           fmt::format("{} and {}", described(pictures.front()), described(one)));
  return shape;
}

void FolderImages::start_workers() {
  constexpr std::int64_t most_workers = 16;
  const std::int64_t usual = std::min<std::int64_t>(at::get_num_threads(), most_workers);
  const std::int64_t count = options_.workers > 0 ? options_.workers : usual;
  for (std::int64_t i = 0; i < count; ++i)
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

void FolderImages::work(const std::stop_token& stop) const {
  Lock lock(guard_);
  while (work_.wait(lock, stop, [this] { return !queue_.empty(); })) decode_next(lock);
}

/// To be decoded, unless it is there or on its way.
void FolderImages::request(std::int64_t index) const {
  if (!entries_.try_emplace(index).second) return;
  queue_.push_back(index);
  work_.notify_one();
}

void FolderImages::prefetch(std::span<const std::int64_t> indices) const {
  const Lock lock(guard_);
  for (const std::int64_t index : indices.first(std::min(indices.size(), most_))) request(index);
}

/// Takes the first image of the queue; the lock is open while it is decoded.
void FolderImages::decode_next(Lock& lock) const {
  const std::int64_t index = queue_.front();
  queue_.pop_front();
  entries_.at(index).stage = Stage::decoding;
  lock.unlock();
  Entry entry = decoded(index);
  lock.lock();
  store(index, std::move(entry));
}

/// What was ready first makes room.
void FolderImages::store(std::int64_t index, Entry entry) const {
  const bool ready = entry.stage == Stage::ready;
  entries_.at(index) = std::move(entry);
  if (ready) kept_.push_back(index);
  done_.notify_all();
  while (kept_.size() > most_) {
    entries_.erase(kept_.front());
    kept_.pop_front();
  }
}

FolderImages::Entry FolderImages::decoded(std::int64_t index) const {
  try {
    return {Stage::ready, levels_of(index), {}};
  } catch (const std::exception& error) {
    return {Stage::damaged, {}, reason_of(error, folder_ / name(index))};
  }
}

std::vector<std::uint8_t> FolderImages::levels_of(std::int64_t index) const {
  const FolderPicture& picture = listing_.pictures[index];
  const std::uint64_t key =
      cache_ ? cache_key(fmt::format("{}\n{}\n{}", picture.name, picture.bytes, picture.modified))
             : 0;
  std::vector<std::uint8_t> levels(bytes_);
  if (cache_ && cache_->read(index, key, levels)) return levels;
  const std::filesystem::path path = folder_ / picture.name;
  with_vips(path.string(), "a whole, undamaged picture", [&] {
    vips::VImage image = read_prepared(path, picture.header, shape_[0], options_);
    if (options_.pad > 0)
      image = image.gravity(VIPS_COMPASS_DIRECTION_CENTRE, static_cast<int>(options_.pad),
                            static_cast<int>(options_.pad));
    to_planes(image, levels);
  });
  if (cache_) cache_->write(index, key, levels);
  return levels;
}

/// An image that is ready or damaged. The caller decodes beside the workers while it waits, in the
/// order of the queue, in which its own images stand.
const FolderImages::Entry& FolderImages::await(std::int64_t index, Lock& lock) const {
  while (true) {
    const auto found = entries_.find(index);
    if (found == entries_.end())
      request(index);
    else if (found->second.stage == Stage::ready || found->second.stage == Stage::damaged)
      return found->second;
    else if (!queue_.empty())
      decode_next(lock);
    else
      done_.wait(lock);
  }
}

bool FolderImages::read(std::int64_t index, std::span<std::uint8_t> levels) const {
  Lock lock(guard_);
  const Entry& entry = await(index, lock);
  std::ranges::copy(entry.levels, levels.begin());
  return entry.stage == Stage::ready;
}

void FolderImages::gather(std::span<const std::int64_t> indices,
                          std::span<std::uint8_t> levels) const {
  prefetch(indices);
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const auto place = levels.subspan(k * bytes_, bytes_);
    std::int64_t tried = 0;
    while (!read((indices[k] + tried) % size(), place))
      if (++tried == size())
        fail(folder_.string(), "at least one undamaged picture",
             fmt::format("{} damaged ones, such as {}", size(), name(0)));
  }
}

std::vector<SkippedFile> FolderImages::skipped() const {
  std::vector<SkippedFile> all = listing_.skipped;
  {
    const Lock lock(guard_);
    for (const auto& [index, entry] : entries_)
      if (entry.stage == Stage::damaged) all.push_back({name(index), entry.reason});
  }
  std::ranges::sort(all, {}, &SkippedFile::name);
  return all;
}

}  // namespace monge::image

namespace monge {

std::shared_ptr<const ImageSet> open_image_folder(const std::filesystem::path& folder,
                                                  const ImageOptions& options) {
  return std::make_shared<image::FolderImages>(folder, options);
}

}  // namespace monge
