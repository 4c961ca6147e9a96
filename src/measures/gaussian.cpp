#include "monge/measures/gaussian.h"

#include "monge/error.h"

#include "kernels/triangular.h"
#include "measures/numbers.h"

namespace monge {
namespace {

constexpr double kRounding = 1e-6;  // of the largest entry: float32 input
constexpr double flat = 1e-14;      // of the largest variance: a pivot of rounding alone

/// An upper triangular factor of `covariance` = factorᵀ factor, which may be singular; of a
/// diagonal one the diagonal [d].
Tensor factor_of(const Tensor& covariance) {
  const double tolerance = kRounding * covariance.abs().max().item<double>();
  if ((covariance - covariance.t()).abs().max().item<double>() > tolerance)
    fail("gaussian", "a symmetric covariance", "one that is not");
  const auto [values, vectors] = at::linalg_eigh(0.5 * (covariance + covariance.t()));
  if (values[0].item<double>() < -tolerance)
    fail("gaussian", "a covariance without negative eigenvalues",
         fmt::format("an eigenvalue {:g}", values[0].item<double>()));
  if (at::equal(covariance, at::diag(covariance.diagonal())))
    return covariance.diagonal().clamp_min(0).sqrt();
  const Tensor root = values.clamp_min(0).sqrt().unsqueeze(1) * vectors.t();
  return std::get<1>(at::linalg_qr(root, "r")).contiguous();
}

Moments checked_moments(const Moments& moments) {
  const std::int64_t d = moments.mean.numel();
  if (moments.mean.dim() != 1 || d < 1 || moments.covariance.sizes() != at::IntArrayRef{d, d})
    fail("gaussian", "a mean [d] and a covariance [d, d]",
         fmt::format("{} and {}", shape_text(moments.mean), shape_text(moments.covariance)));
  Moments kept{moments.mean.to(at::kDouble), moments.covariance.to(at::kDouble)};
  if (!at::isfinite(kept.mean).all().item<bool>() ||
      !at::isfinite(kept.covariance).all().item<bool>())
    fail("gaussian", "a finite mean and covariance", "values that are not finite");
  return kept;
}

std::int64_t dimension_of(const GaussianOptions& options, std::string_view where) {
  const auto entries = static_cast<std::int64_t>(options.covariance.size());
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(entries)));
  if (side * side != entries)
    fail(fmt::format("{}.covariance", where), "d x d numbers", fmt::format("{}", entries));
  const auto length = static_cast<std::int64_t>(options.mean.size());
  const std::int64_t d = std::max({options.dimension, length, side});
  const auto fits = [&](std::int64_t size) { return size == 0 || size == d; };
  if (!fits(options.dimension) || !fits(length) || !fits(side))
    fail(where, "dimension, mean and covariance that agree",
         fmt::format("dimensions {}, {} and {} (0: not given)", options.dimension, length, side));
  return d == 0 ? 2 : d;
}

}  // namespace

GaussianMeasure::GaussianMeasure(const Moments& moments)
    : moments_(checked_moments(moments)),
      mean_(moments_.mean.to(at::kFloat).contiguous()),
      factor_(factor_of(moments_.covariance).to(at::kFloat)) {}

void GaussianMeasure::sample_into(std::span<float> points, Random& random) const {
  random.fill_normal(points);
  const std::int64_t d = dimension(), n = std::ssize(points) / d;
  const float *mean = mean_.const_data_ptr<float>(), *factor = factor_.const_data_ptr<float>();
  if (factor_.dim() == 2) return kernels::times_triangular(n, d, points.data(), factor, mean);
  for (float* point = points.data(); point < points.data() + points.size(); point += d)
    for (std::int64_t j = 0; j < d; ++j) point[j] = mean[j] + factor[j] * point[j];
}

std::optional<Tensor> GaussianMeasure::log_density(const Tensor& x) const {
  require_dimension(x, dimension(), "gaussian");
  const auto [factor, failed] = at::linalg_cholesky_ex(moments_.covariance);
  const Tensor pivots = factor.diagonal().square();
  const double least = flat * moments_.covariance.diagonal().max().item<double>();
  if (failed.item<std::int32_t>() != 0 || !(pivots > least).all().item<bool>()) return std::nullopt;
  const Tensor centred = x.to(at::kDouble) - moments_.mean;
  const Tensor white = at::linalg_solve_triangular(factor.t(), centred, true, false);
  return -0.5 * white.square().sum(1) - factor.diagonal().log().sum() -
         0.5 * static_cast<double>(dimension()) * log_two_pi;
}

const Declaration<GaussianOptions>& gaussian_declaration() {
  using O = GaussianOptions;
  static const auto declaration =
      Declaration<O>("measure", "gaussian", "A Gaussian.", "")
          .option("dimension", &O::dimension,
                  "d; 0: that of the mean or the covariance, 2 where neither is given.",
                  between(0, 65536))
          .option("mean", &O::mean, "d numbers; empty: 0.")
          .option("covariance", &O::covariance,
                  "d x d numbers, row after row; empty: std^2 times the identity.")
          .option("std", &O::std, "The standard deviation where no covariance is given.",
                  at_least(0));
  return declaration;
}

std::shared_ptr<const Measure> make_gaussian(const GaussianOptions& options,
                                             std::string_view where) {
  const std::int64_t d = dimension_of(options, where);
  const Tensor mean =
      options.mean.empty() ? at::zeros({d}, at::kDouble) : at::tensor(options.mean, at::kDouble);
  const Tensor covariance = options.covariance.empty()
                                ? at::eye(d, at::kDouble) * (options.std * options.std)
                                : at::tensor(options.covariance, at::kDouble).view({d, d});
  return std::make_shared<GaussianMeasure>(Moments{mean, covariance});
}

Tensor random_covariance(std::int64_t dimension, double low, double high, Random& random) {
  if (dimension < 1 || !(low > 0) || !(high >= low) || !std::isfinite(high))
    fail("random covariance", "dimension >= 1 and 0 < low <= high",
         fmt::format("{}, {} and {}", dimension, low, high));
  const Tensor roots =
      dimension == 1 ? at::full({1}, std::sqrt(low * high), at::kDouble)
                     : at::linspace(std::log(low), std::log(high), dimension, at::kDouble).exp();
  // Q of a Gaussian matrix is uniform on the rotations up to the signs of its columns, which cancel
  // in Q Λ² Qᵀ.
  const auto [q, r] = at::linalg_qr(random.normal({dimension, dimension}).to(at::kDouble));
  return at::matmul(q * roots.square(), q.t());
}

const Declaration<RandomGaussianOptions>& random_gaussian_declaration() {
  using O = RandomGaussianOptions;
  static const auto declaration =
      Declaration<O>(
          "measure", "random_gaussian",
          "A centred Gaussian whose covariance has the square root S^T L S, S a uniformly "
          "random rotation and L geometric from low to high.",
          "Korotin et al. 2021 (W2GN), appendix C.4")
          .option("dimension", &O::dimension, "d.", between(1, 65536))
          .option("seed", &O::seed, "Chooses the rotation; source and target want different ones.")
          .option("low", &O::low, "The smallest standard deviation.", above(0))
          .option("high", &O::high, "The largest standard deviation.", above(0));
  return declaration;
}

std::shared_ptr<const Measure> make_random_gaussian(const RandomGaussianOptions& options,
                                                    std::string_view where) {
  if (options.high < options.low)
    fail(fmt::format("{}.high", where), fmt::format("at least low = {}", options.low),
         fmt::format("{}", options.high));
  Random random(static_cast<std::uint64_t>(options.seed), "random covariance");
  return std::make_shared<GaussianMeasure>(
      Moments{at::zeros({options.dimension}, at::kDouble),
              random_covariance(options.dimension, options.low, options.high, random)});
}

}  // namespace monge
