#include "evaluation_points.h"

#include "monge/metric.h"

#include "image_evaluation.h"

namespace monge {
namespace {

std::int64_t set_size(const Measure& measure, std::int64_t points) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  return finite ? std::clamp<std::int64_t>(finite->size() / 2, 2, points) : points;
}

/// The mean distance of two samples, 1 where it is 0. In float64: squares of large coordinates
/// overflow float32.
double mean_distance(const Tensor& a, const Tensor& b) {
  const double mean = at::cdist(a.to(at::kDouble), b.to(at::kDouble)).mean().item<double>();
  return mean > 0 ? mean : 1;
}

}  // namespace

Tensor distinct_points(const Measure& measure, std::int64_t count, Random& random) {
  if (const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure))
    return finite->points(
        random.permutation(finite->size()).narrow(0, 0, std::min(count, finite->size())));
  return measure.sample(count, random);
}

std::int64_t affordable(const Measure& measure, std::int64_t points, std::int64_t numbers) {
  constexpr std::int64_t least = 64;
  return std::min(points, std::max(numbers / measure.dimension(), least));
}

EvaluationPoints draw_evaluation_points(const Measure& source, const Measure& target,
                                        std::int64_t points, std::uint64_t seed) {
  const std::int64_t n = std::min(set_size(source, points), set_size(target, points));
  Random random(seed, "evaluation");
  const Tensor x = distinct_points(source, 2 * n, random);
  const Tensor y = distinct_points(target, 2 * n, random);
  const auto second = [n](const Tensor& both) { return both.narrow(0, both.size(0) - n, n); };
  EvaluationPoints drawn{x.narrow(0, 0, n), second(x), y.narrow(0, 0, n), second(y), 0, 0,
                         target.shape()};
  drawn.source_scale = mean_distance(drawn.x, drawn.x_other);
  drawn.target_scale = mean_distance(drawn.y, drawn.y_other);
  return drawn;
}

Quality watched_quality(const Solution& solution, const EvaluationPoints& points) {
  Quality quality;
  const double n = static_cast<double>(points.x.size(0));
  const Tensor mapped = solution.map->transport(points.x);
  const double forward = energy_distance(mapped, points.y) / points.target_scale;
  quality.figures = {{"energy distance", forward}};
  quality.value = forward;
  quality.noise = 2 / n;  // under P = Q the relative energy distance varies by about 2 / n
  if (is_image(points.shape)) {
    const FeatureDistances seen = feature_distances(mapped, points.y, points.shape);
    quality.figures.emplace_back("energy distance in features", seen.energy);
    quality.figures.emplace_back("offline_frechet", seen.frechet);
    if (mapped.sizes() == points.x.sizes())  // not of codes that became images
      quality.figures.emplace_back(
          "l2", (mapped - points.x).norm(2, at::IntArrayRef{1}).mean().item<double>());
    quality.value += seen.energy;
    quality.noise += 2 / n;
  }
  if (solution.inverse) {
    const double inverse =
        energy_distance(solution.inverse->transport(points.y), points.x) / points.source_scale;
    quality.figures.emplace_back("inverse energy distance", inverse);
    quality.value += inverse;
    quality.noise += 2 / n;
  }
  return quality;
}

}  // namespace monge
