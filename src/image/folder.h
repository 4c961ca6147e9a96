#pragma once

#include "monge/files.h"
#include "monge/measures/images.h"

#include "image/decode.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace monge::image {

/// A picture of a folder.
struct FolderPicture {
  std::string name;  ///< within the folder
  std::uint64_t bytes;
  std::int64_t modified;  ///< the file's time, in the clock's ticks
  PictureHeader header;
};

/// What a folder and the folders in it hold, each list in the order of the names. Hidden files and
/// folders are passed over.
struct FolderListing {
  std::vector<FolderPicture> pictures;
  std::vector<SkippedFile> skipped;
};

/// Reads the head of every file. Throws Error where the folder cannot be read or holds no picture.
FolderListing list_pictures(const std::filesystem::path& folder);

/// What an error that names its file says of it.
std::string reason_of(const std::exception& error, const std::filesystem::path& path);

/// The name of what is made of a picture: its own, "a/b.jpg", or of the second of several samples
/// "a/b-2.jpg"; with .png behind it where its format cannot be written.
std::string output_name(const std::string& name, std::int64_t sample, std::int64_t samples);
void make_folder(const std::filesystem::path& folder);
/// Throws Error where the results for the folder `in` cannot go to `out`.
void require_place(const std::filesystem::path& in, const std::filesystem::path& out,
                   Existing existing);

/// The channels that images of these pictures have: `asked`, or where that is 0 those of all of
/// them. Throws Error, naming two of them, where they differ.
std::int64_t common_channels(const std::filesystem::path& folder,
                             const std::vector<FolderPicture>& pictures, std::int64_t asked);

}  // namespace monge::image
