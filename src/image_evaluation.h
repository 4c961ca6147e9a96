#pragma once

#include "monge/experiment.h"

#include <cstdint>
#include <span>
#include <vector>

namespace monge {

/// Whether points of that shape are images that feature networks see: grey or in colour.
bool is_image(std::span<const std::int64_t> shape);

/// Whether a map between the measures makes images, of images or of points of another space.
bool makes_images(const Measure& source, const Measure& target);

/// Rows [n, d] as images [n, c, h, w].
Tensor as_images(const Tensor& rows, std::span<const std::int64_t> shape);

/// How far rows x are from rows y in the offline features.
struct FeatureDistances {
  double energy;   ///< over the mean distance of two y
  double frechet;  ///< of so few images only beside others of as many
};
FeatureDistances feature_distances(const Tensor& x, const Tensor& y,
                                   std::span<const std::int64_t> shape);

/// evaluate_solution() of images: nothing is of the size of a pixels' covariance, and images pass
/// in batches.
std::vector<EvaluatedFigure> evaluate_images(const Solution& solution, const Measure& source,
                                             const Measure& target, std::int64_t points,
                                             std::uint64_t seed, const ImageMetrics& metrics);

}  // namespace monge
