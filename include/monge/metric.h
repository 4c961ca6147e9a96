#pragma once

#include "monge/cost.h"
#include "monge/discrete.h"  // exact_w2_squared is a metric too
#include "monge/options.h"
#include "monge/potential.h"
#include "monge/random.h"
#include "monge/tensor.h"

#include <cstdint>
#include <span>

namespace monge {

/// Unexplained variance, %: 100 · E|T(x) - T*(x)|² / Var(Q), W2GN section 5.1. `mapped` and `truth`
/// are [n, d] at the same x; `target_variance` is the trace of Q's covariance.
double l2_uvp(const Tensor& mapped, const Tensor& truth, double target_variance);

/// Cosine between T(x) - x and T*(x) - x as vectors of L2(P), in [-1, 1]; 1 is perfect.
/// Where one of the maps moves nothing it is 0, where neither does 1.
double cosine_similarity(const Tensor& x, const Tensor& mapped, const Tensor& truth);

/// Mean of c(x_i, T(x_i)).
double transport_cost(const Tensor& x, const Tensor& mapped, const Cost& cost);

/// Energy distance 2 E|x - y| - E|x - x'| - E|y - y'| from [n, d] and [m, d], by unbiased pair
/// averages (it can be slightly negative). Memory is bounded: pairs are taken in blocks.
double energy_distance(const Tensor& x, const Tensor& y);

/// Sliced W2 squared: the mean over `projections` random directions of the squared 1-D W2.
/// n and m may differ.
double sliced_w2_squared(const Tensor& x, const Tensor& y, std::int64_t projections,
                         Random& random);

/// How far a potential is from convex on random segments between rows of `points` [n, d]:
/// the largest (psi(midpoint) - ½ psi(a) - ½ psi(b)) / (1 + |psi(a)| + |psi(b)|), 0 where convex.
/// In float32 rounding alone gives about 1e-7.
double convexity_violation(const Potential& potential, const Tensor& points, std::int64_t segments,
                           Random& random);

/// How points cover the round components of a mixture.
struct ModeShares {
  double
      least;  ///< the smallest mass of a mode over the right one; each point counts to its nearest
  double most;    ///< the largest
  double within;  ///< share of points within 3 standard deviations of their nearest centre
};

/// Shares of `points` [n, d] at the modes `centers` [k, d] of standard deviations `std` [k] and
/// weights [k] that sum to 1.
ModeShares mode_shares(const Tensor& points, const Tensor& centers, const Tensor& std,
                       const Tensor& weights);

/// The metrics with their formulas, for `monge list` and `monge describe`.
std::span<const PartInfo> metrics();

}  // namespace monge
