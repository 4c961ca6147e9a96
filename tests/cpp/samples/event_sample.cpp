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
  constexpr unsigned char dot[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
                                   'I',  'H', 'D', 'R', 0,    0,    0,    1,    0, 0, 0, 1};
  writer.image("samples", 7,
               {.height = 1, .width = 1, .channels = 1, .png = {std::begin(dot), std::end(dot)}});
  writer.flush();
}
