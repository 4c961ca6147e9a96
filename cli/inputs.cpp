#include "inputs.h"

#include "monge/arrays.h"
#include "monge/error.h"

#include <filesystem>

namespace monge::cli {

void require_input(const std::string& location) {
  std::error_code ignored;
  if (!is_array_location(location) && !std::filesystem::exists(location, ignored))
    throw Error(location + ": expected a file or a folder, got no such file");
}

}  // namespace monge::cli
