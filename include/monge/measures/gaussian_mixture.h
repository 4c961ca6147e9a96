#pragma once

#include "monge/measure.h"
#include "monge/options.h"

#include <memory>
#include <string_view>
#include <vector>

namespace monge {

class Categorical;

/// A finite mixture of Gaussians: component i has centre centers[i], covariance factorᵢᵀ factorᵢ
/// and probability weights[i] / sum.
class GaussianMixture final : public Measure {
 public:
  /// `centers` [k, d]; `spreads` [k] standard deviations of round components, or [k, d, d] factors;
  /// `weights` [k] non-negative with a positive sum. Throws Error on other shapes or values.
  GaussianMixture(const Tensor& centers, const Tensor& spreads, const Tensor& weights);

  std::int64_t dimension() const override { return centers_.size(1); }
  void sample_into(std::span<float> points, Random& random) const override;
  std::optional<Moments> moments() const override { return moments_; }
  /// nullopt where a covariance is singular.
  std::optional<Tensor> log_density(const Tensor& x) const override;

  const Tensor& centers() const { return centers_; }
  /// As given, or factors of the same covariances that are upper triangular.
  const Tensor& spreads() const { return spreads_; }
  Tensor weights() const;  ///< [k] float64, sums to 1

 private:
  Tensor centers_;  // [k, d] float32
  Tensor spreads_;  // [k] or [k, d, d] float32
  std::shared_ptr<const Categorical> shares_;
  Moments moments_;
};

struct GaussianMixtureOptions {
  std::int64_t dimension = 2;
  std::vector<double> centers;
  std::vector<double> std = {0.1};
  std::vector<double> weights;
};

const Declaration<GaussianMixtureOptions>& gaussian_mixture_declaration();
std::shared_ptr<const Measure> make_gaussian_mixture(const GaussianMixtureOptions& options,
                                                     std::string_view where = "gaussian_mixture");

/// Gaussians on a circle. The defaults are the 8 Gaussians of Gulrajani et al. 2017.
struct GaussianRingOptions {
  std::int64_t count = 8;
  double radius = 1.4142135623730951;
  double std = 0.014142135623730951;
};

const Declaration<GaussianRingOptions>& gaussian_ring_declaration();
std::shared_ptr<const Measure> make_gaussian_ring(const GaussianRingOptions& options);

/// Gaussians on a square grid around 0. The defaults are the 25 Gaussians of Gulrajani et al. 2017;
/// W2GN appendix C.3 has 49 and 100.
struct GaussianGridOptions {
  std::int64_t count = 25;
  double spacing = 0.7071067811865476;
  double std = 0.017677669529663688;
};

const Declaration<GaussianGridOptions>& gaussian_grid_declaration();
std::shared_ptr<const Measure> make_gaussian_grid(const GaussianGridOptions& options,
                                                  std::string_view where = "gaussian_grid");

}  // namespace monge
