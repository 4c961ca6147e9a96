#include "monge/noise_levels.h"

#include "monge/error.h"

namespace monge {
namespace {

/// How much the ratio r counts, before its mean over the levels is made 1.
double weight_of(const std::string& kind, double r) {
  if (kind == "signal") return 1 / (1 + r * r);
  return kind == "edm" ? (1 + r * r) / (r * r) : 1;
}

/// Its antiderivative in ln r.
double integral_of(const std::string& kind, double r) {
  if (kind == "signal") return -0.5 * std::log1p(1 / (r * r));
  return kind == "edm" ? std::log(r) - 0.5 / (r * r) : std::log(r);
}

double mean_weight(const std::string& kind, double least, double most) {
  if (least == most) return weight_of(kind, least);
  return (integral_of(kind, most) - integral_of(kind, least)) / std::log(most / least);
}

void require_points(const Tensor& y, const Tensor& sigma, std::int64_t dimension) {
  if (y.dim() != 2 || y.size(1) != dimension)
    fail("noise levels", fmt::format("points [n, {}]", dimension), shape_text(y));
  if (sigma.sizes() != at::IntArrayRef{y.size(0)})
    fail("noise levels", fmt::format("noise levels [{}]", y.size(0)), shape_text(sigma));
}

}  // namespace

NoiseLevels::NoiseLevels(std::int64_t dimension, const NoiseLevelOptions& options)
    : dimension_(dimension),
      options_(options),
      mean_(at::zeros({dimension})),
      deviation_(at::ones({1}, at::kDouble)) {
  if (options_.embedding % 2 != 0)
    fail("network.embedding", "an even count", std::to_string(options_.embedding));
  if (options_.sigma_min > options_.sigma_max)
    fail("network.sigma_min", fmt::format("at most sigma_max = {:g}", options_.sigma_max),
         fmt::format("{:g}", options_.sigma_min));
  const std::int64_t half = options_.embedding / 2;
  for (std::int64_t k = 0; k < half; ++k)
    frequencies_.push_back(static_cast<float>(
        0.25 * std::pow(10000, -static_cast<double>(k) / static_cast<double>(half - 1))));
}

void NoiseLevels::measure(const Measure& points, Random& random) const {
  constexpr std::int64_t most = 4096, least = 256, numbers = 1 << 24;
  const at::NoGradGuard no_graph;
  const std::int64_t sample = std::clamp(numbers / dimension_, least, most);
  const auto [variance, mean] = at::var_mean(points.sample(sample, random).to(at::kDouble), 0);
  mean_.copy_(mean);
  deviation_.fill_(variance.mean().sqrt());
  if (!(deviation() > 0)) fail("target", "points that differ", "points that are all the same");
}

Tensor NoiseLevels::draw(std::int64_t n, Random& random) const {
  const Tensor noise = at::empty({n, dimension_ + 1});
  noise.narrow(1, 0, dimension_).copy_(random.normal({n, dimension_}));
  const Tensor share =
      (at::arange(n, at::kFloat) + random.uniform({n})).div_(static_cast<double>(n));
  noise.select(1, dimension_)
      .copy_(share.mul_(std::log(options_.sigma_max / options_.sigma_min))
                 .add_(std::log(options_.sigma_min))
                 .exp_());
  return noise;
}

NoiseLevels::Level NoiseLevels::at(float sigma) const {
  const double s = deviation(), noise = unit() * static_cast<double>(sigma), r = noise / s;
  const double per_sigma = unit() / s;
  const double mean =
      mean_weight(options_.weight, per_sigma * options_.sigma_min, per_sigma * options_.sigma_max);
  const double weight = s * s * weight_of(options_.weight, r) / mean;
  return {.noise = static_cast<float>(noise),
          .scale = static_cast<float>(1 / (s * std::sqrt(1 + r * r))),
          .weight = static_cast<float>(weight)};
}

void NoiseLevels::embed(float sigma, float* out) const {
  const float logarithm = std::log(sigma);
  const std::size_t half = frequencies_.size();
  for (std::size_t k = 0; k < half; ++k) {
    out[k] = std::cos(frequencies_[k] * logarithm);
    out[half + k] = std::sin(frequencies_[k] * logarithm);
  }
}

Tensor NoiseLevels::points(const Tensor& y, const Tensor& sigma) const {
  require_points(y, sigma, dimension_);
  const double s = deviation();
  const Tensor level = sigma.to(y.scalar_type());
  const Tensor scale = (1 + (level * (unit() / s)).square()).rsqrt().div(s).unsqueeze(1);
  return (y - mean_.to(y.options())) * scale;
}

Tensor NoiseLevels::embed(const Tensor& sigma) const {
  const Tensor angles =
      at::outer(sigma.log(), at::tensor(frequencies_, at::kFloat).to(sigma.options()));
  return at::cat({angles.cos(), angles.sin()}, 1);
}

}  // namespace monge
