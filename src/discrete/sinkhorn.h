#pragma once

#include "monge/tensor.h"

#include "discrete/cost_rows.h"

#include <cstdint>

namespace monge {

/// How far Sinkhorn's algorithm goes.
struct SinkhornLimits {
  double epsilon;
  double tolerance;         ///< of Σ_j |column sum_j - b_j|
  std::int64_t iterations;  ///< passes over all pairs, all stages together
};

/// The state of entropic transport at potentials that make the rows exact:
/// P_ij = a_i b_j exp((f_i + g_j - c_ij) / epsilon) has the row sums a.
struct EntropicState {
  Tensor source_potential;  ///< f, float64 [n]
  Tensor target_potential;  ///< g, float64 [m]
  double value;             ///< the dual, Σ a f + Σ b g; the optimum where the columns are exact
  double cost;              ///< Σ P c
  double column_error;      ///< Σ_j |Σ_i P_ij - b_j|
  std::int64_t iterations;
};

/// Sinkhorn's algorithm in the log domain (Peyre and Cuturi 2019, section 4.4), with epsilon scaled
/// down in stages and Anderson's acceleration, for weights a [n] and b [m], float64. Costs and
/// potentials are those of `costs`, without its shifts.
///
/// One pass over the costs does a whole iteration: a row's f needs that row alone, and with it the
/// row adds to the column sums, which give g. The exponentials of a pass over the costs are kept,
/// up to 2^25 of them, and serve the next passes times factors of the columns, as long as no g
/// moves by more than 30 epsilon. Sinkhorn ascends the dual; an accelerated point is kept only
/// where the dual has not fallen.
EntropicState sinkhorn(const CostRows& costs, const Tensor& a, const Tensor& b,
                       const SinkhornLimits& limits);

}  // namespace monge
