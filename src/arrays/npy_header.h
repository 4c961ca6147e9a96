#pragma once

#include "arrays/binary_reader.h"

#include <string>
#include <string_view>

namespace monge {

inline constexpr std::string_view npy_magic = "\x93NUMPY";

/// Reads and checks the header of an npy file (versions 1.0, 2.0 and 3.0 of numpy.lib.format) and
/// that the data after it has the length that the header promises. Throws Error naming `where`.
BinaryLayout read_npy_header(std::string_view where, ByteSource& source);

/// The length of npy_header: a multiple of 64, so that the numbers after it are aligned.
inline constexpr std::size_t npy_header_size = 128;

/// The header of an array of float32, float64 or uint8 in C order.
std::string npy_header(const std::vector<std::int64_t>& shape, at::ScalarType type);

}  // namespace monge
