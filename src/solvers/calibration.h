#pragma once

#include "monge/measure.h"
#include "monge/process_group.h"
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

  /// Takes the rows `points` [rows, d], float32, that this process has of a batch of n points.
  void take(const Tensor& points, std::int64_t n);
  /// The means of the covariates, and below them of their products, [1 + k, k]; of the rows until
  /// they are made those of the batch.
  const Tensor& means() const { return means_; }
  /// Weighs the rows, up to a factor.
  void weigh();
  /// The mean of the weights, of the rows until it is made that of the batch.
  double& mean() { return mean_weight_; }
  /// w [rows]; overwritten by the next batch.
  std::span<const float> weights();

 private:
  void set_products(std::int64_t n);
  std::int64_t covariates() const { return d_ + std::ssize(products_); }

  /// z_first z_second, whose mean over the measure is `expected`.
  struct Product {
    std::int64_t first, second;
    float expected;
  };

  std::int64_t d_, batch_ = 0, rows_ = 0;
  std::vector<float> mean_, scale_;  // μ and 1 / σ, [d]; 0 where a coordinate does not vary
  std::vector<float> correlation_;   // [d, d]
  std::vector<Product> products_;
  std::vector<float> covariates_;  // [rows, d + k]
  Tensor means_;                   // [1 + d + k, d + k]
  std::vector<float> matrix_;      // [d + k, d + k], S + λ
  std::vector<float> along_;       // [d + k], (S + λ)⁻¹ c
  std::vector<float> weights_;     // [rows]
  double mean_weight_ = 1;
};

/// The weights of both sides of a batch, in two exchanges.
struct SideWeights {
  std::span<const float> x, y;
};
/// `x` and `y` are the rows that this process has of a batch of n points.
SideWeights calibrated(Calibration& of_x, const Tensor& x, Calibration& of_y, const Tensor& y,
                       std::int64_t n, ProcessGroup& group);

}  // namespace monge
