#include "monge/density.h"

#include "monge/conjugate.h"
#include "monge/error.h"

#include "lanczos.h"

namespace monge {
namespace {

void require_points(const Tensor& x, std::int64_t d) {
  if (x.dim() != 2 || x.size(1) != d)
    fail("log-determinant", fmt::format("points [n, {}]", d), shape_text(x));
}

void require_sound(const LogDetOptions& options) {
  if (options.probes < 2 || options.steps < 1)
    fail("log-determinant", "at least 2 probes and 1 step",
         fmt::format("{} and {}", options.probes, options.steps));
}

/// Where a matrix is not positive definite, |det| is still defined.
Tensor log_det_of(const Tensor& matrices) {
  const auto [factors, failed] = at::linalg_cholesky_ex(matrices);
  Tensor value = 2 * factors.diagonal(0, -2, -1).log().sum(-1);
  const Tensor others = failed.nonzero().squeeze(1);
  if (others.size(0) > 0)
    value.index_copy_(0, others, std::get<1>(at::linalg_slogdet(matrices.index_select(0, others))));
  return value;
}

double log_det_of_frame(const AffineFrame& frame) {
  return std::get<1>(at::linalg_slogdet(frame.matrix.to(at::kDouble))).item<double>();
}

/// That of a Brenier map at points in the coordinates of its frame.
LogDet log_det_entered(const Potential& psi, const AffineFrame& frame, const Tensor& entered,
                       const LogDetOptions& options) {
  LogDet result = log_det_hessian(psi, entered, options);
  result.value.add_(2 * log_det_of_frame(frame));
  return result;
}

Tensor exactly(const AffineFrame& frame, const Tensor& x) {
  return frame.to_dtype(at::kDouble).enter(x.to(at::kDouble));
}

LogDet constant(double value, std::int64_t n) {
  return {at::full({n}, value, at::kDouble), at::zeros({n}, at::kDouble)};
}

[[noreturn]] void fail_map() {
  fail("log-determinant", "an affine map, the gradient of a potential or its inverse",
       "another map");
}

/// What a change of variables needs: x with T(x) = y and log|det ∇T(x)| there.
struct Origin {
  Tensor x, residual;
  LogDet log_det;
};

Origin origin_of(const AffineTransportMap& map, const Tensor& y) {
  const Tensor matrix = map.affine().matrix.to(at::kDouble);
  const Tensor shifted = y.to(at::kDouble) - map.affine().offset.to(at::kDouble);
  return {at::linalg_solve(matrix, shifted.t()).t(), at::zeros({y.size(0)}, at::kDouble),
          constant(std::get<1>(at::linalg_slogdet(matrix)).item<double>(), y.size(0))};
}

/// Without the box of the inverse map: a point of the density may come from anywhere.
Origin origin_of(const BrenierMap& map, const TransportMap* inverse, const Tensor& y,
                 const LogDetOptions& options) {
  const ConjugateOptions search{.tolerance = 1e-5, .evaluations = 200, .low = {}, .high = {}};
  const at::ScalarType dtype = map.frame().matrix.scalar_type();
  const AffineFrame back = map.frame().inverse();
  const Tensor points = y.to(dtype);
  const Tensor start = inverse ? map.frame().enter(inverse->transport(points)) : Tensor();
  const Conjugate found = conjugate(map.potential(), back.enter(points), search, start);
  return {back.leave(found.argmax), found.residual,
          log_det_entered(map.potential(), map.frame(), found.argmax.to(at::kDouble), options)};
}

/// The inverse's inverse is the gradient itself, explicit.
Origin origin_of(const ConjugateMap& map, const Tensor& y, const LogDetOptions& options) {
  const AffineFrame forth = map.frame().inverse();
  const Tensor entered = forth.enter(y.to(forth.matrix.scalar_type()));
  LogDet log_det = log_det_entered(map.potential(), forth, entered.to(at::kDouble), options);
  log_det.value.neg_();
  return {forth.leave(map.potential().gradient(entered, Graph::none)),
          at::zeros({y.size(0)}, at::kDouble), std::move(log_det)};
}

}  // namespace

LogDet log_det_hessian(const Potential& psi, const Tensor& x, const LogDetOptions& options) {
  constexpr std::int64_t numbers = 1 << 22;  // of a block's Hessians
  const at::NoGradGuard no_graph;
  const std::int64_t n = x.size(0), d = psi.dimension();
  require_points(x, d);
  require_sound(options);
  const Tensor points = x.to(at::kDouble);
  if (d > options.exact_dimension) return lanczos_log_det(psi, points, options);
  LogDet result = constant(0, n);
  const std::int64_t block = std::clamp<std::int64_t>(numbers / (d * d), 16, 4096);
  for (std::int64_t from = 0; from < n; from += block) {
    const std::int64_t count = std::min(block, n - from);
    result.value.narrow(0, from, count)
        .copy_(log_det_of(psi.hessian(points.narrow(0, from, count))));
  }
  return result;
}

bool has_log_det(const TransportMap& map) {
  return dynamic_cast<const AffineTransportMap*>(&map) || dynamic_cast<const BrenierMap*>(&map) ||
         dynamic_cast<const ConjugateMap*>(&map);
}

LogDet log_det_jacobian(const TransportMap& map, const Tensor& x, const LogDetOptions& options) {
  const at::NoGradGuard no_graph;
  require_points(x, map.dimension());
  if (const auto* affine = dynamic_cast<const AffineTransportMap*>(&map))
    return constant(
        std::get<1>(at::linalg_slogdet(affine->affine().matrix.to(at::kDouble))).item<double>(),
        x.size(0));
  if (const auto* brenier = dynamic_cast<const BrenierMap*>(&map))
    return log_det_entered(brenier->potential(), brenier->frame(), exactly(brenier->frame(), x),
                           options);
  const auto* inverse = dynamic_cast<const ConjugateMap*>(&map);
  if (!inverse) fail_map();
  const AffineFrame forth = inverse->frame().inverse();
  const Tensor found = inverse->transport(x.to(forth.matrix.scalar_type()));
  LogDet result = log_det_entered(inverse->potential(), forth, exactly(forth, found), options);
  result.value.neg_();
  return result;
}

PushedDensity pushed_log_density(const TransportMap& map, const TransportMap* inverse,
                                 const LogDensity& log_density, const Tensor& y,
                                 const LogDetOptions& options) {
  const at::NoGradGuard no_graph;
  require_points(y, map.dimension());
  const auto* affine = dynamic_cast<const AffineTransportMap*>(&map);
  const auto* brenier = dynamic_cast<const BrenierMap*>(&map);
  const auto* conjugated = dynamic_cast<const ConjugateMap*>(&map);
  if (!affine && !brenier && !conjugated) fail_map();
  const Origin origin = affine    ? origin_of(*affine, y)
                        : brenier ? origin_of(*brenier, inverse, y, options)
                                  : origin_of(*conjugated, y, options);
  return {log_density(origin.x) - origin.log_det.value, origin.log_det.standard_error, origin.x,
          origin.residual};
}

std::optional<KlEstimate> kl_pushed(const TransportMap& map, const Measure& source,
                                    const Measure& target, const Tensor& x,
                                    const LogDetOptions& options) {
  if (!has_log_det(map)) return std::nullopt;
  const auto before = source.log_density(x);
  if (!before) return std::nullopt;
  const auto after = target.log_density(map.transport(x));
  if (!after) return std::nullopt;
  const Tensor each = *before - log_det_jacobian(map, x, options).value - *after;
  const double n = static_cast<double>(x.size(0));
  return KlEstimate{each.mean().item<double>(), each.std().item<double>() / std::sqrt(n)};
}

}  // namespace monge
