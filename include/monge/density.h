#pragma once

#include "monge/measure.h"
#include "monge/tensor.h"
#include "monge/transport_map.h"

#include <cstdint>
#include <functional>
#include <optional>

namespace monge {

/// How the determinant of a Hessian is taken.
struct LogDetOptions {
  /// By Cholesky up to here, estimated above: about where the estimate begins to cost less.
  std::int64_t exact_dimension = 256;
  std::int64_t probes = 8;  ///< random directions of the estimate, at least 2
  std::int64_t steps = 24;  ///< Lanczos steps along each
  std::uint64_t seed = 0;   ///< of the directions
};

struct LogDet {
  Tensor value;           ///< log|det|, [n] float64
  Tensor standard_error;  ///< of the estimate over its directions, 0 where exact, [n] float64
};

/// log|det ∇²psi(x_i)| for x [n, d], in float64 where the potential's Hessian is. Exact by Cholesky
/// (by LU where the Hessian is not positive definite) up to `exact_dimension`; above it by
/// stochastic Lanczos quadrature (Ubaru, Chen & Saad 2017), whose error has a part that the
/// standard error does not show: that of too few steps.
LogDet log_det_hessian(const Potential& psi, const Tensor& x, const LogDetOptions& options = {});

/// Whether log_det_jacobian() knows the map: an AffineTransportMap, a BrenierMap, a ConjugateMap.
bool has_log_det(const TransportMap& map);

/// log|det ∇T(x_i)| for x [n, d]. Throws Error on another map and on another shape.
///
///   T(x) = A x + b:                          log|det A|
///   T(x) = to + c Mᵀ ∇psi(M (x - from) / c): log|det ∇²psi| + 2 log|det M|
///   its inverse S:                           minus that of T at the point S(x) that was found
LogDet log_det_jacobian(const TransportMap& map, const Tensor& x,
                        const LogDetOptions& options = {});

/// log p(x_i) for x [n, d], [n] float64.
using LogDensity = std::function<Tensor(const Tensor&)>;

struct PushedDensity {
  Tensor value;           ///< log q(y_i), [n] float64
  Tensor standard_error;  ///< of it, 0 where exact, [n] float64
  Tensor origin;          ///< the point x_i that goes to y_i, [n, d]
  Tensor residual;        ///< of T(x_i) = y_i, root mean square over the frame's coordinates, [n]
};

/// The density of the pushed measure T#P at y [n, d] by the change of variables
/// log q(y) = log p(x) - log|det ∇T(x)| with T(x) = y. Of a BrenierMap x is searched, from
/// `inverse` (y) where an approximate inverse is given; of the others it is explicit. A y that T
/// does not reach keeps a residual. Throws Error on another map and on another shape.
PushedDensity pushed_log_density(const TransportMap& map, const TransportMap* inverse,
                                 const LogDensity& log_density, const Tensor& y,
                                 const LogDetOptions& options = {});

/// KL(T#P | Q), an average over points of P, with the standard error of that average.
struct KlEstimate {
  double value;
  double standard_error;
};

/// KL(T#P | Q) = E[log p(x) - log|det ∇T(x)| - log q(T(x))] over the rows of x [n, d], n >= 2;
/// infinite where T leaves the support of Q. nullopt where a density or the determinant is not
/// known.
std::optional<KlEstimate> kl_pushed(const TransportMap& map, const Measure& source,
                                    const Measure& target, const Tensor& x,
                                    const LogDetOptions& options = {});

}  // namespace monge
