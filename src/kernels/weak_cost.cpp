#include "kernels/weak_cost.h"

#include <cmath>

namespace monge::kernels {
namespace {

/// ½ mean |x - y|² - ½ gamma var y, the variance with divisor k - 1, one coordinate at a time.
template <class T>
T quadratic(const WeakCostShape<T>& shape, const T* x, const T* y, T* derivative) {
  const std::int64_t k = shape.samples, d = shape.dimension;
  const T share = T(1) / static_cast<T>(k);
  const bool weak = shape.gamma > 0;
  const T spread = weak ? shape.gamma / static_cast<T>(k - 1) : T(0);
  T sum = 0;
  for (std::int64_t j = 0; j < d; ++j) {
    T mean = 0;
    if (weak)
      for (std::int64_t s = 0; s < k; ++s) mean += share * y[s * d + j];
    for (std::int64_t s = 0; s < k; ++s) {
      const T moved = y[s * d + j] - x[j], deviation = y[s * d + j] - mean;
      sum += share * moved * moved - spread * deviation * deviation;
      if (derivative) derivative[s * d + j] += share * moved - spread * deviation;
    }
  }
  return T(0.5) * sum;
}

template <class T>
T squared_distance(const T* a, const T* b, std::int64_t d) {
  T sum = 0;
  for (std::int64_t j = 0; j < d; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

/// weight |a - b|^exponent; its derivatives in a and b are added where they are given.
template <class T>
T power(const WeakCostShape<T>& shape, T weight, const T* a, const T* b, T* in_a, T* in_b) {
  const std::int64_t d = shape.dimension;
  const T square = squared_distance(a, b, d);
  if (square == 0) return 0;
  const T value = weight * std::pow(square, T(0.5) * shape.exponent);
  const T slope = shape.exponent * value / square;
  for (std::int64_t j = 0; j < d; ++j) {
    if (in_a) in_a[j] += slope * (a[j] - b[j]);
    if (in_b) in_b[j] -= slope * (a[j] - b[j]);
  }
  return value;
}

template <class T>
T powers(const WeakCostShape<T>& shape, const T* x, const T* y, T* derivative) {
  const std::int64_t k = shape.samples, d = shape.dimension;
  const auto in = [&](std::int64_t s) { return derivative ? derivative + s * d : nullptr; };
  const T share = T(0.5) / static_cast<T>(k);
  T sum = 0;
  for (std::int64_t s = 0; s < k; ++s) sum += power<T>(shape, share, y + s * d, x, in(s), nullptr);
  if (shape.gamma <= 0) return sum;
  const T pair = -T(0.5) * shape.gamma / static_cast<T>(k * (k - 1));
  for (std::int64_t s = 0; s < k; ++s)
    for (std::int64_t t = s + 1; t < k; ++t)
      sum += power<T>(shape, pair, y + s * d, y + t * d, in(s), in(t));
  return sum;
}

}  // namespace

template <class T>
T weak_cost(const WeakCostShape<T>& shape, const T* x, const T* y, T* derivative) {
  return shape.exponent == 2 ? quadratic(shape, x, y, derivative) : powers(shape, x, y, derivative);
}

template float weak_cost(const WeakCostShape<float>&, const float*, const float*, float*);
template double weak_cost(const WeakCostShape<double>&, const double*, const double*, double*);

}  // namespace monge::kernels
