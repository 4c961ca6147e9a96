#pragma once

#include "monge/measure.h"
#include "monge/random.h"
#include "monge/tensor.h"

#include <memory>
#include <span>
#include <vector>

namespace monge {

/// The stream of mini-batches of one measure in training, on its own random stream. A finite
/// measure is drawn by shuffled passes, so that every point is seen equally often; any other by
/// fresh samples.
class Sampler {
 public:
  Sampler(std::shared_ptr<const Measure> measure, const Random& random);

  /// The next `n` points, [n, d] float32. The memory of a batch serves the next one as soon as
  /// nobody holds it.
  Tensor next(std::int64_t n);

  /// Of the points of the last batch, where they stand in a finite measure; empty for any other.
  std::span<const std::int64_t> indices() const { return indices_; }

  const Measure& measure() const { return *measure_; }

  /// Random stream and data position; restored, the stream goes on with the same points.
  State state() const;
  void restore(const State& state);

 private:
  void next_of_pass(const FiniteMeasure& measure, std::span<float> points);
  void begin_pass(std::int64_t size);

  std::shared_ptr<const Measure> measure_;
  Random random_;
  Random pass_start_;                // the stream before this pass was shuffled
  std::vector<std::int64_t> order_;  // this pass's permutation; empty: none has begun
  std::int64_t position_ = 0;
  std::vector<std::int64_t> indices_;
  Tensor batch_;
};

/// The two independent streams that a solver learns from.
struct Problem {
  Sampler source;
  Sampler target;

  State state() const;
  void restore(const State& state);
};

/// The problem of transporting `source` to `target`: streams "source" and "target" of `seed`.
/// Throws Error where the dimensions differ.
Problem make_problem(std::shared_ptr<const Measure> source, std::shared_ptr<const Measure> target,
                     std::uint64_t seed);

}  // namespace monge
