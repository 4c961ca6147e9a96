#pragma once

#include <string>

namespace monge::cli {

/// Throws Error where a file or folder that is to be read is not there. Of an array its reader says
/// so.
void require_input(const std::string& location);

}  // namespace monge::cli
