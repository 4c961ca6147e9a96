#pragma once

#include "monge/tensor.h"

#include "discrete/cost_rows.h"

#include <cstdint>
#include <span>
#include <vector>

namespace monge {

/// An optimal basis of discrete transport.
struct SimplexSolution {
  std::vector<std::int64_t> rows, columns, flows;  ///< the arcs with flow, by row and column
  std::vector<double> source_potential, target_potential;
  std::int64_t pivots;  ///< of all rounds
  int rounds;           ///< passes over the whole cost matrix
};

/// The network simplex over a shortlist of arcs that grows until no arc of the whole cost matrix
/// has a negative reduced cost (Gottschlich and Schuhmacher 2014, The shortlist method, with column
/// generation). Supplies and demands are positive integers of one sum; `guess` [m] are potentials
/// of the targets, and the closer to optimal the quicker. Potentials are those of `costs` without
/// its shifts: u_i + v_j <= c_ij up to the rounding of c, with equality on the arcs with flow up to
/// 2^-59 (n + m) of the largest cost.
SimplexSolution network_simplex(const CostRows& costs, std::span<const std::int64_t> supplies,
                                std::span<const std::int64_t> demands, const Tensor& guess);

}  // namespace monge
