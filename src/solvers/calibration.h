#pragma once

#include "monge/measure.h"
#include "monge/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace monge {

/// Weights that give a batch the moments of its measure, nearly (calibration, Deville & Särndal
/// 1992): for sums over the batch a control variate that is linear in covariates c_i,
///
///   w_i = 1 - <c, (S + λ)⁻¹ (c_i - c)>
///
/// with c and S the batch's mean and covariance of c_i. The covariates are, less their means over
/// the measure, the coordinates z_i = (x_i - μ) / σ and as many of their products as the batch has
/// points for: all, the squares, or none. The weights are bounded and add up to the number of
/// points.
class Calibration {
 public:
  /// `moments` of the whole measure: of the batches that the weights are for.
  explicit Calibration(const Moments& moments);

  /// Whether a batch of n points has points enough for so many covariates; fewer, and the weights
  /// add more noise than they take.
  static bool serves(std::int64_t n, std::int64_t covariates) { return n >= 4 * covariates; }

  /// w [n] of `points` [n, d], float32; overwritten by the next call.
  std::span<const float> weights(const Tensor& points);

 private:
  void set_products(std::int64_t n);

  Tensor mean_, scale_;    // μ and 1 / σ, [d]; 0 where a coordinate does not vary
  Tensor correlation_;     // [d, d]
  Tensor first_, second_;  // [k], the coordinates of each product
  Tensor expected_;        // [k], its mean over the measure
  Tensor covariates_;      // [n, d + k]
  std::vector<float> weights_;
};

}  // namespace monge
