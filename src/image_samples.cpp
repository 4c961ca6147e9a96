#include "image_samples.h"

#include "monge/latent_map.h"
#include "monge/networks/autoencoder.h"

#include "evaluation_points.h"
#include "image/png.h"
#include "image_evaluation.h"

#include <numbers>

namespace monge {
namespace {

/// Small images are shown larger.
Tensor shown(const Tensor& rows, std::int64_t columns, std::span<const std::int64_t> shape) {
  constexpr std::int64_t comfortable = 64;
  const std::int64_t scale = std::max<std::int64_t>(1, comfortable / std::max(shape[1], shape[2]));
  return image::grid_of(as_images(rows, shape), columns, scale);
}

/// T(x, cos t z + sin t z') for t from 0 to a right angle: every z on the way is standard normal.
/// One x a row.
Tensor along_noise(const StochasticMap& map, const Tensor& x, std::int64_t steps, Random& random) {
  const Tensor from = random.normal({x.size(0), map.noise_dimension()});
  const Tensor to = random.normal({x.size(0), map.noise_dimension()});
  std::vector<Tensor> way;
  for (std::int64_t k = 0; k < steps; ++k) {
    const double t =
        0.5 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(steps - 1);
    way.push_back(map.transport(x, std::cos(t) * from + std::sin(t) * to));
  }
  return at::stack(way, 1).flatten(0, 1);
}

}  // namespace

Tensor sample_images(const Measure& measure, std::int64_t count, std::uint64_t seed) {
  Random random(seed, "sample grids");
  return distinct_points(measure, count, random);
}

std::vector<std::int64_t> mapped_shape(const TransportMap& map,
                                       std::span<const std::int64_t> shape) {
  if (map.target_dimension() != map.dimension()) return map.target_shape();
  return {shape.begin(), shape.end()};
}

std::vector<SampleGrid> sample_grids(const TransportMap& map, const Tensor& x,
                                     std::span<const std::int64_t> source_shape) {
  const std::int64_t n = x.size(0);
  const std::vector<std::int64_t> shape = mapped_shape(map, source_shape);
  const auto parts = latent_parts(map);
  const bool codes = parts && !parts->space.source_is_data;
  const Tensor seen = codes ? parts->space.autoencoder->decode(x) : x;
  const std::string what = codes ? "held-out x, decoded as they are" : "held-out x";
  const auto* stochastic = dynamic_cast<const StochasticMap*>(&map);
  if (!stochastic)
    return {{"samples", what + ", below each T(x)",
             shown(at::cat({seen, map.transport(x)}), n, shape)}};
  constexpr std::int64_t draws = 4, ways = 4, steps = 8;
  Random random(0, "noise of sample grids");  // the same at every step of a run
  std::vector<Tensor> rows{seen};
  for (std::int64_t k = 0; k < draws; ++k) rows.push_back(stochastic->sample(x, random));
  const Tensor some = x.narrow(0, 0, std::min(ways, n));
  return {{"samples", fmt::format("{}, below each T(x, z) for {} draws of z", what, draws),
           shown(at::cat(rows), n, shape)},
          {"noise", "T(x, z) along a way from one z to another, an x a row",
           shown(along_noise(*stochastic, some, steps, random), steps, shape)}};
}

SampleGrid target_grid(const Tensor& y, std::span<const std::int64_t> shape) {
  return {"target", "held-out images of the target", shown(y, y.size(0), shape)};
}

}  // namespace monge
