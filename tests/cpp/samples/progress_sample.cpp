// Runs a progress line for a second; tests/python/test_progress.py watches it on a pseudo-terminal.
#include "monge/log.h"
#include "monge/progress.h"

#include <chrono>
#include <cstdint>
#include <thread>

int main() {
  constexpr std::int64_t steps = 500;
  monge::log::info("started");
  {
    monge::ProgressLine line("w2gn", steps);
    for (std::int64_t step = 1; step <= steps; ++step) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (step == 100) line.quality("energy distance", 0.0031, 0.0029);
      if (step == 250) monge::log::info("halfway");
      line.update(step);
    }
  }
  monge::log::info("finished");
}
