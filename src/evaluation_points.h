#pragma once

#include "monge/experiment.h"
#include "monge/measure.h"
#include "monge/trainer.h"

#include <cstdint>

namespace monge {

/// Fixed points that a solution is judged on: two independent sets of each measure, [n, d].
struct EvaluationPoints {
  Tensor x, x_other, y, y_other;
  double source_scale, target_scale;  ///< E|x - x'| and E|y - y'|
  std::vector<std::int64_t> shape;    ///< of a point of either
};

/// `count` points of a measure, [count, d]; of a finite one no point twice, and fewer where it has
/// fewer.
Tensor distinct_points(const Measure& measure, std::int64_t count, Random& random);

/// `points`, or where they are large, as images, those that make about so many numbers, 64 at
/// least.
std::int64_t affordable(const Measure& measure, std::int64_t points, std::int64_t numbers);

/// `points` a set, or half of the measure's points where it has fewer than twice as many; drawn
/// from the stream "evaluation".
EvaluationPoints draw_evaluation_points(const Measure& source, const Measure& target,
                                        std::int64_t points, std::uint64_t seed);

/// The energy distances of T#P to Q and of the inverse's image of Q to P, each over the mean
/// distance of two points of its target (0 is perfect, 1 is useless), and their sum as the value.
/// For the gradient of a convex potential this is a measure of optimality: by Brenier's theorem
/// such a map is optimal between P and T#P. Of images the same in the offline features is added.
Quality watched_quality(const Solution& solution, const EvaluationPoints& points);

}  // namespace monge
