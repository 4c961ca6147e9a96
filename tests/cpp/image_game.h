#pragma once

#include "monge/affine.h"
#include "monge/cost.h"
#include "monge/measures/array.h"
#include "monge/metric.h"
#include "monge/networks/unet.h"
#include "monge/solvers/image_saddle_point.h"

#include "solvers/image_saddle_point_step.h"

#include <gtest/gtest.h>

// Small games between networks of images, for the tests of their steps and of their solver.

namespace monge::image_game {

constexpr std::int64_t size = 16;

/// Which objective, in how many pieces.
struct Case {
  std::string name;
  std::int64_t noise_channels, samples;
  double gamma;
  bool residual;
  std::int64_t micro_batch, points_together;
};

inline const std::vector<Case> cases{
    {"strong", 0, 1, 0, false, 0, 6},
    {"strong, residual, in pieces", 0, 1, 0, true, 4, 4},
    {"strong with noise", 1, 2, 0, false, 0, 6},
    {"weak", 1, 3, 0.6, false, 0, 6},
    {"weak, residual, in pieces", 2, 4, 1, true, 10, 2},
    {"weak, one point at a time", 1, 3, 1, false, 2, 1},
};

struct Networks {
  ResNetCritic potential;
  UNet map;
};

inline Networks networks_of(const Case& one, at::ScalarType dtype = at::kDouble) {
  Random random(41, "network");
  return {ResNetCritic({.channels = 2, .size = size, .width = 3, .max_width = 5}, random, dtype),
          UNet({.channels = 2, .noise_channels = one.noise_channels, .size = size, .width = 2},
               random, dtype)};
}

struct Points {
  Tensor x, y, z;
};

inline Points points_of(const Case& one, std::int64_t n, std::int64_t m) {
  Random random(42, "points");
  const auto normal = [&](std::int64_t rows, std::int64_t channels) {
    return random.normal({rows, channels * size * size}).to(at::kDouble);
  };
  return {normal(n, 2), normal(m, 2),
          one.noise_channels > 0 ? normal(n * one.samples, one.noise_channels) : Tensor()};
}

/// The objectives as their formulas read, of networks normalised as the case says.
struct Plain {
  Tensor for_map, for_potential;
  SaddlePointTerms terms;
};

constexpr double noise_scale = 0.5, cost_scale = 0.03;

inline Plain plain_objectives(const Case& one, const Networks& networks, const Points& at) {
  const std::int64_t n = at.x.size(0);
  std::vector<Tensor> pieces;
  for (std::int64_t from = 0; from < n; from += one.points_together) {
    const std::int64_t count = std::min(one.points_together, n - from);
    const Tensor start = at.x.narrow(0, from, count).repeat_interleave(one.samples, 0);
    Tensor input = start;
    if (at.z.defined())
      input = at::cat(
          {start, noise_scale * at.z.narrow(0, from * one.samples, count * one.samples)}, 1);
    const Tensor moved = networks.map.forward(input, Graph::create);
    pieces.push_back(one.residual ? moved + start : moved);
  }
  const Tensor mapped = at::cat(pieces);
  const Tensor cost = WeakCost(one.gamma).estimate(at.x, mapped.view({n, one.samples, -1})).mean();
  const Tensor at_mapped = networks.potential.value(mapped, Graph::create).mean();
  const Tensor at_target = networks.potential.value(at.y, Graph::create).mean();
  return {cost_scale * cost - at_mapped,
          at_mapped - at_target,
          {cost.item<double>(), at_mapped.item<double>() / cost_scale,
           at_target.item<double>() / cost_scale}};
}

inline ImageSaddlePointStep step_of(const Case& one, const Networks& networks,
                                    const Computation& computation = {}) {
  return ImageSaddlePointStep({.noise_samples = one.samples,
                               .noise_scale = noise_scale,
                               .gamma = one.gamma,
                               .cost_scale = cost_scale,
                               .residual = one.residual,
                               .micro_batch = one.micro_batch,
                               .computation = computation},
                              image_potential(networks.potential), networks.map);
}

/// Images that four corners span, and the same with more contrast: a monotone function of each
/// pixel is the gradient of a convex function and so the optimal map to what it gives.
struct Contrast {
  static constexpr std::int64_t count = 1000;
  std::vector<std::int64_t> shape{1, size, size};
  Tensor x = images(1), y = raised(images(2)), unseen = images(3), truth = raised(unseen);

  static Tensor images(std::uint64_t seed) {
    Random random(seed, "corners");
    const Tensor corners = random.uniform({count, 1, 2, 2}) * 2 - 1;
    return at::upsample_bilinear2d(corners, {size, size}, true).flatten(1);
  }
  static Tensor raised(const Tensor& images) { return (6 * images).tanh(); }
  Problem problem() const {
    return make_problem(std::make_shared<ArrayMeasure>(x, shape),
                        std::make_shared<ArrayMeasure>(y, shape), 3);
  }
  double error(const Tensor& mapped) const {
    return l2_uvp(mapped, truth, truth.var(0).sum().item<double>());
  }
  double error(const TransportMap& map) const { return error(map.transport(unseen)); }
  double affine_error() const {
    const AffineMap map = bures_wasserstein_map(empirical_moments(x), empirical_moments(y));
    return error(AffineTransportMap(map));
  }
};

inline const ResNetCriticOptions small_critic{
    .channels = 1, .size = size, .width = 16, .max_width = 32};

inline const NoisedResNetCriticOptions small_noised_critic{small_critic, {.sigma_max = 10}};

inline SaddlePointOptions small_options() {
  return {.residual = true,
          .inner_steps = 2,
          .batch = 16,
          .learning_rate = 1.5e-3,
          .average = 0.95,
          .map_width = 6};
}

/// The same by Song's network, with the weight of the cost that noise of all sizes wants.
inline SaddlePointOptions by_song(SaddlePointOptions options) {
  options.map_network = "song_unet";
  options.map_width = 8;
  options.map_multipliers = {1, 2};
  options.map_blocks = 1;
  options.cost_scale = 8 / static_cast<double>(size * size);
  return options;
}

inline void run(Solver& solver, Problem& problem, std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step) {
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    ASSERT_TRUE(solver.step(problem, 1 - share).finite);
  }
}

template <class Network = ResNetCriticOptions>
std::unique_ptr<Solver> started(const SaddlePointOptions& options, double gamma,
                                const Problem& problem, const Network& network = small_critic) {
  Random random(1, "network");
  auto solver = std::make_unique<ImageSaddlePoint>(network, options, gamma, random);
  solver->start(problem, random);
  return solver;
}

}  // namespace monge::image_game
