#include "solvers/calibration.h"

#include <cmath>

namespace monge {

Calibration::Calibration(const Moments& moments) : mean_(moments.mean.to(at::kFloat)) {
  constexpr double least = 1e-12;  // of a variance, of the largest one
  const Tensor variance = moments.covariance.diagonal();
  const Tensor scale = at::where(variance > least * variance.max(), variance.rsqrt(), 0.0);
  scale_ = scale.to(at::kFloat);
  correlation_ = (moments.covariance * scale * scale.unsqueeze(1)).to(at::kFloat);
}

/// Chooses the products for batches of n points.
void Calibration::set_products(std::int64_t n) {
  const std::int64_t d = mean_.numel(), products = d * (d + 1) / 2;
  if (serves(n, d + products)) {
    const Tensor pairs = at::triu_indices(d, d);
    first_ = pairs[0].contiguous();
    second_ = pairs[1].contiguous();
  } else {
    first_ = second_ = at::arange(serves(n, 2 * d) ? d : 0, at::kLong);
  }
  expected_ = correlation_.index({first_, second_});
  covariates_ = at::empty({n, d + first_.numel()});
}

std::span<const float> Calibration::weights(const Tensor& points) {
  constexpr double ridge = 0.1;          // λ; the coordinates have variance 1
  constexpr float least = -1, most = 3;  // of a weight
  const at::NoGradGuard no_graph;
  const std::int64_t n = points.size(0), d = points.size(1);
  if (!covariates_.defined() || covariates_.size(0) != n) set_products(n);
  Tensor linear = covariates_.narrow(1, 0, d);
  at::sub_out(linear, points, mean_).mul_(scale_);
  covariates_.narrow(1, d, first_.numel())
      .copy_(linear.index_select(1, first_))
      .mul_(linear.index_select(1, second_))
      .sub_(expected_)
      .mul_(std::sqrt(0.5));
  const Tensor mean = covariates_.mean(0);
  covariates_.sub_(mean);
  Tensor matrix = covariates_.t().mm(covariates_).div_(static_cast<double>(n));
  matrix.diagonal().add_(ridge);
  const auto [factor, info] = at::linalg_cholesky_ex(matrix);
  if (info.item<int>() != 0) {  // points that are not finite
    weights_.assign(static_cast<std::size_t>(n), 1);
    return weights_;
  }
  const Tensor along = at::cholesky_solve(mean.unsqueeze(1), factor).squeeze(1);
  Tensor weights = (1 - covariates_.mv(along)).clamp_(least, most);
  weights /= weights.mean();
  const float* numbers = weights.const_data_ptr<float>();
  weights_.assign(numbers, numbers + n);
  return weights_;
}

}  // namespace monge
