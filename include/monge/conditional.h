#pragma once

#include "monge/transport_map.h"

#include <cstdint>

namespace monge {

/// How much of a stochastic map's variety comes of its noise, and how much the γ-weak quadratic
/// cost wants (docs/metrics-images.md has the derivation).
struct ConditionalSpread {
  double variance;   ///< E var_z T(x, z) over Var(T#P), in [0, 1]: 0 for a map that ignores z
  double target;     ///< the same of the best plan found between P and T#P, at least `variance`
  double diversity;  ///< E |T(x, z) - T(x, z')|

  /// Conditional collapse (Korotin et al. 2023, section 5.1): less than a quarter of the target,
  /// which is at least a twentieth of all variance.
  bool collapsed() const { return target >= 0.05 && variance < 0.25 * target; }
};

/// Measures it on points x [n, d], n >= 4, with `samples` >= 2 draws of z a point.
///
/// A plan with these marginals is optimal for the γ-weak cost where no mixing of the laws of two
/// points lowers it. With m(x) = E_z T(x, z), mixing those of x and x' by a share t adds
///
///   t <x - x', D> - γ t (1 - t) |D|²,      D = m(x) - m(x'),
///
/// to the cost of the pair, so that a map that ignores z is right only where <x - x', D> >= γ |D|²
/// for all pairs. The target is what rounds of the best mixing of random pairs lead to; it needs no
/// other points than the map's own, in any dimension. γ = 0, the strong cost, wants no spread: then
/// `target` is `variance`. Throws Error on another shape, a γ outside [0, 1] and values that are
/// not finite.
ConditionalSpread conditional_spread(const StochasticMap& map, const Tensor& x, double gamma,
                                     std::int64_t samples, Random& random);

}  // namespace monge
