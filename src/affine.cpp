#include "monge/affine.h"

#include "monge/error.h"
#include "monge/moments.h"

namespace monge {
namespace {

constexpr double kRangeTolerance = 1e-12;        // of the largest variance: below it, rounding
constexpr double kFrameFloor = 1e-8;             // of the largest variance: what a frame resolves
constexpr std::int64_t kDraws = 1 << 16;         // that moments are estimated from, at least
constexpr std::int64_t kDrawsPerDimension = 64;  // an affine map's error is about d / n
constexpr std::int64_t kRows = 1 << 12;          // points held in float64 at a time

Tensor symmetric(const Tensor& matrix) { return 0.5 * (matrix + matrix.t()); }

/// A symmetric matrix as vectors · diag(values) · vectorsᵀ.
struct Spectrum {
  Tensor values;   // [d], ascending
  Tensor vectors;  // [d, d], in columns

  Tensor with(const Tensor& other_values) const {
    return at::matmul(vectors * other_values, vectors.t());
  }
  Tensor root() const { return with(values.clamp_min(0).sqrt()); }
  double largest() const { return values[-1].item<double>(); }
};

Spectrum spectrum(const Tensor& matrix) {
  auto [values, vectors] = at::linalg_eigh(symmetric(matrix));
  return {values, vectors};
}

bool all_finite(const Tensor& tensor) { return at::isfinite(tensor).all().item<bool>(); }

Moments checked_moments(const Moments& moments, std::int64_t dimension, const char* where) {
  const auto &mean = moments.mean, &covariance = moments.covariance;
  if (mean.sizes() != at::IntArrayRef{dimension} ||
      covariance.sizes() != at::IntArrayRef{dimension, dimension})
    fail(where, fmt::format("a mean [{0}] and a covariance [{0}, {0}]", dimension),
         fmt::format("{} and {}", shape_text(mean), shape_text(covariance)));
  if (!all_finite(mean) || !all_finite(covariance))
    fail(where, "finite moments", "values that are not finite");
  return {mean.to(at::kDouble), covariance.to(at::kDouble)};
}

/// (Sp^½ Sq Sp^½)^½ between two copies of `outer`, which is Sp^-½.
Tensor transport_matrix(const Tensor& half, const Tensor& outer, const Tensor& target) {
  const Tensor middle = spectrum(at::linalg_multi_dot({half, target, half})).root();
  return symmetric(at::linalg_multi_dot({outer, middle, outer}));
}

/// The covariance with its variances raised to the least that a frame resolves.
Spectrum floored(const Tensor& covariance) {
  Spectrum result = spectrum(covariance);
  const double largest = result.largest();
  result.values =
      largest > 0 ? result.values.clamp_min(kFrameFloor * largest) : at::ones_like(result.values);
  return result;
}

}  // namespace

Moments empirical_moments(const Tensor& points) {
  if (points.dim() != 2 || points.size(0) < 2 || points.size(1) < 1)
    fail("moments", "points [n, d] with n >= 2", shape_text(points));
  MomentSums sums;
  for (const Tensor& block : points.split(kRows)) sums.add(block);
  return sums.moments();
}

Moments sampled_moments(const Measure& measure, Random& random) {
  MomentSums sums;
  if (const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure)) {
    for (std::int64_t start = 0; start < finite->size(); start += kRows)
      sums.add(
          finite->points(at::arange(start, std::min(start + kRows, finite->size()), at::kLong)));
  } else {
    const std::int64_t draws = std::max(kDraws, kDrawsPerDimension * measure.dimension());
    for (std::int64_t drawn = 0; drawn < draws; drawn += kRows)
      sums.add(measure.sample(kRows, random));
  }
  return sums.moments();
}

double effective_variance(const Measure& measure, Random& random) {
  constexpr std::int64_t numbers = 1 << 23;  // of the points, in float64
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  if (const auto known = finite ? std::nullopt : measure.moments()) {
    const double total = known->covariance.trace().item<double>();
    return total > 0 ? known->covariance.square().sum().item<double>() / total : 0;
  }
  const std::int64_t d = measure.dimension();
  std::int64_t points = std::clamp<std::int64_t>(numbers / d, 2, kDraws);
  if (finite) points = std::min(points, finite->size());
  if (points < 2) return 0;
  Tensor x = (finite ? finite->points(random.permutation(finite->size()).narrow(0, 0, points))
                     : measure.sample(points, random))
                 .to(at::kDouble);
  x.sub_(x.mean(0));
  const auto n = static_cast<double>(points);
  // X Xᵀ has the trace and the norm of Xᵀ X.
  const Tensor products = (points < d ? at::mm(x, x.t()) : at::mm(x.t(), x)).div_(n - 1);
  const double total = products.trace().item<double>();
  if (!(total > 0)) return 0;
  const double plain = products.square().sum().item<double>();
  const double unbiased =
      points > 2 ? (n - 1) * (n - 1) / ((n - 2) * (n + 1)) * (plain - total * total / (n - 1)) : 0;
  return std::max(std::min(unbiased, plain), total * total / static_cast<double>(d)) / total;
}

AffineMap bures_wasserstein_map(const Moments& source, const Moments& target) {
  const std::int64_t d = source.mean.numel();
  const Moments p = checked_moments(source, d, "source moments");
  const Moments q = checked_moments(target, d, "target moments");
  const Spectrum sp = spectrum(p.covariance);
  const Tensor in_range = sp.values > kRangeTolerance * std::max(sp.largest(), 0.0);
  const Tensor roots = sp.values.clamp_min(0).sqrt() * in_range;
  const Tensor inverse_roots = at::where(in_range, roots.reciprocal(), at::zeros_like(roots));
  const Tensor matrix = transport_matrix(sp.with(roots), sp.with(inverse_roots), q.covariance);
  return {matrix, q.mean - matrix.mv(p.mean)};
}

double bures_wasserstein_squared(const Moments& source, const Moments& target) {
  const std::int64_t d = source.mean.numel();
  const Moments p = checked_moments(source, d, "source moments");
  const Moments q = checked_moments(target, d, "target moments");
  // tr (Sp^½ Sq Sp^½)^½ is the sum of the singular values of Sp^½ Sq^½; unlike square roots of
  // eigenvalues these keep full precision near 0.
  const Tensor cross =
      at::linalg_svdvals(at::matmul(spectrum(p.covariance).root(), spectrum(q.covariance).root()));
  const Tensor squared = (p.mean - q.mean).square().sum() + p.covariance.trace() +
                         q.covariance.trace() - 2 * cross.sum();
  return std::max(0.0, squared.item<double>());
}

Tensor AffineFrame::enter(const Tensor& x) const {
  return at::matmul((x - from) / scale, matrix.t());
}

Tensor AffineFrame::leave(const Tensor& t) const { return at::addmm(to, t, matrix, 1, scale); }

AffineFrame AffineFrame::inverse() const {
  return {at::linalg_inv(matrix).t().contiguous(), to, from, scale};
}

AffineFrame AffineFrame::to_dtype(at::ScalarType dtype) const {
  return {matrix.to(dtype), from.to(dtype), to.to(dtype), scale};
}

State AffineFrame::state() const {
  return {{"matrix", matrix},
          {"from", from},
          {"to", to},
          {"scale", at::scalar_tensor(scale, at::kDouble)}};
}

AffineFrame identity_frame(std::int64_t dimension) {
  return {at::eye(dimension, at::kDouble), at::zeros({dimension}, at::kDouble),
          at::zeros({dimension}, at::kDouble)};
}

AffineFrame frame_from_state(const State& state, std::int64_t dimension) {
  const auto part = [&](const char* name, at::IntArrayRef sizes) {
    const Tensor& tensor = require_tensor(state, name, "frame");
    if (tensor.sizes() != sizes)
      fail(fmt::format("frame: tensor '{}'", name), fmt::format("[{}]", fmt::join(sizes, ", ")),
           shape_text(tensor));
    if (!all_finite(tensor))
      fail(fmt::format("frame: tensor '{}'", name), "finite values", "values that are not");
    return tensor;
  };
  const AffineFrame frame{part("matrix", {dimension, dimension}), part("from", {dimension}),
                          part("to", {dimension}), part("scale", {}).item<double>()};
  if (!(frame.scale > 0)) fail("frame: scale", "a positive number", fmt::format("{}", frame.scale));
  return frame;
}

AffineFrame bures_wasserstein_frame(const Moments& source, const Moments& target) {
  const std::int64_t d = source.mean.numel();
  const Moments p = checked_moments(source, d, "source moments");
  const Moments q = checked_moments(target, d, "target moments");
  const Spectrum sp = floored(p.covariance), sq = floored(q.covariance);
  const Tensor roots = sp.values.sqrt();
  const Spectrum map =
      spectrum(transport_matrix(sp.with(roots), sp.with(roots.reciprocal()), sq.with(sq.values)));
  const Tensor half = map.root();  // A^½
  const Spectrum shared = spectrum(at::linalg_multi_dot({half, sp.with(sp.values), half}));
  return {at::matmul(shared.vectors.t(), half), p.mean, q.mean,
          std::sqrt(shared.values.mean().item<double>())};
}

}  // namespace monge
