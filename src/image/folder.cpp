#include "image/folder.h"

#include "monge/error.h"
#include "monge/image.h"

#include "arrays/location.h"
#include "image/format.h"

#include <ATen/Parallel.h>

#include <variant>

namespace monge::image {
namespace {

namespace fs = std::filesystem;

/// The files under a folder by name. Links to folders in it are not followed: they may have no end.
std::vector<std::string> file_names(const fs::path& folder) {
  std::error_code failure;
  if (!fs::is_directory(folder, failure))
    fail(folder.string(), "a folder of pictures", failure ? failure.message() : "no folder");
  std::vector<std::string> names;
  fs::recursive_directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::end(entry); entry.increment(failure)) {
    const bool hidden = entry->path().filename().string().starts_with('.');
    if (hidden)
      entry.disable_recursion_pending();
    else if (std::error_code ignored; entry->is_regular_file(ignored))
      names.push_back(entry->path().lexically_relative(folder).string());
  }
  if (failure) fail(folder.string(), "a folder that can be read", failure.message());
  std::ranges::sort(names);
  return names;
}

std::variant<FolderPicture, SkippedFile> examine(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / name;
  try {
    const PictureHeader header = read_header(path);
    return FolderPicture{name, fs::file_size(path),
                         fs::last_write_time(path).time_since_epoch().count(), header};
  } catch (const Error& error) {
    return SkippedFile{name, reason_of(error, path)};
  } catch (const fs::filesystem_error& error) {
    return SkippedFile{name, error.code().message()};
  }
}

}  // namespace

std::string reason_of(const std::exception& error, const fs::path& path) {
  const std::string text = error.what(), where = path.string() + ": ";
  return text.starts_with(where) ? text.substr(where.size()) : text;
}

FolderListing list_pictures(const fs::path& folder) {
  const std::vector<std::string> names = file_names(folder);
  std::vector<std::variant<FolderPicture, SkippedFile>> found(names.size());
  at::parallel_for(0, std::ssize(names), 16, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) found[i] = examine(folder, names[i]);
  });
  FolderListing listing;
  for (auto& one : found)
    if (auto* picture = std::get_if<FolderPicture>(&one))
      listing.pictures.push_back(std::move(*picture));
    else
      listing.skipped.push_back(std::move(std::get<SkippedFile>(one)));
  if (listing.pictures.empty())
    fail(folder.string(), "a folder with pictures (jpg, png, webp, gif, bmp, ...)",
         names.empty() ? "an empty one"
                       : fmt::format("{} files that are none, such as {}", names.size(),
                                     listing.skipped.front().name));
  return listing;
}

std::string output_name(const std::string& name, std::int64_t sample, std::int64_t samples) {
  const fs::path path = find_format(name) ? name : name + ".png";
  if (samples == 1) return path.string();
  const std::string last =
      fmt::format("{}-{}{}", path.stem().string(), sample + 1, path.extension().string());
  return (path.parent_path() / last).string();
}

void make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) fail(folder.string(), "a folder that can be made", failure.message());
}

void require_place(const fs::path& in, const fs::path& out, Existing existing) {
  std::error_code failure;
  if (!fs::exists(out, failure)) {
    if (array_format(out) || is_image_path(out))
      fail(out.string(), "a folder for the images", "the name of a file");
    return;
  }
  if (!fs::is_directory(out, failure)) fail(out.string(), "a folder for the images", "a file");
  if (fs::equivalent(in, out, failure))
    fail(out.string(), "another folder than that of the pictures", "the same");
  if (existing == Existing::keep && !fs::is_empty(out, failure))
    throw Error(fmt::format("{}: exists; pass --force to write into it", out.string()));
}

std::int64_t common_channels(const fs::path& folder, const std::vector<FolderPicture>& pictures,
                             std::int64_t asked) {
  if (asked > 0) return asked;
  const FolderPicture& first = pictures.front();
  const auto other = std::ranges::find_if(pictures, [&](const FolderPicture& one) {
    return one.header.channels != first.header.channels;
  });
  if (other == pictures.end()) return first.header.channels;
  fail(folder.string(), "pictures of as many channels, or channels=1 or channels=3 to make them so",
       fmt::format("{} in {} and {} in {}", first.header.channels, first.name,
                   other->header.channels, other->name));
}

}  // namespace monge::image
