// The loops of adam_loop.h for the instruction set that the including file is compiled for, plain
// enough for the compiler to vectorise.
#include "kernels/adam_loop.h"

namespace monge::kernels {
namespace {

using Size = std::int64_t;

inline float root_of(float square) { return __builtin_sqrtf(square); }
inline double root_of(double square) { return __builtin_sqrt(square); }

/// One number; returns the new parameter.
template <class T>
inline T updated(const AdamFactors<T>& factors, T p, T g, T& m, T& v) {
  const auto& [beta1, beta2, epsilon, step, root, lowest, share] = factors;
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * g * g;
  const T moved = p - step * m / (root_of(v) * root + epsilon);
  return moved < lowest ? lowest : moved;
}

template <class T>
void update(const AdamFactors<T>& factors, Size n, T* __restrict p, const T* __restrict g,
            T* __restrict m, T* __restrict v) {
  const AdamFactors<T> held = factors;
  for (Size i = 0; i < n; ++i) p[i] = updated(held, p[i], g[i], m[i], v[i]);
}

template <class T>
void update_average(const AdamFactors<T>& factors, Size n, T* __restrict p, const T* __restrict g,
                    T* __restrict m, T* __restrict v, T* __restrict average) {
  const AdamFactors<T> held = factors;
  for (Size i = 0; i < n; ++i) {
    p[i] = updated(held, p[i], g[i], m[i], v[i]);
    average[i] += held.share * (p[i] - average[i]);
  }
}

template <class T>
double sum_of_squares(Size n, const T* g) {
  constexpr int lanes = 32;
  double sums[lanes] = {};
  Size i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int lane = 0; lane < lanes; ++lane)
      sums[lane] += static_cast<double>(g[i + lane]) * static_cast<double>(g[i + lane]);
  for (; i < n; ++i) sums[0] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

template <class T>
void add(Size n, const T* __restrict g, T* __restrict sum) {
  for (Size i = 0; i < n; ++i) sum[i] += g[i];
}

template <class T>
constexpr AdamLoops<T> loops{.update = update<T>,
                             .update_average = update_average<T>,
                             .sum_of_squares = sum_of_squares<T>,
                             .add = add<T>};

}  // namespace
}  // namespace monge::kernels
