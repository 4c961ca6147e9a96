#include "arrays/location.h"

#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/options.h"

#include "descriptor.h"

#include <ranges>

namespace monge {
namespace {

struct Extension {
  std::string_view text;
  ArrayFormat format;
  bool keyed;  // the file holds several arrays by name
};
constexpr Extension extensions[] = {{".npy", ArrayFormat::npy, false},
                                    {".npz", ArrayFormat::npz, true},
                                    {".safetensors", ArrayFormat::safetensors, true},
                                    {".csv", ArrayFormat::csv, false},
                                    {".h5ad", ArrayFormat::h5ad, true}};

const Extension* find_extension(const std::filesystem::path& path) {
  std::string text = path.extension().string();
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  const auto found = std::ranges::find(extensions, text, &Extension::text);
  return found == std::end(extensions) ? nullptr : found;
}

/// Where the ':' before a key stands: after an extension of ours. Among several, the first whose
/// left side is a file; a file whose own name has such a ':' needs no key to be found.
std::optional<std::size_t> key_separator(const std::string& text) {
  std::error_code ignored;
  if (find_extension(text) && std::filesystem::exists(text, ignored)) return std::nullopt;
  std::optional<std::size_t> first;
  for (std::size_t at = text.find(':'); at != std::string::npos; at = text.find(':', at + 1)) {
    const std::string left = text.substr(0, at);
    if (!find_extension(left)) continue;
    if (std::filesystem::exists(left, ignored)) return at;
    if (!first) first = at;
  }
  return first;
}

std::string list_keys(const std::vector<std::string>& keys) {
  constexpr std::size_t most = 20;
  std::vector<std::string> shown;
  for (const std::string& key : keys | std::views::take(most)) shown.push_back(in_quotes(key));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (keys.size() > most) text += fmt::format(" and {} more", keys.size() - most);
  return text;
}

}  // namespace

std::optional<ArrayFormat> array_format(const std::filesystem::path& path) {
  const Extension* extension = find_extension(path);
  return extension ? std::optional(extension->format) : std::nullopt;
}

void fail_extension(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  fail(path.string(), "one of the extensions .npy, .npz, .safetensors, .csv, .h5ad",
       extension.empty() ? "none" : in_quotes(extension));
}

ArrayLocation parse_location(const std::string& text) {
  if (text.empty()) fail("array", "a file name", "an empty text");
  const std::optional<std::size_t> separator = key_separator(text);
  const std::string path = text.substr(0, separator.value_or(text.size()));
  const Extension* extension = find_extension(path);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail(path, "an array file", "a folder");
  if (!extension) fail_extension(path);
  ArrayLocation location{text, path, std::nullopt, extension->format};
  if (!separator) return location;
  location.key = text.substr(*separator + 1);
  if (!extension->keyed)
    fail(path, fmt::format("no key (a {} file holds one array)", extension->text),
         in_quotes(*location.key));
  if (location.key->empty()) fail(path, "the name of an array after ':'", "none");
  return location;
}

std::size_t find_key(const ArrayLocation& location, const std::vector<std::string>& keys) {
  const std::string path = location.path.string();
  if (keys.empty()) fail(path, "at least one array", "none");
  if (!location.key) {
    if (keys.size() == 1) return 0;
    fail(path,
         fmt::format("the name of one of its arrays, as in {}:{}",
                     location.path.filename().string(), keys.front()),
         fmt::format("none; it holds {}", list_keys(keys)));
  }
  const auto found = std::ranges::find(keys, *location.key);
  if (found != keys.end()) return static_cast<std::size_t>(found - keys.begin());
  fail(path, fmt::format("one of the arrays {}", list_keys(keys)),
       fmt::format("{}; the nearest is {}", in_quotes(*location.key),
                   in_quotes(nearest(*location.key, keys))));
}

bool is_array_location(const std::string& location) {
  const std::optional<std::size_t> separator = key_separator(location);
  return find_extension(location.substr(0, separator.value_or(location.size()))) != nullptr;
}

}  // namespace monge
