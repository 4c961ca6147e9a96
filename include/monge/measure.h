#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

#include <cstdint>
#include <optional>
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

  /// `n` independent points, [n, d] float32.
  virtual Tensor sample(std::int64_t n, Random& random) const = 0;

  /// Mean and covariance where they are known exactly.
  virtual std::optional<Moments> moments() const { return std::nullopt; }
};

/// A measure of finitely many equally weighted points, drawn by shuffled passes in training.
class FiniteMeasure : public Measure {
 public:
  virtual std::int64_t size() const = 0;

  /// The points of the given indices, [n, d] float32.
  virtual Tensor points(const Tensor& indices) const = 0;

  /// Draws indices uniformly, with replacement.
  Tensor sample(std::int64_t n, Random& random) const override;
};

}  // namespace monge
