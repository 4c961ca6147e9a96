#include "interrupt.h"

#include <csignal>

namespace monge::cli {
namespace {

volatile std::sig_atomic_t requested = 0;

void request(int signal) {
  requested = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

StopOnInterrupt::StopOnInterrupt() {
  requested = 0;
  std::signal(SIGINT, request);
  std::signal(SIGTERM, request);
}

StopOnInterrupt::~StopOnInterrupt() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

void StopOnInterrupt::check() {
  // Not an error, so that nothing on its way up takes it for one.
  if (requested) throw Interrupted{};  // NOLINT(bugprone-std-exception-baseclass)
}

Next StopOnInterrupt::on_step(const Training&, const StepReport&) {
  return requested ? Next::stop : Next::go_on;
}

}  // namespace monge::cli
