#pragma once

#include "monge/measure.h"
#include "monge/options.h"
#include "monge/transport_map.h"

#include <memory>
#include <string>
#include <vector>

namespace monge {

/// Options of source smoothing, the section [smoothing].
struct SmoothingOptions {
  std::string kind = "none";
  std::string unit = "data";
  double level = 0.01;
  double start_level = 0;
  std::string schedule = "linear";
  std::int64_t levels = 8;
  std::int64_t steps = 0;
};

const Declaration<SmoothingOptions>& smoothing_declaration();

/// What a source is smoothed by, x_e = keep · x + √variance · n with n standard normal; at level e
/// (Choi et al. 2025, Overcoming Fake Solutions in Semi-Dual Neural Optimal Transport)
///
///   gaussian               x_e = x + √e n
///   variance_preserving    x_e = √(1 - e) x + √e n
struct Noise {
  double keep;      ///< in (0, 1]
  double variance;  ///< positive

  /// x_e of x [n, d] and n [n, d], in the memory of x.
  void add_to(Tensor& x, const Tensor& normal) const;
};

/// The noise over the steps of a run: it falls from the start level to the last one and stays.
class Smoothing {
 public:
  /// Levels are in units of `unit`, a variance: 1, or the source's `effective_variance`. Throws
  /// Error where the kind is none, or no number of steps is set for levels that fall, or the
  /// levels do not fit the kind or the schedule.
  explicit Smoothing(const SmoothingOptions& options, double unit = 1);

  Noise at(std::int64_t step) const;
  Noise first() const { return at(0); }
  Noise last() const { return at(options_.steps); }

 private:
  double level(std::int64_t step) const;

  SmoothingOptions options_;
  double unit_;
};

/// The law of x_e for x of another measure.
class SmoothedMeasure final : public Measure {
 public:
  SmoothedMeasure(std::shared_ptr<const Measure> measure, const Noise& noise)
      : measure_(std::move(measure)), noise_(noise) {}

  std::int64_t dimension() const override { return measure_->dimension(); }
  std::vector<std::int64_t> shape() const override { return measure_->shape(); }
  void sample_into(std::span<float> points, Random& random) const override;
  std::optional<Moments> moments() const override;

 private:
  std::shared_ptr<const Measure> measure_;
  Noise noise_;
};

/// The plan x -> T(x_e) of a map T of the smoothed source. Its noise is n and, after it, that of T
/// where T has some.
class SmoothedMap final : public StochasticMap {
 public:
  SmoothedMap(std::shared_ptr<const TransportMap> map, const Noise& noise)
      : map_(std::move(map)), noise_(noise) {}

  std::int64_t dimension() const override { return map_->dimension(); }
  std::vector<std::int64_t> shape() const override { return map_->shape(); }
  std::int64_t noise_dimension() const override;
  using StochasticMap::transport;
  Tensor transport(const Tensor& x, const Tensor& z) const override;
  const std::shared_ptr<const TransportMap>& map() const { return map_; }
  const Noise& noise() const { return noise_; }

 private:
  std::shared_ptr<const TransportMap> map_;
  Noise noise_;
};

}  // namespace monge
