#pragma once

#include <cstdint>

namespace monge::kernels {

/// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g²,
/// p = max(p - step m / (sqrt(v) root + epsilon), lowest), in one pass.
template <class T>
struct AdamLoop {
  T beta1, beta2, epsilon;
  T step;    // the learning rate over 1 - beta1^t
  T root;    // 1 / sqrt(1 - beta2^t)
  T lowest;  // minus infinity: no bound

  void run(std::int64_t n, T* p, const T* g, T* m, T* v) const;
};

/// Σ g².
template <class T>
double sum_of_squares(std::int64_t n, const T* g);

}  // namespace monge::kernels
