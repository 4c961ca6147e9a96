#include "monge/safetensors.h"

#include "monge/error.h"

#include "descriptor.h"
#include "safetensors_header.h"

#include <nlohmann/json.hpp>

namespace monge {
namespace {

std::string tensor_place(const std::string& path, const std::string& name) {
  return fmt::format("{}: tensor {}", path, in_quotes(name));
}

/// The bytes of a contiguous tensor on the CPU.
std::span<const char> bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

/// The tensor as its bytes are written: contiguous, on the CPU.
Tensor writable(const std::filesystem::path& path, const std::string& name, const Tensor& tensor) {
  const std::string where = tensor_place(path.string(), name);
  if (name == "__metadata__") fail(where, "another name", "the one that the format keeps");
  if (!tensor.defined()) fail(where, "a tensor", "an undefined one");
  if (tensor.layout() != at::kStrided) fail(where, "a dense tensor", "a sparse one");
  if (safetensors_type(tensor.scalar_type()) == nullptr)
    fail(where, "a dtype that safetensors has", c10::toString(tensor.scalar_type()));
  return tensor.detach().to(at::kCPU).resolve_neg().contiguous();
}

Tensor read_tensor(ByteSource& source, const SafetensorsEntry& entry, const std::string& path) {
  const Tensor tensor = at::empty(entry.shape, entry.type);
  if (tensor.numel() == 0) return tensor;
  source.read(entry.begin, tensor.data_ptr(), tensor.nbytes());
  // A bool of any other byte is undefined behaviour wherever it is read.
  const auto is_bool = [](char byte) { return byte == 0 || byte == 1; };
  if (entry.type == at::kBool && !std::ranges::all_of(bytes_of(tensor), is_bool))
    fail(tensor_place(path, entry.name), "bytes 0 and 1 for BOOL", "another");
  return tensor;
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path) {
  FileSource source(path);
  return read_safetensors(source, path.string());
}

TensorFile read_safetensors(ByteSource& source, const std::string& path) {
  SafetensorsHeader header = read_safetensors_header(source, path);
  const auto stored = header.metadata.find(checksum_key);
  const bool verify = stored != header.metadata.end();
  std::uint32_t checksum = verify ? header_checksum(header) : 0;
  TensorFile file;
  for (const SafetensorsEntry& entry : header.entries) {
    Tensor tensor = read_tensor(source, entry, path);
    if (verify) checksum = add_checksum(checksum, bytes_of(tensor).data(), tensor.nbytes());
    file.tensors.emplace(entry.name, std::move(tensor));
  }
  if (verify && stored->second != checksum_text(checksum))
    fail(path, "content with the checksum " + in_quotes(stored->second),
         fmt::format("{} (the file is damaged or was edited)", checksum_text(checksum)));
  header.metadata.erase(checksum_key);
  file.metadata = std::move(header.metadata);
  return file;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& content,
                       Existing existing) {
  SafetensorsHeader header{{}, content.metadata};
  State tensors;
  for (const auto& [name, tensor] : content.tensors) {
    tensors[name] = writable(path, name, tensor);
    header.entries.push_back(
        {name, tensors[name].scalar_type(), tensors[name].sizes().vec(), 0, 0});
  }
  // The format allows no padding between tensors: the widest numbers come first, so that each
  // tensor is aligned to its own numbers.
  std::vector<SafetensorsEntry*> order;
  order.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) order.push_back(&entry);
  std::ranges::stable_sort(order, std::greater{}, [](const SafetensorsEntry* entry) {
    return c10::elementSize(entry->type);
  });
  std::uint64_t offset = 0;
  for (SafetensorsEntry* entry : order) {
    entry->begin = offset;
    offset += tensors[entry->name].nbytes();
    entry->end = offset;
  }
  std::string bytes;
  try {
    std::uint32_t checksum = header_checksum(header);
    for (const auto& [name, tensor] : tensors)
      checksum = add_checksum(checksum, bytes_of(tensor).data(), tensor.nbytes());
    header.metadata[checksum_key] = checksum_text(checksum);
    bytes = write_safetensors_header(header);
  } catch (const nlohmann::json::exception&) {
    fail(path.string(), "names and metadata in UTF-8", "other bytes");
  }

  AtomicFile file(path, existing);
  file.write(bytes);
  for (const SafetensorsEntry* entry : order) {
    const std::span<const char> data = bytes_of(tensors[entry->name]);
    file.write(data.data(), data.size());
  }
  file.commit();
}

}  // namespace monge
