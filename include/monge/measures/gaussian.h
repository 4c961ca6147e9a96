#pragma once

#include "monge/measure.h"
#include "monge/options.h"

#include <memory>
#include <string_view>
#include <vector>

namespace monge {

/// A Gaussian N(mean, covariance); the covariance may be singular.
class GaussianMeasure final : public Measure {
 public:
  /// `mean` [d], `covariance` [d, d] symmetric without negative eigenvalues (up to rounding).
  /// Throws Error otherwise.
  explicit GaussianMeasure(const Moments& moments);

  std::int64_t dimension() const override { return moments_.mean.size(0); }
  /// Costs d normal numbers and about d² / 2 multiplications a point, d where the covariance is
  /// diagonal.
  void sample_into(std::span<float> points, Random& random) const override;
  std::optional<Moments> moments() const override { return moments_; }
  /// nullopt where a covariance is singular.
  std::optional<Tensor> log_density(const Tensor& x) const override;

 private:
  Moments moments_;
  Tensor mean_;    // [d] float32
  Tensor factor_;  // float32: [d, d] upper triangular with covariance = factorᵀ factor, or [d]
                   // standard deviations where the covariance is diagonal
};

struct GaussianOptions {
  std::int64_t dimension = 0;
  std::vector<double> mean;
  std::vector<double> covariance;
  double std = 1;
};

const Declaration<GaussianOptions>& gaussian_declaration();
std::shared_ptr<const Measure> make_gaussian(const GaussianOptions& options,
                                             std::string_view where = "gaussian");

/// The covariance of the Gaussian benchmark of W2GN, appendix C.4, [d, d] float64: its square root
/// is Sᵀ Λ S with S a uniformly random rotation and Λ geometric from `low` to `high` (their
/// geometric mean where d = 1).
Tensor random_covariance(std::int64_t dimension, double low, double high, Random& random);

struct RandomGaussianOptions {
  std::int64_t dimension = 2;
  std::int64_t seed = 0;
  double low = 0.5;
  double high = 2;
};

const Declaration<RandomGaussianOptions>& random_gaussian_declaration();
/// A centred Gaussian with a `random_covariance`.
std::shared_ptr<const Measure> make_random_gaussian(const RandomGaussianOptions& options,
                                                    std::string_view where = "random_gaussian");

}  // namespace monge
