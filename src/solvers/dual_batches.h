#pragma once

#include "monge/affine.h"
#include "monge/sampler.h"

#include "solvers/calibration.h"
#include "solvers/coupled_batches.h"
#include "solvers/frame_entry.h"

#include <optional>
#include <string>

namespace monge {

/// The points of one step of the dual in its frame, of each measure the rows of this process. It
/// holds what it shows: in the identity frame the points are those that were drawn.
struct DualBatch {
  Tensor x, y;                            ///< [rows, d]
  std::span<const std::int64_t> targets;  ///< where all y of the batch stand in a finite target
  std::span<const float> x_weights, y_weights;  ///< none: all alike
};

/// Draws the batches of the dual so that E δ(X) - E δ(x^(Y)), a difference of two means over points
/// that lie alike in the end, has little noise: coupled (coupled_batches.h) or calibrated
/// (calibration.h).
class DualBatches {
 public:
  /// `how`: auto, calibrated, coupled or independent; batches of `batch` points.
  DualBatches(std::int64_t dimension, std::string how, std::int64_t batch);

  /// The frame, float64, in which points are given.
  void set_frame(const AffineFrame& frame);
  /// The moments of source and target in their own coordinates, after set_frame().
  void start(const Moments& source, const Moments& target, Random& random);

  /// `table` [n, d]: where the maximisers of a finite target's points lie; [0, d]: not known.
  /// Throws Error where coupled batches were asked for and cannot be.
  DualBatch draw(Problem& problem, const Tensor& table);

  State state() const;
  /// Throws Error where it is not the state of that dimension.
  void restore(const State& state);

 private:
  enum class Drawing { independent, coupled, calibrated };
  Drawing drawing(const FiniteMeasure* source, const FiniteMeasure* target,
                  const Tensor& table) const;
  void set_moments(const Moments& source, const Moments& target);

  std::int64_t d_;
  std::string how_;
  std::int64_t batch_;
  AffineFrame frame_;  // float64
  std::optional<FrameEntry> enter_source_, enter_target_;
  CoupledBatches coupled_{0};
  Tensor x_, y_;                             // [rows, d], of coupled batches
  Moments source_moments_, target_moments_;  // in the frame
  std::optional<Calibration> source_weights_, target_weights_;
};

}  // namespace monge
