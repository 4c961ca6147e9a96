#include "lanczos.h"

#include "monge/random.h"

#include <limits>

namespace monge {
namespace {

/// v_iᵀ log|∇²psi(x_i)| v_i for signs v [r, d] at x [r, d], [r].
Tensor quadratures(const Potential& psi, const Tensor& x, const Tensor& signs, std::int64_t steps) {
  constexpr double broken = 1e-12;  // of the largest: an invariant space has been found
  const std::int64_t rows = x.size(0), d = x.size(1);
  Tensor tridiagonal = at::zeros({rows, steps, steps}, x.options());
  Tensor basis = at::zeros({rows, steps, d}, x.options());
  Tensor q = signs / std::sqrt(static_cast<double>(d));
  Tensor alive = at::ones({rows}, at::kBool), largest = at::zeros({rows}, x.options());
  for (std::int64_t k = 0; k < steps; ++k) {
    basis.select(1, k).copy_(q);
    Tensor w = psi.hessian_product(x, q);
    const Tensor along = (w * q).sum(1);
    // A row that has ended goes on with eigenvalues of 1, which weigh nothing.
    tridiagonal.select(1, k).select(1, k).copy_(at::where(alive, along, at::ones_like(along)));
    if (k + 1 == steps) break;
    const Tensor found = basis.narrow(1, 0, k + 1);
    for (int pass = 0; pass < 2; ++pass)  // rounding undoes one
      w = w - at::bmm(at::bmm(w.unsqueeze(1), found.transpose(1, 2)), found).squeeze(1);
    Tensor size = w.norm(2, 1);
    largest = at::maximum(largest, along.abs() + size);
    alive = alive & (size > broken * largest);
    size = at::where(alive, size, at::zeros_like(size));
    tridiagonal.select(1, k).select(1, k + 1).copy_(size);
    tridiagonal.select(1, k + 1).select(1, k).copy_(size);
    q = at::where(alive.unsqueeze(1), w / size.unsqueeze(1), at::zeros_like(w));
  }
  const auto [values, vectors] = at::linalg_eigh(tridiagonal);
  const Tensor logs = values.abs().clamp_min(std::numeric_limits<double>::min()).log();
  return static_cast<double>(d) * (vectors.select(1, 0).square() * logs).sum(1);
}

}  // namespace

LogDet lanczos_log_det(const Potential& psi, const Tensor& x, const LogDetOptions& options) {
  constexpr std::int64_t numbers = 1 << 23;  // of a block's bases
  const std::int64_t n = x.size(0), d = x.size(1), probes = options.probes;
  const std::int64_t steps = std::min(options.steps, d);
  const std::int64_t block = std::clamp<std::int64_t>(numbers / (d * steps * probes), 1, 512);
  Random random(options.seed, "probes");
  LogDet result{at::empty({n}, at::kDouble), at::empty({n}, at::kDouble)};
  for (std::int64_t from = 0; from < n; from += block) {
    const std::int64_t count = std::min(block, n - from);
    const Tensor signs =
        (random.uniform({count * probes, d}) < 0.5).to(at::kDouble).mul_(2).sub_(1);
    const Tensor points = x.narrow(0, from, count).repeat_interleave(probes, 0);
    const Tensor each = quadratures(psi, points, signs, steps).view({count, probes});
    result.value.narrow(0, from, count).copy_(each.mean(1));
    result.standard_error.narrow(0, from, count)
        .copy_(each.std(1) / std::sqrt(static_cast<double>(probes)));
  }
  return result;
}

}  // namespace monge
