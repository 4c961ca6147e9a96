#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace monge {

/// Everything the library throws on purpose. The message is one line: where, what was expected,
/// what arrived.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws Error("WHERE: expected EXPECTED, got GOT").
[[noreturn]] void fail(std::string_view where, std::string_view expected, std::string_view got);

}  // namespace monge
