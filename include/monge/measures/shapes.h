#pragma once

#include "monge/measure.h"
#include "monge/options.h"

#include <cstdint>
#include <memory>
#include <string>

namespace monge {

// The swiss roll, moons and circles lie in a plane through the origin of R^dimension: that of the
// first two coordinates, or with `rotation`, the seed of an orthonormal basis, any other.

/// scale · (t cos t, t sin t) with t uniform on [1.5 pi, 4.5 pi], plus noise. The defaults are
/// those of Gulrajani et al. 2017.
struct SwissRollOptions {
  double noise = 0.25;
  double scale = 1 / 7.5;
  std::int64_t dimension = 2;
  std::int64_t rotation = -1;
};
const Declaration<SwissRollOptions>& swiss_roll_declaration();
std::shared_ptr<const Measure> make_swiss_roll(const SwissRollOptions& options);

/// Two interleaved half circles: (cos t, sin t) and (1 - cos t, 1/2 - sin t), t uniform on [0, pi].
struct MoonsOptions {
  double noise = 0.05;
  double scale = 1;
  std::int64_t dimension = 2;
  std::int64_t rotation = -1;
};
const Declaration<MoonsOptions>& moons_declaration();
std::shared_ptr<const Measure> make_moons(const MoonsOptions& options);

/// Two circles around 0, of radius 1 and `factor`, each with half of the mass.
struct CirclesOptions {
  double factor = 0.5;
  double noise = 0.05;
  double scale = 1;
  std::int64_t dimension = 2;
  std::int64_t rotation = -1;
};
const Declaration<CirclesOptions>& circles_declaration();
std::shared_ptr<const Measure> make_circles(const CirclesOptions& options);

/// Uniform on every second cell of a square board of `count` x `count` cells around 0: those (i, j)
/// with i + j even, or the others. Makkuva et al. 2020, appendix C.1, has the even cells of count =
/// 3 for the source and the odd ones for the target.
struct CheckerboardOptions {
  std::int64_t count = 4;
  double width = 4;
  std::string cells = "even";
};
const Declaration<CheckerboardOptions>& checkerboard_declaration();
std::shared_ptr<const Measure> make_checkerboard(const CheckerboardOptions& options);

}  // namespace monge
