#pragma once

#include <cstdint>

namespace monge::kernels {

/// The numbers of one update of Adam.
template <class T>
struct AdamFactors {
  T beta1, beta2, epsilon;
  T step;    // the learning rate over 1 - beta1^t
  T root;    // 1 / sqrt(1 - beta2^t)
  T lowest;  // minus infinity: no bound
  T share;   // of the new parameter in the average
};

/// The passes over parameters and their derivatives, of `n` numbers. Agreement with the formulas
/// over several steps of size 0.1: 1e-5 in float32, 1e-13 in float64; a square root
/// below 3e-19 may count as 3e-19, which an epsilon above 1e-12 hides.
template <class T>
struct AdamLoops {
  using Size = std::int64_t;

  /// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g²,
  /// p = max(p - step m / (sqrt(v) root + epsilon), lowest), in one pass.
  void (*update)(const AdamFactors<T>& factors, Size n, T* p, const T* g, T* m, T* v);
  /// The same, and average += share (p - average).
  void (*update_average)(const AdamFactors<T>& factors, Size n, T* p, const T* g, T* m, T* v,
                         T* average);
  /// Σ g², in float64.
  double (*sum_of_squares)(Size n, const T* g);
  /// sum += g.
  void (*add)(Size n, const T* g, T* sum);
};

/// The table for this machine, by instruction_set().
template <class T>
const AdamLoops<T>& adam_loops();

extern const AdamLoops<float> adam_loops_float_any, adam_loops_float_avx2, adam_loops_float_avx512;
extern const AdamLoops<double> adam_loops_double_any, adam_loops_double_avx2,
    adam_loops_double_avx512;

}  // namespace monge::kernels
