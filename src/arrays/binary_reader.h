#pragma once

#include "monge/arrays.h"

#include "byte_source.h"

#include <c10/core/ScalarType.h>

namespace monge {

/// How the numbers of one array lie in a file.
struct BinaryLayout {
  at::ScalarType type = at::kFloat;
  bool swapped = false;             ///< the byte order is not this machine's
  bool fortran = false;             ///< the first axis runs fastest
  std::vector<std::int64_t> shape;  ///< [n], or [n, ...]
  std::uint64_t offset = 0;         ///< of the first number

  std::int64_t rows() const { return shape.front(); }
  std::int64_t columns() const;
  std::uint64_t bytes() const;  ///< of all numbers
};

/// Throws Error unless `shape` is that of a table of points whose bytes can be counted.
void require_table(std::string_view where, const BinaryLayout& layout);

/// Reads the rows of an array that lies in `source`; C order is read strictly forwards. `where`
/// names the array in messages.
std::unique_ptr<ArrayReader> read_binary(std::string where, std::unique_ptr<ByteSource> source,
                                         BinaryLayout layout);

}  // namespace monge
