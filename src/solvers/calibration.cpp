#include "solvers/calibration.h"

#include "solvers/exchange.h"

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
  const std::int64_t covariates = d + first_.numel();
  means_ = at::empty({1 + covariates, covariates});
  batch_ = n;
}

void Calibration::take(const Tensor& points, std::int64_t n) {
  const at::NoGradGuard no_graph;
  const std::int64_t rows = points.size(0), d = points.size(1);
  if (batch_ != n) set_products(n);
  if (!covariates_.defined() || covariates_.size(0) != rows ||
      covariates_.size(1) != means_.size(1))
    covariates_ = at::empty({rows, means_.size(1)});
  Tensor linear = covariates_.narrow(1, 0, d);
  at::sub_out(linear, points, mean_).mul_(scale_);
  covariates_.narrow(1, d, first_.numel())
      .copy_(linear.index_select(1, first_))
      .mul_(linear.index_select(1, second_))
      .sub_(expected_)
      .mul_(std::sqrt(0.5));
  means_.select(0, 0).copy_(covariates_.mean(0));
  Tensor products = means_.narrow(0, 1, means_.size(1));
  at::mm_out(products, covariates_.t(), covariates_).div_(static_cast<double>(rows));
}

void Calibration::weigh() {
  constexpr double ridge = 0.1;          // λ; the coordinates have variance 1
  constexpr float least = -1, most = 3;  // of a weight
  const at::NoGradGuard no_graph;
  const Tensor mean = means_.select(0, 0);
  Tensor matrix = means_.narrow(0, 1, means_.size(1)).addr(mean, mean, 1, -1);
  matrix.diagonal().add_(ridge);
  const auto [factor, info] = at::linalg_cholesky_ex(matrix);
  if (info.item<int>() != 0) {  // points that are not finite
    weights_ = at::ones({covariates_.size(0)});
  } else {
    const Tensor along = at::cholesky_solve(mean.unsqueeze(1), factor).squeeze(1);
    const double shift = 1 + along.dot(mean).item<double>();
    weights_ = (shift - covariates_.mv(along)).clamp_(least, most);
  }
  mean_weight_ = weights_.mean().item<double>();
}

std::span<const float> Calibration::weights() {
  weights_ /= mean_weight_;
  return {weights_.const_data_ptr<float>(), static_cast<std::size_t>(weights_.numel())};
}

SideWeights calibrated(Calibration& of_x, const Tensor& x, Calibration& of_y, const Tensor& y,
                       std::int64_t n, ProcessGroup& group) {
  of_x.take(x, n);
  of_y.take(y, n);
  Exchange(group, n).means({of_x.means(), of_y.means()}).run();
  of_x.weigh();
  of_y.weigh();
  Exchange(group, n).means({&of_x.mean(), &of_y.mean()}).run();
  return {of_x.weights(), of_y.weights()};
}

}  // namespace monge
