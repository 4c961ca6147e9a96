#include "interrupt.h"

#include <csignal>
#include <utility>

namespace monge::cli {
namespace {

volatile std::sig_atomic_t requested = 0;

void request(int signal) {
  requested = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void leave_interrupted(std::string left) {
  throw Interrupted{std::move(left)};  // NOLINT(bugprone-std-exception-baseclass)
}

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
  if (requested) leave_interrupted();
}

Next StopOnInterrupt::on_step(const Training&, const StepReport&) {
  return requested ? Next::stop : Next::go_on;
}

}  // namespace monge::cli
