// The vectorised exponential of kernels/lanes.h, through the loop that does little else: CELU' of
// negative numbers.
#include "kernel_fixture.h"

#include <cmath>
#include <limits>

namespace monge {
namespace {

template <class T>
class Exponential : public testing::Test {
 public:
  /// The end of the range.
  static constexpr T lowest = std::is_same_v<T, float> ? -87 : -708;

  /// exp(x) by the loops of one set, in rows that whole registers, quarters and single numbers
  /// share.
  static std::vector<T> exponentials(const kernels::IcnnLoops<T>& loops, std::vector<T> x) {
    constexpr std::size_t width = 61;
    const std::size_t count = x.size();
    x.resize((count + width - 1) / width * width);
    std::vector<T> slope(x.size());
    loops.celu(static_cast<std::int64_t>(x.size() / width), width, 1, x.data(), width, slope.data(),
               width);
    slope.resize(count);
    return slope;
  }
};
TYPED_TEST_SUITE(Exponential, Numbers);

/// The whole range evenly, its ends, the numbers about 0, and those on both sides of where the
/// integer next to x / ln 2 changes.
template <class T>
std::vector<T> arguments() {
  using Limits = std::numeric_limits<T>;
  constexpr T lowest = Exponential<T>::lowest;
  constexpr int steps = 200'000;
  std::vector<T> x{T(0),
                   T(-0.0),
                   -Limits::denorm_min(),
                   -Limits::min(),
                   -Limits::epsilon(),
                   lowest,
                   std::nextafter(lowest, T(0))};
  for (int i = 1; i < steps; ++i) x.push_back(lowest * static_cast<T>(i) / steps);
  for (T half = T(0.5); half * std::numbers::ln2_v<T> < -lowest; ++half) {
    T next = -half * std::numbers::ln2_v<T>;
    for (int i = 0; i < 4; ++i) next = std::nextafter(next, T(0));
    for (int i = 0; i < 8; ++i) x.push_back(next = std::nextafter(next, lowest));
  }
  return x;
}

/// |found - exact| in units of the last place of the exact number, which is normal.
template <class T>
double units_off(T found, long double exact) {
  const int exponent = std::ilogb(exact) - std::numeric_limits<T>::digits + 1;
  return static_cast<double>(std::abs(std::ldexp(found - exact, -exponent)));
}

TYPED_TEST(Exponential, IsRightToTwoUnitsInTheLastPlace) {
  const std::vector<TypeParam> x = arguments<TypeParam>();
  std::vector<long double> exact;
  for (const TypeParam number : x) exact.push_back(std::exp(static_cast<long double>(number)));
  for (const auto& [set, loops] : supported_loops<TypeParam>()) {
    const std::vector<TypeParam> found = this->exponentials(*loops, x);
    double worst = 0;
    TypeParam place = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double off = units_off(found[i], exact[i]);
      if (off <= worst) continue;
      worst = off;
      place = x[i];
    }
    EXPECT_LE(worst, 2) << set << " at " << place;
  }
}

TYPED_TEST(Exponential, BelowItsRangeStaysWhereItEnds) {
  using Limits = std::numeric_limits<TypeParam>;
  const std::vector<TypeParam> below{std::nextafter(this->lowest, Limits::lowest()),
                                     this->lowest * 2, Limits::lowest(), -Limits::infinity()};
  for (const auto& [set, loops] : supported_loops<TypeParam>()) {
    const TypeParam end = this->exponentials(*loops, {this->lowest}).front();
    for (const TypeParam number : this->exponentials(*loops, below)) EXPECT_EQ(number, end) << set;
  }
}

}  // namespace
}  // namespace monge
