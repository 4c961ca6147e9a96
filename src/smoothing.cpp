#include "monge/smoothing.h"

#include "monge/error.h"

namespace monge {
namespace {

/// The time of the variance-preserving diffusion with rates from 0.1 to 20 at which the level is e,
/// from -log(1 - e) = 0.1 t + ½ (20 - 0.1) t² (Song et al. 2021, appendix C, eq. 33).
double diffusion_time(double level) {
  constexpr double first = 0.1, half = 0.5 * (20 - first);
  return (std::sqrt(first * first - 4 * half * std::log1p(-level)) - first) / (2 * half);
}

double diffusion_level(double time) {
  constexpr double first = 0.1, half = 0.5 * (20 - first);
  return -std::expm1(-(first * time + half * time * time));
}

}  // namespace

const Declaration<SmoothingOptions>& smoothing_declaration() {
  using O = SmoothingOptions;
  static const auto declaration =
      Declaration<O>(
          "section", "smoothing",
          "Noise on the source's points, which makes the max-min and dual problems have one "
          "solution; the fitted plan is T(x + noise).",
          "Choi et al. 2025")
          .option("kind", &O::kind,
                  "none; x + sqrt(e) n; or sqrt(1 - e) x + sqrt(e) n, with n standard normal.",
                  one_of({"none", "gaussian", "variance_preserving"}))
          .option("unit", &O::unit,
                  "What levels are measured in: squared units of the data, or the source's "
                  "variance in the directions that it fills, its total variance over its effective "
                  "dimension.",
                  one_of({"data", "source"}))
          .option("level", &O::level, "e at the end of training and when the plan is sampled.",
                  above(0))
          .option("start_level", &O::start_level,
                  "e at the start, at least level; 0: level throughout.", at_least(0))
          .option("schedule", &O::schedule,
                  "How e falls: its root along a line, e by equal factors in every step, or in so "
                  "many levels, or as in the variance-preserving diffusion of Song et al. 2021 "
                  "(levels below 1).",
                  one_of({"linear", "geometric", "levels", "diffusion"}))
          .option("levels", &O::levels,
                  "Of the schedule levels: how many, the first start_level, the last level; the "
                  "networks that one ends with begin the next.",
                  between(2, 1000))
          .option("steps", &O::steps,
                  "Steps over which e falls, at most train.max_steps; 0: 70 % of those.",
                  at_least(0));
  return declaration;
}

void Noise::add_to(Tensor& x, const Tensor& normal) const {
  if (keep != 1) x.mul_(keep);
  x.add_(normal, std::sqrt(variance));
}

Smoothing::Smoothing(const SmoothingOptions& options, double unit)
    : options_(options), unit_(unit) {
  if (options_.kind == "none") fail("smoothing.kind", "gaussian or variance_preserving", "none");
  if (options_.start_level == 0) options_.start_level = options_.level;
  if (options_.start_level < options_.level)
    fail("smoothing.start_level", fmt::format("0 or at least level = {:g}", options_.level),
         fmt::format("{:g}", options_.start_level));
  const bool falls = options_.start_level > options_.level;
  if (falls && options_.steps < 1)
    fail("smoothing.steps", "a number of steps where no train.max_steps is set", "0");
  if ((options_.kind == "variance_preserving" || (falls && options_.schedule == "diffusion")) &&
      options_.start_level >= 1)
    fail("smoothing", "levels below 1", fmt::format("{:g}", options_.start_level));
}

Noise Smoothing::at(std::int64_t step) const {
  const double e = level(step);
  return {options_.kind == "gaussian" ? 1 : std::sqrt(1 - e), e * unit_};
}

double Smoothing::level(std::int64_t step) const {
  const double from = options_.start_level, to = options_.level;
  if (from == to || step >= options_.steps) return to;
  const double share = static_cast<double>(step) / static_cast<double>(options_.steps);
  if (options_.schedule == "geometric") return from * std::pow(to / from, share);
  if (options_.schedule == "levels") {
    const auto falls = static_cast<double>(options_.levels - 1);
    return from * std::pow(to / from, std::floor(share * falls) / falls);
  }
  if (options_.schedule == "diffusion")
    return diffusion_level(std::lerp(diffusion_time(from), diffusion_time(to), share));
  const double root = std::lerp(std::sqrt(from), std::sqrt(to), share);
  return root * root;
}

void SmoothedMeasure::sample_into(std::span<float> points, Random& random) const {
  const std::int64_t d = dimension(), n = std::ssize(points) / d;
  measure_->sample_into(points, random);
  Tensor x = at::from_blob(points.data(), {n, d}, at::kFloat);
  noise_.add_to(x, random.normal({n, d}));
}

std::optional<Moments> SmoothedMeasure::moments() const {
  auto moments = measure_->moments();
  if (!moments) return std::nullopt;
  return Moments{noise_.keep * moments->mean,
                 noise_.keep * noise_.keep * moments->covariance +
                     noise_.variance * at::eye(dimension(), at::kDouble)};
}

std::int64_t SmoothedMap::noise_dimension() const {
  const auto* inner = dynamic_cast<const StochasticMap*>(map_.get());
  return dimension() + (inner ? inner->noise_dimension() : 0);
}

Tensor SmoothedMap::transport(const Tensor& x, const Tensor& z) const {
  const std::int64_t d = dimension();
  Tensor smoothed = x.clone();
  noise_.add_to(smoothed, z.narrow(1, 0, d));
  const auto* inner = dynamic_cast<const StochasticMap*>(map_.get());
  return inner ? inner->transport(smoothed, z.narrow(1, d, inner->noise_dimension()))
               : map_->transport(smoothed);
}

}  // namespace monge
