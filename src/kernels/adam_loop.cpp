#include "kernels/adam_loop.h"

#include <cmath>

namespace monge::kernels {

template <class T>
void AdamLoop<T>::run(std::int64_t n, T* __restrict p, const T* __restrict g, T* __restrict m,
                      T* __restrict v) const {
  for (std::int64_t i = 0; i < n; ++i) {
    const T first = beta1 * m[i] + (1 - beta1) * g[i];
    const T second = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
    m[i] = first;
    v[i] = second;
    const T moved = p[i] - step * first / (std::sqrt(second) * root + epsilon);
    p[i] = moved < lowest ? lowest : moved;
  }
}

template <class T>
double sum_of_squares(std::int64_t n, const T* g) {
  constexpr int lanes = 8;
  double sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int lane = 0; lane < lanes; ++lane)
      sums[lane] += static_cast<double>(g[i + lane]) * static_cast<double>(g[i + lane]);
  for (; i < n; ++i) sums[0] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

template struct AdamLoop<float>;
template struct AdamLoop<double>;
template double sum_of_squares(std::int64_t, const float*);
template double sum_of_squares(std::int64_t, const double*);

}  // namespace monge::kernels
