#include "arrays/binary_reader.h"
#include "arrays/readers.h"
#include "safetensors_header.h"

namespace monge {

std::unique_ptr<ArrayReader> open_safetensors(const ArrayLocation& location) {
  auto source = std::make_unique<FileSource>(location.path);
  const SafetensorsHeader header = read_safetensors_header(*source, location.path.string());
  std::vector<std::string> keys;
  keys.reserve(header.entries.size());
  for (const SafetensorsEntry& entry : header.entries) keys.push_back(entry.name);
  const SafetensorsEntry& entry = header.entries[find_key(location, keys)];
  const std::string where = fmt::format("{}:{}", location.path.string(), entry.name);
  BinaryLayout layout{.type = entry.type, .shape = entry.shape, .offset = entry.begin};
  require_table(where, layout);
  return read_binary(where, std::move(source), std::move(layout));
}

}  // namespace monge
