#pragma once

#include <algorithm>
#include <string_view>

namespace monge {

/// Terminal columns of UTF-8 text, taking every character for one column wide.
inline int columns(std::string_view text) {
  return static_cast<int>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace monge
