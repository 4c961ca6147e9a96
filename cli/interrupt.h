#pragma once

#include "monge/trainer.h"

#include <string>

namespace monge::cli {

/// Thrown between two steps of a job that has no use for its half.
struct Interrupted {
  std::string left;  ///< what the user is told
};

/// Throws Interrupted, which is no std::exception, so that nothing on its way up takes it for an
/// error.
[[noreturn]] void leave_interrupted(std::string left = "nothing was written");

/// Lets the first Ctrl-C (or SIGTERM) end training after the current step; a second one ends the
/// program at once. Other long work asks check() between its steps.
class StopOnInterrupt final : public Callback {
 public:
  StopOnInterrupt();
  ~StopOnInterrupt() override;
  /// Throws Interrupted where an interrupt has arrived.
  static void check();
  Next on_step(const Training&, const StepReport&) override;
};

constexpr int interrupted_exit_code = 130;

}  // namespace monge::cli
