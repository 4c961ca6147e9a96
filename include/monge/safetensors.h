#pragma once

#include "monge/files.h"
#include "monge/tensor.h"

#include <filesystem>
#include <map>
#include <string>

namespace monge {

/// Named tensors and text metadata, the content of a safetensors file.
struct TensorFile {
  State tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file. Everything is checked before it is used (header length, JSON, dtypes,
/// shapes, offsets without holes or overlaps, file size, and the checksum where the metadata has
/// one; it is left out of the result). Nothing that is read can execute. Throws Error with the file
/// and the reason.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Writes a safetensors file atomically; the same content makes the same bytes. The metadata gets
/// "checksum", a CRC-32 of everything that is read back (the names, dtypes, shapes and metadata as
/// JSON, then the tensors' bytes by name), which read_safetensors verifies. Throws Error on a
/// tensor that the format cannot hold (sparse, complex).
void write_safetensors(const std::filesystem::path& path, const TensorFile& content,
                       Existing existing = Existing::replace);

}  // namespace monge
