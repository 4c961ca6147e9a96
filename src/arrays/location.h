#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monge {

enum class ArrayFormat { npy, npz, safetensors, csv, h5ad };

/// A location as the user writes it, `FILE` or `FILE:KEY`, taken apart.
struct ArrayLocation {
  std::string text;  ///< as written, for messages
  std::filesystem::path path;
  std::optional<std::string> key;
  ArrayFormat format;
};

/// The format by extension, in either case; nothing where the extension is none of ours.
std::optional<ArrayFormat> array_format(const std::filesystem::path& path);

/// Throws Error where the extension is none of ours (naming those), or a key stands where it
/// cannot.
ArrayLocation parse_location(const std::string& text);

/// The place in `keys` of the array that `location` means. Throws Error naming the keys where it
/// leaves the choice open, and the nearest one where it names none of them.
std::size_t find_key(const ArrayLocation& location, const std::vector<std::string>& keys);

/// Throws Error("... expected one of the extensions .npy, ..., got '.txt'").
[[noreturn]] void fail_extension(const std::filesystem::path& path);

}  // namespace monge
