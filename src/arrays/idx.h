#pragma once

#include "monge/tensor.h"

#include <filesystem>

namespace monge {

/// An IDX file of unsigned bytes (the format of MNIST), plain or gzip: its array, uint8. Throws
/// Error where it is cut off, damaged, of another kind or type.
Tensor read_idx(const std::filesystem::path& path);

/// Whether the name is one that IDX files have: *-ubyte, *.ubyte or *.idx, each with .gz or
/// without.
bool is_idx_path(const std::filesystem::path& path);

}  // namespace monge
