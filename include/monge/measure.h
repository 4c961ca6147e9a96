#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace monge {

/// Exact mean and covariance of a measure, float64.
struct Moments {
  Tensor mean;        ///< [d]
  Tensor covariance;  ///< [d, d]
};

/// A probability measure known by its samples. Immutable: all randomness comes from the stream
/// passed in, so that one measure serves many streams and threads.
class Measure {
 public:
  virtual ~Measure() = default;

  /// The dimension d of one point.
  virtual std::int64_t dimension() const = 0;
  /// The shape of one point, whose product is d: [d], or [channels, height, width] of an image.
  virtual std::vector<std::int64_t> shape() const { return {dimension()}; }

  /// Independent points, d numbers each, one after the other in all of `points`.
  virtual void sample_into(std::span<float> points, Random& random) const = 0;
  /// `n` of them, [n, d] float32.
  Tensor sample(std::int64_t n, Random& random) const;

  /// Mean and covariance where they are known exactly.
  virtual std::optional<Moments> moments() const { return std::nullopt; }

  /// log p(x_i) at each point of x [n, d], [n] float64, -infinity off the support; nullopt where
  /// the density is not known or does not exist. Throws Error on another shape.
  virtual std::optional<Tensor> log_density(const Tensor& /*x*/) const { return std::nullopt; }
};

/// A measure of finitely many equally weighted points, drawn by shuffled passes in training.
class FiniteMeasure : public Measure {
 public:
  virtual std::int64_t size() const = 0;

  /// The points of the given indices, each of them in [0, size), d numbers each.
  virtual void gather(std::span<const std::int64_t> indices, std::span<float> points) const = 0;
  /// The same as [n, d] float32, of indices [n] int64. Throws Error on another index.
  Tensor points(const Tensor& indices) const;

  /// Draws indices uniformly, with replacement.
  void sample_into(std::span<float> points, Random& random) const override;
};

}  // namespace monge
