#include "monge/networks/noised_mlp.h"

#include "monge/error.h"

namespace monge {
namespace {

MlpOptions perceptron(const NoisedMlpOptions& options) {
  return {.hidden = options.hidden, .activation = options.activation, .alpha = options.alpha};
}

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
    fail("noised_mlp", fmt::format("points [n, {}]", dimension), shape_text(y));
  if (sigma.sizes() != at::IntArrayRef{y.size(0)})
    fail("noised_mlp", fmt::format("noise levels [{}]", y.size(0)), shape_text(sigma));
}

}  // namespace

const Declaration<NoisedMlpOptions>& noised_mlp_declaration() {
  using O = NoisedMlpOptions;
  static const auto declaration =
      Declaration<O>("network", "noised_mlp",
                     "Multilayer perceptron of a point with noise and of the noise level, for the "
                     "potential of saddle_point: noised strong NOT.",
                     "Sudakov (a reproduction of NOT), algorithm 5; Karras et al. "
                     "2022 (EDM), table 1")
          .option("hidden", &O::hidden, "Widths of the hidden layers; empty: chosen by dimension.",
                  between(1, 65536))
          .option("activation", &O::activation, "What stands between the layers.",
                  one_of({"relu", "leaky_relu", "celu", "elu", "silu"}))
          .option("alpha", &O::alpha,
                  "The slope of leaky_relu below 0, the alpha of celu and elu; 0: the usual one "
                  "(0.2, 1, 1).",
                  at_least(0))
          .option("channels", &O::channels,
                  "Numbers, an even count, that the embedding of the level adds to a point.",
                  between(4, 1024))
          .option("sigma_min", &O::sigma_min, "The lowest noise level.", above(0))
          .option("sigma_max", &O::sigma_max, "The highest one; levels are log-uniform.", above(0))
          .option("unit", &O::unit,
                  "What levels are measured in: units of the data, or the standard deviation of "
                  "a coordinate of the target.",
                  one_of({"data", "target"}))
          .option("weight", &O::weight,
                  "How much a level counts, r being its ratio to that deviation: all the same; "
                  "1 / (1 + r²), the share of a noisy point that is signal; (1 + r²) / r²; each "
                  "over its mean.",
                  one_of({"flat", "signal", "edm"}));
  return declaration;
}

NoisedMlpOptions NoisedMlpOptions::sized_for(std::int64_t dimension) const {
  const MlpOptions perceptron_options = monge::sized_for(perceptron(*this), dimension);
  NoisedMlpOptions sized = *this;
  sized.hidden = perceptron_options.hidden;
  sized.alpha = perceptron_options.alpha;
  return sized;
}

NoiseLevels::NoiseLevels(std::int64_t dimension, const NoisedMlpOptions& options)
    : dimension_(dimension),
      options_(options),
      mean_(at::zeros({dimension})),
      deviation_(at::ones({1}, at::kDouble)) {
  if (options_.channels % 2 != 0)
    fail("network.channels", "an even count", std::to_string(options_.channels));
  if (options_.sigma_min > options_.sigma_max)
    fail("network.sigma_min", fmt::format("at most sigma_max = {:g}", options_.sigma_max),
         fmt::format("{:g}", options_.sigma_min));
  const std::int64_t half = options_.channels / 2;
  for (std::int64_t k = 0; k < half; ++k)
    frequencies_.push_back(static_cast<float>(
        0.25 * std::pow(10000, -static_cast<double>(k) / static_cast<double>(half - 1))));
}

void NoiseLevels::measure(const Measure& points, Random& random) const {
  constexpr std::int64_t sample = 4096;
  const at::NoGradGuard no_graph;
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

Tensor NoiseLevels::inputs(const Tensor& y, const Tensor& sigma) const {
  require_points(y, sigma, dimension_);
  const double s = deviation();
  const Tensor level = sigma.to(y.scalar_type());
  const Tensor scale = (1 + (level * (unit() / s)).square()).rsqrt().div(s).unsqueeze(1);
  const Tensor angles =
      at::outer(level.log(), at::tensor(frequencies_, at::kFloat).to(y.scalar_type()));
  return at::cat({(y - mean_.to(y.scalar_type())) * scale, angles.cos(), angles.sin()}, 1);
}

NoisedMlp::NoisedMlp(std::int64_t dimension, const NoisedMlpOptions& options, Random& random,
                     at::ScalarType dtype)
    : levels_(dimension, options.sized_for(dimension)),
      network_(dimension + options.channels, 1, perceptron(levels_.options()), random, dtype) {}

Tensor NoisedMlp::value(const Tensor& x, const Tensor& sigma, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  const double s = levels_.deviation();
  return network_.forward(levels_.inputs(x, sigma), graph).squeeze(1) * (s * s);
}

ValueAndGradient NoisedMlp::value_and_gradient(const Tensor& x, const Tensor& sigma,
                                               Graph graph) const {
  const at::AutoGradMode mode(true);
  const Tensor points = x.requires_grad() ? x : x.detach().requires_grad_(true);
  const Tensor value = this->value(points, sigma, Graph::create);
  const bool keep = graph == Graph::create;
  const Tensor gradient = torch::autograd::grad({value.sum()}, {points}, {}, keep, keep).front();
  return keep ? ValueAndGradient{value, gradient}
              : ValueAndGradient{value.detach(), gradient.detach()};
}

Tensor NoisedMlp::lowest(const Tensor& x) const {
  return at::full({x.size(0)}, levels_.options().sigma_min, at::kFloat);
}

Tensor NoisedMlp::value(const Tensor& x, Graph graph) const { return value(x, lowest(x), graph); }

ValueAndGradient NoisedMlp::value_and_gradient(const Tensor& x, Graph graph) const {
  return value_and_gradient(x, lowest(x), graph);
}

}  // namespace monge
