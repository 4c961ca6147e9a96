#pragma once

#include "monge/affine_span.h"
#include "monge/latent_map.h"
#include "monge/measure.h"
#include "monge/process_group.h"
#include "monge/random.h"
#include "monge/smoothing.h"
#include "monge/tensor.h"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace monge {

/// The stream of mini-batches of one measure in training, on its own random stream. A finite
/// measure is drawn by shuffled passes, so that every point is seen equally often; any other by
/// fresh samples. All processes of a group draw the same stream and take their rows of it.
class Sampler {
 public:
  Sampler(std::shared_ptr<const Measure> measure, const Random& random);
  /// The same with fresh noise on every point, as Smoothing says for the steps so far.
  Sampler(std::shared_ptr<const Measure> measure, const Random& random, const Smoothing& smoothing,
          const Random& noise);

  /// Takes part in `group` from now on.
  void join(std::shared_ptr<const ProcessGroup> group) { group_ = std::move(group); }

  /// Of the next `n` points the rows of this process, [rows, d] float32: all of them where it is
  /// alone. The memory of a batch serves the next one as soon as nobody holds it. Throws Error
  /// where there are more processes than points.
  Tensor next(std::int64_t n) { return draw(n, group_->rows_of(n)); }
  /// All of the next `n` points.
  Tensor next_whole(std::int64_t n) { return draw(n, {0, n}); }

  /// Goes on to the noise of the next step; nothing where there is none.
  void advance();

  /// Of all points of the last batch, whichever process has them, where they stand in a finite
  /// measure; empty for any other and where they have noise.
  std::span<const std::int64_t> indices() const { return indices_; }

  /// What the points follow in the end: the measure, smoothed at the last level.
  const Measure& measure() const { return noisy_ ? noisy_->last : *measure_; }
  /// What they follow at first, when the noise is largest.
  const Measure& first_measure() const { return noisy_ ? noisy_->first : *measure_; }
  /// The noise in the end, if there is any.
  std::optional<Noise> noise() const;

  /// Random stream and data position; restored, the stream goes on with the same points.
  State state() const;
  void restore(const State& state);

 private:
  struct Noisy {
    Smoothing smoothing;
    SmoothedMeasure first, last;
    Random random;
    std::int64_t step = 0;
  };

  Tensor draw(std::int64_t n, const Rows& own);
  void draw_indices(std::int64_t size, std::int64_t n);
  void begin_pass(std::int64_t size);

  std::shared_ptr<const ProcessGroup> group_ = std::make_shared<ProcessGroup>();
  std::shared_ptr<const Measure> measure_;
  Random random_;
  Random pass_start_;                // the stream before this pass was shuffled
  std::vector<std::int64_t> order_;  // this pass's permutation; empty: none has begun
  std::int64_t position_ = 0;
  std::vector<std::int64_t> indices_;
  Tensor batch_;
  std::optional<Noisy> noisy_;
};

/// The span of a target of lower dimension, in whose coordinates a problem is solved.
struct ProblemSpan {
  AffineSpan target;
  std::optional<AffineSpan> source;  ///< that through the source, where it holds the source

  /// nullopt where the target fills its space. Moments from the stream "span" of `seed` where they
  /// are not known.
  static std::optional<ProblemSpan> of(const Measure& source, const Measure& target,
                                       std::uint64_t seed);
};

/// The two independent streams that a solver learns from.
struct Problem {
  Sampler source;
  Sampler target;
  std::optional<ProblemSpan> span = {};    ///< the streams are in its coordinates
  std::optional<LatentSpace> latent = {};  ///< the streams are of codes
  /// Who learns from them together, never null.
  std::shared_ptr<ProcessGroup> group = std::make_shared<ProcessGroup>();

  State state() const;
  void restore(const State& state);
};

/// What a problem is beyond its measures.
struct ProblemOptions {
  std::optional<ProblemSpan> span = {};
  std::optional<LatentSpace> latent = {};
  std::optional<Smoothing> smoothing = {};
  std::shared_ptr<ProcessGroup> group = std::make_shared<ProcessGroup>();
};

/// The problem of transporting `source` to `target`: streams "source", "target" and "smoothing" of
/// `seed`. The measures are those of codes where there is a latent space. Throws Error where the
/// dimensions differ.
Problem make_problem(std::shared_ptr<const Measure> source, std::shared_ptr<const Measure> target,
                     std::uint64_t seed, const ProblemOptions& options = {});

}  // namespace monge
