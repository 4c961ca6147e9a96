#pragma once

#include "monge/measure.h"
#include "monge/tensor.h"

namespace monge {

/// x -> A x + b.
struct AffineMap {
  Tensor matrix;  ///< A, [d, d]
  Tensor offset;  ///< b, [d]
};

/// Mean and unbiased covariance (divisor n - 1) of the rows of `points` [n, d], n >= 2, float64.
/// Throws Error on another shape and on values that are not finite.
Moments empirical_moments(const Tensor& points);

/// The optimal map between Gaussians with the given moments (Bures–Wasserstein), float64:
/// A = Sp^-½ (Sp^½ Sq Sp^½)^½ Sp^-½, W2GN appendix C.4. A singular Sp is treated on its range:
/// directions whose variance is below 1e-12 of the largest are sent to the target's mean, which is
/// the barycentric projection of the optimal plan where no map exists. Throws Error on moments of
/// unequal dimension or with values that are not finite.
AffineMap bures_wasserstein_map(const Moments& source, const Moments& target);

/// Squared W2 between Gaussians with the given moments:
/// |mp - mq|² + tr(Sp + Sq - 2 (Sp^½ Sq Sp^½)^½). Exact for singular covariances.
double bures_wasserstein_squared(const Moments& source, const Moments& target);

/// Coordinates in which a map is learned: x~ = M (x - from) / c, and T(x) = to + c Mᵀ t(x~) with c
/// the `scale`. For any convex psi, to + c Mᵀ ∇psi(M (x - from) / c) is again the gradient of a
/// convex function, c² psi(M (x - from) / c) + <to, x>, so the frame changes the difficulty and not
/// the problem. With y~ the coordinates of the inverse frame, <x - from, y - to> = c² <x~, y~>.
/// Points are in the dtype and on the device of the frame.
struct AffineFrame {
  Tensor matrix;     ///< M, [d, d], invertible
  Tensor from;       ///< [d]
  Tensor to;         ///< [d]
  double scale = 1;  ///< c > 0

  Tensor enter(const Tensor& x) const;  ///< M (x - from) / c, [n, d]
  Tensor leave(const Tensor& t) const;  ///< to + c Mᵀ t, [n, d]
  /// The frame of the inverse map: M⁻ᵀ, from and to swapped, the same scale.
  AffineFrame inverse() const;
  AffineFrame to_dtype(at::ScalarType dtype) const;

  State state() const;  ///< "matrix", "from", "to", "scale"
};

/// The frame that `AffineFrame::state` stored; throws Error where a shape is not that of
/// `dimension` or a value cannot be (not finite, a scale that is not positive).
AffineFrame frame_from_state(const State& state, std::int64_t dimension);

/// Moments of a measure from its samples: of all points where it is finite (one point has no
/// variance), of 2^16 draws elsewhere, 64 for each dimension at least. Points are read in blocks.
Moments sampled_moments(const Measure& measure, Random& random);

/// The variance in a direction that the measure fills: tr(S²) / tr(S) of its covariance S, which is
/// the total variance over the effective dimension tr(S)² / tr(S²). Directions of little variance
/// do not count, so it is the same in whatever space the measure lies; 0 of a single point. From
/// the moments where the measure knows them and is not finite, else from at most 2^16 points (and
/// 2^23 numbers), with the estimate of tr(S²) that is unbiased for Gaussians (Bai and Saranadasa
/// 1996), kept within what the points' own covariance and its trace allow.
double effective_variance(const Measure& measure, Random& random);

AffineFrame identity_frame(std::int64_t dimension);

/// The frame in which the affine map of `bures_wasserstein_map` is the identity and both
/// covariances are the same diagonal of mean 1: M = Vᵀ A^½ with V the eigenvectors of A^½ Sp A^½,
/// and the scale the root of the mean of that diagonal. float64.
///
/// Always invertible and finite: variances below 1e-8 of the largest of their measure count as that
/// (a standard deviation of 1e-4), a measure without any variance counts as white noise. So M
/// stretches two directions by factors at most 1e4 apart, and directions that are degenerate stay
/// small in x~ rather than being blown up.
AffineFrame bures_wasserstein_frame(const Moments& source, const Moments& target);

}  // namespace monge
