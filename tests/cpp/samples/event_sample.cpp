// Writes one event file into the folder argv[1]; tests/python/test_events.py reads it.
#include "monge/events.h"

#include <cmath>
#include <cstdint>

int main(int count, char** arguments) {
  if (count != 2) return 2;
  monge::EventWriter writer(arguments[1]);
  for (std::int64_t step = 1; step <= 100; ++step) {
    writer.scalar("loss", step, 1.0 / static_cast<double>(step));
    if (step % 10 == 0) writer.scalar("quality/energy distance", step, std::pow(0.5, step));
  }
  writer.scalar("far/step", std::int64_t{5'000'000'000}, -2.5);
  writer.scalar("far/diverged", 1, std::nan(""));
  writer.flush();
}
