#pragma once

#include "monge/measure.h"
#include "monge/networks/mlp.h"

namespace monge {

/// Options of a perceptron conditioned on the noise level, and of the levels.
struct NoisedMlpOptions {
  std::vector<std::int64_t> hidden = {};
  std::string activation = "relu";
  double alpha = 0;
  std::int64_t channels = 16;
  double sigma_min = 0.02;
  double sigma_max = 100;
  std::string unit = "data";
  std::string weight = "signal";

  /// With `hidden` and `alpha` chosen where they are not, as those of a perceptron.
  NoisedMlpOptions sized_for(std::int64_t dimension) const;
};

const Declaration<NoisedMlpOptions>& noised_mlp_declaration();

/// The noise levels sigma of a potential conditioned on them, and what its network is given at one.
/// With m and s the mean and the standard deviation of the points, u the unit of the levels (1, or
/// s) and r = u sigma / s (Karras et al. 2022, EDM, table 1):
///
///   point       (y - m) / (s √(1 + r²)),     y = x + u sigma n, n standard normal
///   embedding   cos(a_k), sin(a_k),          a_k = 10000^(-k / (h - 1)) ln(sigma) / 4, 0 <= k < h
///   weight      1, 1 / (1 + r²), or (1 + r²) / r² (their lambda in units of s), over its mean
///
/// Copies share the statistics m and s.
class NoiseLevels {
 public:
  /// m = 0 and s = 1. Throws Error where the options do not fit one another.
  NoiseLevels(std::int64_t dimension, const NoisedMlpOptions& options);

  /// Takes m and s from a sample of that measure; s is the root mean variance of a coordinate.
  /// Throws Error where all its points are one.
  void measure(const Measure& points, Random& random) const;

  /// Noise and levels for `n` points, [n, d + 1] float32: n_i, then sigma_i. sigma is log-uniform
  /// from sigma_min to sigma_max, one point in each of n parts of equal mass.
  Tensor draw(std::int64_t n, Random& random) const;

  /// What stands in the formulas above at one level.
  struct Level {
    float noise;   ///< u sigma
    float scale;   ///< 1 / (s √(1 + r²))
    float weight;  ///< times s², the unit of the potential
  };
  Level at(float sigma) const;
  /// Writes the `channels` numbers of the embedding.
  void embed(float sigma, float* out) const;

  /// What the network is given of y [n, d] at sigma [n], [n, d + channels]; with a graph to y.
  Tensor inputs(const Tensor& y, const Tensor& sigma) const;

  std::int64_t dimension() const { return dimension_; }
  std::int64_t channels() const { return options_.channels; }
  const NoisedMlpOptions& options() const { return options_; }
  const float* mean() const { return mean_.const_data_ptr<float>(); }
  double deviation() const { return deviation_.const_data_ptr<double>()[0]; }
  /// m [d] float32 and s [1] float64 by name, sharing storage.
  State statistics() const { return {{"mean", mean_}, {"deviation", deviation_}}; }

 private:
  double unit() const { return options_.unit == "data" ? 1 : deviation(); }

  std::int64_t dimension_;
  NoisedMlpOptions options_;
  std::vector<float> frequencies_;  // of ln(sigma)
  Tensor mean_, deviation_;
};

/// A potential f(x, sigma) conditioned on the noise level: a perceptron of the point and an
/// embedding of sigma, as in noised strong NOT. As a Potential of x alone it is that of the lowest
/// level. Parameters: those of an Mlp of d + channels inputs.
class NoisedMlp final : public Potential {
 public:
  NoisedMlp(std::int64_t dimension, const NoisedMlpOptions& options, Random& random,
            at::ScalarType dtype = at::kFloat);

  std::int64_t dimension() const override { return levels_.dimension(); }
  Tensor value(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  /// f(x_i, sigma_i) for x [n, d] and sigma [n], [n]; x has its noise.
  Tensor value(const Tensor& x, const Tensor& sigma, Graph graph) const;
  /// The same and the gradient in x.
  ValueAndGradient value_and_gradient(const Tensor& x, const Tensor& sigma, Graph graph) const;
  State parameters() const override { return network_.parameters(); }

  std::string name() const override { return "noised_mlp"; }
  Table options() const override { return noised_mlp_declaration().write(levels_.options()); }
  const NoiseLevels& levels() const { return levels_; }
  const Mlp& network() const { return network_; }

 private:
  Tensor lowest(const Tensor& x) const;

  NoiseLevels levels_;
  Mlp network_;
};

}  // namespace monge
