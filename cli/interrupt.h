#pragma once

#include "monge/trainer.h"

#include <string>

namespace monge::cli {

/// Thrown between two steps of a job that has no use for its half.
struct Interrupted {
  std::string left = "nothing was written";  ///< what the user is told
};

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
