#pragma once

#include <cstdint>

namespace monge::kernels {

/// What one row of costs gives to Sinkhorn's algorithm.
struct SoftRow {
  double largest;  ///< max_j (h_j - c_j) / epsilon
  double sum;      ///< Σ_j e_j
  double cost;     ///< Σ_j e_j c_j
};

/// The passes over rows of a cost matrix that discrete transport does again and again. One table
/// per instruction set. Agreement with their formulas: 1e-12 relative to the size of the terms.
struct TransportLoops {
  using Size = std::int64_t;

  /// out[i, j] = ½ |x_i - y_j|² of x [rows, d] and y transposed to [d, m]; out [rows, m].
  void (*half_squares)(Size rows, Size d, Size m, const double* x, const double* y, double* out);
  /// min_j c_j - v_j.
  double (*least)(Size m, const double* c, const double* v);
  /// e_j = exp((h_j - c_j) / epsilon - largest), and its sums.
  SoftRow (*soft_row)(Size m, const double* c, const double* h, double epsilon, double* e);
  /// Σ_j e_j u_j.
  double (*dot)(Size m, const double* e, const double* u);
  /// Σ_j e_j u_j c_j.
  double (*dot3)(Size m, const double* e, const double* u, const double* c);
  /// sums += factor e.
  void (*add_scaled)(Size m, double factor, const double* e, double* sums);
};

/// The table for this machine's instruction_set().
const TransportLoops& transport_loops();

extern const TransportLoops transport_loops_any, transport_loops_avx2, transport_loops_avx512;

}  // namespace monge::kernels
