#pragma once

#include "monge/files.h"
#include "monge/tensor.h"

#include <filesystem>

namespace monge::image {

/// Numbers in [-1, 1] as bytes, rounded; what lies outside is clipped. Throws Error, naming
/// `where`, on numbers that are not finite.
Tensor to_levels(const Tensor& images, const std::string& where);

/// Bytes as numbers in [-1, 1].
Tensor from_levels(const Tensor& levels);
/// One of them.
inline float from_level(std::uint8_t level) { return static_cast<float>(level) / 127.5f - 1; }

/// Writes one image [channels, height, width] of bytes, channels 1 or 3, in the format that the
/// extension names. Atomic. Throws Error.
void write_levels(const std::filesystem::path& path, const Tensor& levels, Existing existing);

}  // namespace monge::image
