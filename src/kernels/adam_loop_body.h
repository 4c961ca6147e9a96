// The loops of adam_loop.h for the instruction set that the including file is compiled for, plain
// enough for the compiler to vectorise.
#include "kernels/adam_loop.h"

namespace monge::kernels {
namespace {

using Size = std::int64_t;

inline float root_of(float square) { return __builtin_sqrtf(square); }
inline double root_of(double square) { return __builtin_sqrt(square); }

template <class T>
void update(const AdamFactors<T>& factors, Size n, T* __restrict p, const T* __restrict g,
            T* __restrict m, T* __restrict v) {
  const auto [beta1, beta2, epsilon, step, root, lowest] = factors;
  for (Size i = 0; i < n; ++i) {
    const T first = beta1 * m[i] + (1 - beta1) * g[i];
    const T second = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
    m[i] = first;
    v[i] = second;
    const T moved = p[i] - step * first / (root_of(second) * root + epsilon);
    p[i] = moved < lowest ? lowest : moved;
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
constexpr AdamLoops<T> loops{
    .update = update<T>, .sum_of_squares = sum_of_squares<T>, .add = add<T>};

}  // namespace
}  // namespace monge::kernels
