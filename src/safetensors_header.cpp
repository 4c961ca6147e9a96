#include "safetensors_header.h"

#include "monge/error.h"

#include "descriptor.h"

#include <nlohmann/json.hpp>

#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <zlib.h>

namespace monge {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

using Json = nlohmann::json;

constexpr std::size_t length_size = 8;
constexpr std::uint64_t longest_header = 100'000'000;  // the limit of the format's reference reader
constexpr const char* metadata_key = "__metadata__";

struct KnownType {
  const char* name;
  at::ScalarType type;
};
constexpr KnownType known_types[] = {
    {"BOOL", at::kBool},
    {"U8", at::kByte},
    {"I8", at::kChar},
    {"U16", at::kUInt16},
    {"I16", at::kShort},
    {"U32", at::kUInt32},
    {"I32", at::kInt},
    {"U64", at::kUInt64},
    {"I64", at::kLong},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E5M2", at::kFloat8_e5m2},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"F32", at::kFloat},
    {"F64", at::kDouble},
};

std::string type_names() {
  std::vector<std::string_view> names;
  for (const KnownType& known : known_types) names.emplace_back(known.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Parses JSON that comes from anywhere: names that occur twice and deep nesting are refused, since
/// the first would let two readers see different tensors and the second would exhaust the memory.
Json parse_json(const std::string& where, const std::string& text) {
  constexpr int deepest = 3;
  std::vector<std::set<std::string>> names(deepest + 1);
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth >= deepest && event != Json::parse_event_t::value &&
        event != Json::parse_event_t::array_end && event != Json::parse_event_t::object_end)
      fail(where, "a safetensors header", "JSON that is nested too deep");
    if (event == Json::parse_event_t::object_start) names[static_cast<std::size_t>(depth) + 1] = {};
    if (event == Json::parse_event_t::key &&
        !names[static_cast<std::size_t>(depth)].insert(parsed.get<std::string>()).second)
      fail(where, "names that differ", in_quotes(parsed.get<std::string>()) + " twice");
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception&) {
    fail(where, "a safetensors header in JSON", in_quotes(text));
  }
}

std::uint64_t unsigned_number(const std::string& where, const Json& value, std::string_view what) {
  if (!value.is_number_unsigned())
    fail(where, fmt::format("a whole number in {}", what),
         in_quotes(value.dump(-1, ' ', true, Json::error_handler_t::replace)));
  return value.get<std::uint64_t>();
}

const Json& member(const std::string& where, const Json& object, const char* key,
                   Json::value_t type) {
  const auto found = object.find(key);
  if (found == object.end() || found->type() != type)
    fail(where, fmt::format("dtype (a text), shape and data_offsets (lists)"),
         fmt::format("no such {}", key));
  return *found;
}

SafetensorsEntry parse_entry(const std::string& path, const std::string& name, const Json& value) {
  const std::string where = fmt::format("{}: tensor {}", path, in_quotes(name));
  if (!value.is_object() || value.size() != 3)
    fail(where, "dtype, shape and data_offsets", "something else");
  const auto dtype = member(where, value, "dtype", Json::value_t::string).get<std::string>();
  const auto type = std::ranges::find_if(
      known_types, [&](const KnownType& known) { return dtype == known.name; });
  if (type == std::end(known_types)) fail(where, "a dtype of " + type_names(), in_quotes(dtype));

  SafetensorsEntry entry{name, type->type, {}, 0, 0};
  auto bytes = static_cast<std::int64_t>(c10::elementSize(entry.type));
  bool empty = false;
  for (const Json& length : member(where, value, "shape", Json::value_t::array)) {
    const std::uint64_t axis = unsigned_number(where, length, "shape");
    empty = empty || axis == 0;
    if (axis > std::numeric_limits<std::int64_t>::max() ||
        __builtin_mul_overflow(bytes, std::max<std::int64_t>(static_cast<std::int64_t>(axis), 1),
                               &bytes))
      fail(where, "a shape that fits the file", "one beyond 2^63 bytes");
    entry.shape.push_back(static_cast<std::int64_t>(axis));
  }
  const Json& offsets = member(where, value, "data_offsets", Json::value_t::array);
  if (offsets.size() != 2) fail(where, "two data_offsets", std::to_string(offsets.size()));
  entry.begin = unsigned_number(where, offsets[0], "data_offsets");
  entry.end = unsigned_number(where, offsets[1], "data_offsets");
  const std::uint64_t expected = empty ? 0 : static_cast<std::uint64_t>(bytes);
  if (entry.end < entry.begin || entry.end - entry.begin != expected)
    fail(where, fmt::format("{} bytes for its shape", expected),
         fmt::format("data_offsets [{}, {}]", entry.begin, entry.end));
  return entry;
}

/// Every byte of the data belongs to exactly one tensor; then the offsets count from the file's
/// start.
void place_entries(const std::string& path, SafetensorsHeader& header, std::uint64_t data_at,
                   std::uint64_t file_size) {
  std::vector<SafetensorsEntry*> order;
  order.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) order.push_back(&entry);
  std::ranges::sort(
      order, {}, [](const SafetensorsEntry* entry) { return std::pair(entry->begin, entry->end); });
  std::uint64_t at = 0;
  for (const SafetensorsEntry* entry : order) {
    if (entry->begin != at)
      fail(fmt::format("{}: tensor {}", path, in_quotes(entry->name)),
           fmt::format("its data at offset {} (no holes, no overlaps)", at),
           fmt::format("offset {}", entry->begin));
    at = entry->end;
  }
  if (file_size - data_at != at)
    fail(path, fmt::format("{} bytes of data after the header", at),
         std::to_string(file_size - data_at));
  for (SafetensorsEntry& entry : header.entries) {
    entry.begin += data_at;
    entry.end += data_at;
  }
}

Json entry_json(const SafetensorsEntry& entry) {
  return {{"dtype", safetensors_type(entry.type)}, {"shape", entry.shape}};
}

}  // namespace

SafetensorsHeader read_safetensors_header(ByteSource& source, const std::string& path) {
  if (source.size() == 0) fail(path, "a safetensors file", "an empty file");
  std::uint64_t length = 0;
  if (source.size() >= length_size) source.read(0, &length, length_size);
  if (source.size() < length_size + 2 || length > longest_header ||
      length > source.size() - length_size) {
    const std::string name = content_name(read_head(source));
    fail(path, "a safetensors file",
         name == "unknown bytes" || name == "a safetensors file"
             ? "a header that is cut off, or another kind of file"
             : name);
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  source.read(length_size, text.data(), text.size());
  if (!text.starts_with('{')) fail(path, "a safetensors header in JSON", in_quotes(text));

  const Json parsed = parse_json(path, text);
  SafetensorsHeader header;
  for (const auto& [name, value] : parsed.items()) {
    if (name != metadata_key) {
      header.entries.push_back(parse_entry(path, name, value));
      continue;
    }
    if (!value.is_object()) fail(path, "metadata that maps texts to texts", "something else");
    for (const auto& [key, word] : value.items()) {
      if (!word.is_string())
        fail(path, "a text for the metadata " + in_quotes(key), word.type_name());
      header.metadata[key] = word.get<std::string>();
    }
  }
  place_entries(path, header, length_size + length, source.size());
  return header;
}

std::string write_safetensors_header(const SafetensorsHeader& header, std::size_t size) {
  constexpr std::size_t alignment = 64;
  Json json = Json::object();
  if (!header.metadata.empty()) json[metadata_key] = header.metadata;
  for (const SafetensorsEntry& entry : header.entries) {
    json[entry.name] = entry_json(entry);
    json[entry.name]["data_offsets"] = {entry.begin, entry.end};
  }
  std::string text = json.dump();
  const std::size_t whole = std::max(length_size + text.size(), size);
  text.resize((whole + alignment - 1) / alignment * alignment - length_size, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(length_size, '\0');
  std::memcpy(bytes.data(), &length, length_size);
  return bytes + text;
}

std::uint32_t header_checksum(const SafetensorsHeader& header) {
  Json json = Json::object();
  auto metadata = header.metadata;
  metadata.erase(checksum_key);
  json[metadata_key] = metadata;
  for (const SafetensorsEntry& entry : header.entries) json[entry.name] = entry_json(entry);
  const std::string text = json.dump();
  return add_checksum(0, text.data(), text.size());
}

std::string checksum_text(std::uint32_t checksum) { return fmt::format("{:08x}", checksum); }

std::uint32_t join_checksums(std::uint32_t first, std::uint32_t second, std::uint64_t length) {
  return static_cast<std::uint32_t>(::crc32_combine(first, second, static_cast<z_off_t>(length)));
}

std::uint32_t add_checksum(std::uint32_t checksum, const void* bytes, std::size_t count) {
  if (count == 0) return checksum;  // zlib takes a null pointer as the wish to start over
  return static_cast<std::uint32_t>(::crc32_z(checksum, static_cast<const Bytef*>(bytes), count));
}

const char* safetensors_type(at::ScalarType type) {
  const auto* found = std::ranges::find(known_types, type, &KnownType::type);
  return found == std::end(known_types) ? nullptr : found->name;
}

}  // namespace monge
