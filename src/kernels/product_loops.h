#pragma once

#include <cstdint>

namespace monge::kernels {

/// Matrix products of a step's sizes, for which calling a BLAS and its packing take longer.
///
/// Agreement with the product in float64, of standard normal entries: 1e-6 (10 √k + 1) in float32,
/// 2e-15 (10 √k + 1) in float64; the transpose is exact.
template <class T>
struct ProductLoops {
  using Size = std::int64_t;

  /// k m up to which multiply() is faster than the BLAS.
  Size largest;

  /// out = keep out + a b: a is [n, k] with the distances of its rows and of its columns, b [k, m]
  /// and out [n, m] with those of their rows. With keep = 0, out is not read.
  void (*multiply)(Size n, Size m, Size k, const T* a, Size a_row, Size a_column, const T* b,
                   Size b_ld, T keep, T* out, Size out_ld);
  /// out [columns, rows] = a [rows, columns]ᵀ.
  void (*transpose)(Size rows, Size columns, const T* a, T* out);
};

/// The table for this machine, by instruction_set().
template <class T>
const ProductLoops<T>& product_loops();

extern const ProductLoops<float> product_loops_float_any, product_loops_float_avx2,
    product_loops_float_avx512;
extern const ProductLoops<double> product_loops_double_any, product_loops_double_avx2,
    product_loops_double_avx512;

}  // namespace monge::kernels
