#include "monge/measures/gaussian_mixture.h"

#include "monge/error.h"

#include "kernels/triangular.h"
#include "measures/categorical.h"
#include "measures/numbers.h"

#include <numbers>

namespace monge {
namespace {

void check_parts(const Tensor& centers, const Tensor& spreads) {
  if (centers.dim() != 2 || centers.size(0) < 1 || centers.size(1) < 1)
    fail("gaussian mixture", "centers [k, d] with k, d >= 1", shape_text(centers));
  const std::int64_t k = centers.size(0), d = centers.size(1);
  if (spreads.sizes() != at::IntArrayRef{k} && spreads.sizes() != at::IntArrayRef{k, d, d})
    fail("gaussian mixture", fmt::format("spreads [{0}] or [{0}, {1}, {1}]", k, d),
         shape_text(spreads));
  if (!at::isfinite(centers).all().item<bool>() || !at::isfinite(spreads).all().item<bool>())
    fail("gaussian mixture", "finite centers and spreads", "values that are not finite");
}

/// Mean and covariance by the law of total variance.
Moments mixture_moments(const Tensor& centers, const Tensor& spreads, const Tensor& mass) {
  const Tensor mean = mass.matmul(centers), centred = centers - mean;
  const Tensor between = at::matmul((centred * mass.unsqueeze(1)).t(), centred);
  if (spreads.dim() == 1)
    return {mean, between + spreads.square().dot(mass) * at::eye(centers.size(1), at::kDouble)};
  const Tensor within = at::bmm(spreads.transpose(1, 2), spreads) * mass.view({-1, 1, 1});
  return {mean, between + within.sum(0)};
}

std::shared_ptr<const Measure> round_mixture(const Tensor& centers, double std) {
  const std::int64_t k = centers.size(0);
  return std::make_shared<GaussianMixture>(centers, at::full({k}, std, at::kDouble),
                                           at::ones({k}, at::kDouble));
}

}  // namespace

GaussianMixture::GaussianMixture(const Tensor& centers, const Tensor& spreads,
                                 const Tensor& weights) {
  check_parts(centers, spreads);
  shares_ = std::make_shared<Categorical>(weights, centers.size(0), "gaussian mixture");
  const Tensor exact = spreads.to(at::kDouble);
  moments_ = mixture_moments(centers.to(at::kDouble), exact, shares_->probabilities());
  centers_ = centers.to(at::kFloat).contiguous();
  const Tensor kept = exact.dim() == 1 ? exact : std::get<1>(at::linalg_qr(exact, "r"));
  spreads_ = kept.to(at::kFloat).contiguous();
}

Tensor GaussianMixture::weights() const { return shares_->probabilities(); }

void GaussianMixture::sample_into(std::span<float> points, Random& random) const {
  const std::int64_t d = dimension();
  const bool round = spreads_.dim() == 1;
  const float *centers = centers_.const_data_ptr<float>(),
              *spreads = spreads_.const_data_ptr<float>();
  random.fill_normal(points);
  in_pieces(points, d, [&](std::span<float> piece) {
    std::array<std::int64_t, piece_points> memory;
    const auto components = std::span(memory).first(piece.size() / d);
    shares_->draw(components, random);
    float* point = piece.data();
    for (const std::int64_t one : components) {
      const float* center = centers + one * d;
      if (round)
        for (std::int64_t j = 0; j < d; ++j) point[j] = center[j] + spreads[one] * point[j];
      else
        kernels::times_triangular(1, d, point, spreads + one * d * d, center);
      point += d;
    }
  });
}

/// log Σ_k w_k N(x; c_k, factorᵀ factor), by log-sum-exp; in blocks, since it takes k numbers a
/// point.
std::optional<Tensor> GaussianMixture::log_density(const Tensor& x) const {
  constexpr std::int64_t block = 4096;
  const std::int64_t n = x.size(0), d = dimension();
  require_dimension(x, d, "gaussian mixture");
  const bool round = spreads_.dim() == 1;
  const Tensor spreads = spreads_.to(at::kDouble), centers = centers_.to(at::kDouble);
  const Tensor sides =
      round ? spreads.unsqueeze(1).expand({-1, d}) : spreads.diagonal(0, 1, 2).abs();  // [k, d]
  if (!(sides > 0).all().item<bool>()) return std::nullopt;
  const Tensor heights = shares_->probabilities().log() - sides.log().sum(1) -
                         0.5 * static_cast<double>(d) * log_two_pi;
  Tensor density = at::empty({n}, at::kDouble);
  for (std::int64_t from = 0; from < n; from += block) {
    const std::int64_t count = std::min(block, n - from);
    const Tensor points = x.narrow(0, from, count).to(at::kDouble);
    std::vector<Tensor> squares;
    for (std::int64_t one = 0; one < centers.size(0); ++one) {
      const Tensor centred = points - centers[one];
      const Tensor white = round ? centred / spreads[one]
                                 : at::linalg_solve_triangular(spreads[one], centred, true, false);
      squares.push_back(white.square().sum(1));
    }
    density.narrow(0, from, count).copy_(at::logsumexp(heights - 0.5 * at::stack(squares, 1), {1}));
  }
  return density;
}

const Declaration<GaussianMixtureOptions>& gaussian_mixture_declaration() {
  using O = GaussianMixtureOptions;
  static const auto declaration =
      Declaration<O>("measure", "gaussian_mixture", "A mixture of k round Gaussians.", "")
          .option("dimension", &O::dimension, "d.", between(1, 65536))
          .option("centers", &O::centers, "k x d numbers, centre after centre.")
          .option("std", &O::std, "The standard deviation, one number for all or k numbers.",
                  at_least(0))
          .option("weights", &O::weights, "k numbers, any positive sum; empty: equal.",
                  at_least(0));
  return declaration;
}

std::shared_ptr<const Measure> make_gaussian_mixture(const GaussianMixtureOptions& options,
                                                     std::string_view where) {
  const std::int64_t d = options.dimension;
  const auto numbers = static_cast<std::int64_t>(options.centers.size());
  if (numbers == 0 || numbers % d != 0)
    fail(fmt::format("{}.centers", where), fmt::format("k x {} numbers, k >= 1", d),
         fmt::format("{}", numbers));
  const std::int64_t k = numbers / d;
  const auto one_or_each = [&](const char* key, const std::vector<double>& values) {
    const auto size = static_cast<std::int64_t>(values.size());
    if (size != 1 && size != k)
      fail(fmt::format("{}.{}", where, key), fmt::format("1 or {} numbers", k),
           fmt::format("{}", size));
    return at::tensor(values, at::kDouble).expand({k}).contiguous();
  };
  return std::make_shared<GaussianMixture>(
      at::tensor(options.centers, at::kDouble).view({k, d}), one_or_each("std", options.std),
      options.weights.empty() ? at::ones({k}, at::kDouble)
                              : one_or_each("weights", options.weights));
}

const Declaration<GaussianRingOptions>& gaussian_ring_declaration() {
  using O = GaussianRingOptions;
  static const auto declaration =
      Declaration<O>("measure", "gaussian_ring",
                     "Equal round Gaussians spread evenly over a circle in the plane.",
                     "Gulrajani et al. 2017, figure 1")
          .option("count", &O::count, "How many.", between(1, 1000000))
          .option("radius", &O::radius, "The radius of the circle.", at_least(0))
          .option("std", &O::std, "The standard deviation of each.", at_least(0));
  return declaration;
}

std::shared_ptr<const Measure> make_gaussian_ring(const GaussianRingOptions& options) {
  const Tensor angle = at::arange(options.count, at::kDouble) *
                       (2 * std::numbers::pi / static_cast<double>(options.count));
  return round_mixture(at::stack({angle.cos(), angle.sin()}, 1) * options.radius, options.std);
}

const Declaration<GaussianGridOptions>& gaussian_grid_declaration() {
  using O = GaussianGridOptions;
  static const auto declaration =
      Declaration<O>("measure", "gaussian_grid",
                     "Equal round Gaussians on a square grid around 0 in the plane.",
                     "Gulrajani et al. 2017, figure 1; Korotin et al. 2021 (W2GN), appendix C.3")
          .option("count", &O::count, "How many: 25, 49, 100 or another square.",
                  between(1, 1000000))
          .option("spacing", &O::spacing, "The distance between neighbours.", at_least(0))
          .option("std", &O::std, "The standard deviation of each.", at_least(0));
  return declaration;
}

std::shared_ptr<const Measure> make_gaussian_grid(const GaussianGridOptions& options,
                                                  std::string_view where) {
  const auto side =
      static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(options.count))));
  if (side * side != options.count)
    fail(fmt::format("{}.count", where), "a square number",
         fmt::format("{} (the nearest is {})", options.count, side * side));
  const Tensor line =
      (at::arange(side, at::kDouble) - 0.5 * static_cast<double>(side - 1)) * options.spacing;
  const std::vector<Tensor> axes = at::meshgrid({line, line}, "ij");
  return round_mixture(at::stack({axes[0].flatten(), axes[1].flatten()}, 1), options.std);
}

}  // namespace monge
