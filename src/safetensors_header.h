#pragma once

#include "monge/safetensors.h"

#include "byte_source.h"

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace monge {

/// One tensor as the header of a safetensors file describes it.
struct SafetensorsEntry {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin;  ///< in bytes from the start of the file
  std::uint64_t end;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< by name
  std::map<std::string, std::string> metadata;
};

/// Reads and checks the whole header: its length, JSON, names, dtypes, shapes and that the tensors
/// fill the rest of the file without holes or overlaps. Throws Error with `path` and the reason.
SafetensorsHeader read_safetensors_header(ByteSource& source, const std::string& path);

/// read_safetensors() of bytes that need not be a file's; `path` names them in messages.
TensorFile read_safetensors(ByteSource& source, const std::string& path);

/// The header's bytes, its length included, padded to a multiple of 64 and to at least `size`. The
/// entries' offsets count from the start of the data here.
std::string write_safetensors_header(const SafetensorsHeader& header, std::size_t size = 0);

/// The metadata key of the checksum.
inline constexpr const char* checksum_key = "checksum";

/// CRC-32 of names, dtypes, shapes and metadata (without the checksum itself), as compact JSON with
/// sorted keys; the bytes of the tensors follow it by name.
std::uint32_t header_checksum(const SafetensorsHeader& header);

std::string checksum_text(std::uint32_t checksum);

/// The CRC-32 of `first` followed by `second`, a piece of `length` bytes.
std::uint32_t join_checksums(std::uint32_t first, std::uint32_t second, std::uint64_t length);

/// Continues a CRC-32 (0 at the start).
std::uint32_t add_checksum(std::uint32_t checksum, const void* bytes, std::size_t count);

/// The name of a dtype in the format; nullptr where it has none.
const char* safetensors_type(at::ScalarType type);

}  // namespace monge
