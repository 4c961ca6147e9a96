#pragma once

#include "monge/process_group.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace monge::cli {

/// What a launcher of several processes gives to each of them.
struct Launch {
  std::shared_ptr<ProcessGroup> group = std::make_shared<ProcessGroup>();
  /// Adds to the counter of that name, which lasts from one attempt of the launch to the next and
  /// is common to its processes, and returns it.
  std::function<std::int64_t(const std::string& name, std::int64_t amount)> count =
      [](const std::string&, std::int64_t amount) { return amount; };
  std::string attempt;  ///< a name that only the processes of this attempt have
};

/// The program `monge`; its exit code. Prints an error in one line, of all processes one.
int run_program(int count, const char* const* arguments, const Launch& launch = {});

}  // namespace monge::cli
