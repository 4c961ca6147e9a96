#pragma once

#include "monge/measure.h"
#include "monge/options.h"
#include "monge/tensor.h"

#include <cstdint>
#include <string>
#include <vector>

namespace monge {

/// Options of the noise levels that a potential is conditioned on.
struct NoiseLevelOptions {
  std::int64_t embedding = 16;
  double sigma_min = 0.02;
  double sigma_max = 100;
  std::string unit = "data";
  std::string weight = "signal";
};

/// Declares them among the options of a network that has them.
template <class Options>
Declaration<Options> with_noise_levels(Declaration<Options> declaration) {
  return declaration
      .template option<std::int64_t>(
          "embedding", &Options::embedding,
          "Numbers, an even count, that a noise level is given to the network as.",
          between(4, 1024))
      .template option<double>("sigma_min", &Options::sigma_min, "The lowest noise level.",
                               above(0))
      .template option<double>("sigma_max", &Options::sigma_max,
                               "The highest one; levels are log-uniform.", above(0))
      .template option<std::string>(
          "unit", &Options::unit,
          "What levels are measured in: units of the data, or the standard deviation of "
          "a coordinate of the target.",
          one_of({"data", "target"}))
      .template option<std::string>(
          "weight", &Options::weight,
          "How much a level counts, r being its ratio to that deviation: all the same; "
          "1 / (1 + r²), the share of a noisy point that is signal; (1 + r²) / r²; each "
          "over its mean.",
          one_of({"flat", "signal", "edm"}));
}

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
  NoiseLevels(std::int64_t dimension, const NoiseLevelOptions& options);

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
  /// Writes the `embedding` numbers.
  void embed(float sigma, float* out) const;

  /// The points of the formulas above for y [n, d] at sigma [n], [n, d]; with a graph to y.
  Tensor points(const Tensor& y, const Tensor& sigma) const;
  /// The embeddings of sigma [n], [n, embedding], in its dtype.
  Tensor embed(const Tensor& sigma) const;

  std::int64_t dimension() const { return dimension_; }
  const NoiseLevelOptions& options() const { return options_; }
  const float* mean() const { return mean_.const_data_ptr<float>(); }
  double deviation() const { return deviation_.const_data_ptr<double>()[0]; }
  /// m [d] float32 and s [1] float64 by name, sharing storage.
  State statistics() const { return {{"mean", mean_}, {"deviation", deviation_}}; }

 private:
  double unit() const { return options_.unit == "data" ? 1 : deviation(); }

  std::int64_t dimension_;
  NoiseLevelOptions options_;
  std::vector<float> frequencies_;  // of ln(sigma)
  Tensor mean_, deviation_;
};

}  // namespace monge
