#include "monge/error.h"

namespace monge {

void fail(std::string_view where, std::string_view expected, std::string_view got) {
  throw Error(fmt::format("{}: expected {}, got {}", where, expected, got));
}

}  // namespace monge
