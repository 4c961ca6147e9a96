#include "independent_components.h"

#include "monge/affine.h"

namespace monge {
namespace {

constexpr int most_rounds = 40;
constexpr double at_rest = 1e-4;         // 1 - |cosine| between a component and the one before
constexpr double least_variance = 1e-8;  // of the largest

/// (W Wᵀ)^-½ W: the nearest matrix with orthonormal rows.
Tensor orthonormal(const Tensor& w) {
  const auto [values, vectors] = at::linalg_eigh(w.mm(w.t()));
  return (vectors * values.clamp_min(1e-12).rsqrt()).mm(vectors.t()).mm(w);
}

/// E[g(w_i x) x] - E[g'(w_i x)] w_i with g = tanh, for each row of w [k, k] over white x [n, k].
Tensor fixed_point(const Tensor& x, const Tensor& w) {
  const Tensor g = x.mm(w.t()).tanh_();
  const Tensor slope = 1 - g.square().mean(0);
  return g.t().mm(x) / static_cast<double>(x.size(0)) - slope.unsqueeze(1) * w;
}

}  // namespace

Tensor independent_components(const Tensor& points, Random& random) {
  const Moments moments = empirical_moments(points);
  const auto [variances, axes] = at::linalg_eigh(moments.covariance);
  const Tensor kept = variances.gt(least_variance * variances[-1]).nonzero().squeeze(1);
  const Tensor whitening = axes.index_select(1, kept) / variances.index_select(0, kept).sqrt();
  const Tensor white = (points - moments.mean).mm(whitening).to(at::kFloat);
  const std::int64_t k = kept.size(0);
  Tensor w = orthonormal(random.normal({k, k}).to(at::kDouble));
  for (int round = 0; round < most_rounds; ++round) {
    const Tensor next = orthonormal(fixed_point(white, w.to(at::kFloat)).to(at::kDouble));
    const double moved = k > 0 ? 1 - (next * w).sum(1).abs().min().item<double>() : 0;
    w = next;
    if (moved < at_rest) break;
  }
  const Tensor rows = w.mm(whitening.t());
  return rows / rows.norm(2, {1}, true);
}

}  // namespace monge
