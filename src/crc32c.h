#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace monge {

/// The reflected Castagnoli polynomial's table: one entry for each value of a byte.
constexpr std::array<std::uint32_t, 256> crc32c_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82f63b78u : 0u);
    table[byte] = value;
  }
  return table;
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4). zlib's crc32 has another polynomial.
constexpr std::uint32_t crc32c(std::string_view bytes) {
  constexpr auto table = crc32c_table();
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes)
    crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

/// The form that record files store, so that a checksum of data that holds checksums stays good.
constexpr std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace monge
