#include "solvers/calibration.h"

#include "kernels/cholesky.h"
#include "kernels/product.h"
#include "solvers/exchange.h"

#include <cmath>
#include <numeric>

namespace monge {
namespace {

std::vector<float> floats_of(const Tensor& tensor) {
  const Tensor whole = tensor.to(at::kFloat).contiguous();
  const float* numbers = whole.const_data_ptr<float>();
  return {numbers, numbers + whole.numel()};
}

}  // namespace

Calibration::Calibration(const Moments& moments)
    : d_(moments.mean.numel()), mean_(floats_of(moments.mean)) {
  constexpr double least = 1e-12;  // of a variance, of the largest one
  const Tensor variance = moments.covariance.diagonal();
  const Tensor scale = at::where(variance > least * variance.max(), variance.rsqrt(), 0.0);
  scale_ = floats_of(scale);
  correlation_ = floats_of(moments.covariance * scale * scale.unsqueeze(1));
}

/// Chooses the products for batches of n points.
void Calibration::set_products(std::int64_t n) {
  products_.clear();
  const bool all = serves(n, d_ + d_ * (d_ + 1) / 2), squares = serves(n, 2 * d_);
  for (std::int64_t i = 0; i < d_ && squares; ++i)
    for (std::int64_t j = i; j < (all ? d_ : i + 1); ++j)
      products_.push_back({i, j, correlation_[i * d_ + j]});
  const std::int64_t k = covariates();
  means_ = at::empty({1 + k, k});
  matrix_.resize(k * k);
  along_.resize(k);
  batch_ = n;
}

void Calibration::take(const Tensor& points, std::int64_t n) {
  const auto root_half = std::sqrt(0.5F);
  if (batch_ != n) set_products(n);
  rows_ = points.size(0);
  const std::int64_t k = covariates();
  covariates_.resize(rows_ * k);
  float *mean = means_.data_ptr<float>(), *squares = mean + k;
  std::fill_n(mean, k, 0.0F);
  const float* x = points.const_data_ptr<float>();
  for (std::int64_t row = 0; row < rows_; ++row, x += d_) {
    float *z = covariates_.data() + row * k, *product = z + d_;
    for (std::int64_t i = 0; i < d_; ++i) z[i] = (x[i] - mean_[i]) * scale_[i];
    for (const auto& [first, second, expected] : products_)
      *product++ = root_half * (z[first] * z[second] - expected);
    for (std::int64_t i = 0; i < k; ++i) mean[i] += z[i];
  }
  using kernels::Transposed;
  kernels::product(k, k, rows_, covariates_.data(), k, Transposed::yes, covariates_.data(), k,
                   Transposed::no, 0, squares, k);
  const float share = 1 / static_cast<float>(rows_);
  for (std::int64_t i = 0; i < (1 + k) * k; ++i) mean[i] *= share;
}

void Calibration::weigh() {
  constexpr float ridge = 0.1F;          // λ; the coordinates have variance 1
  constexpr float least = -1, most = 3;  // of a weight
  const std::int64_t k = covariates();
  const float *mean = means_.const_data_ptr<float>(), *squares = mean + k;
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < k; ++j)
      matrix_[i * k + j] = squares[i * k + j] - mean[i] * mean[j] + (i == j ? ridge : 0);
  std::copy_n(mean, k, along_.begin());
  weights_.resize(rows_);
  if (kernels::solve_positive_definite(k, matrix_.data(), along_.data())) {
    using kernels::Transposed;
    kernels::product(rows_, 1, k, covariates_.data(), k, Transposed::no, along_.data(), 1,
                     Transposed::no, 0, weights_.data(), 1);
    const float shift = 1 + std::inner_product(mean, mean + k, along_.begin(), 0.0F);
    for (float& weight : weights_) weight = std::clamp(shift - weight, least, most);
  } else {  // points that are not finite
    std::ranges::fill(weights_, 1.0F);
  }
  mean_weight_ =
      std::accumulate(weights_.begin(), weights_.end(), 0.0) / static_cast<double>(rows_);
}

std::span<const float> Calibration::weights() {
  const auto share = static_cast<float>(1 / mean_weight_);
  for (float& weight : weights_) weight *= share;
  return weights_;
}

SideWeights calibrated(Calibration& of_x, const Tensor& x, Calibration& of_y, const Tensor& y,
                       std::int64_t n, ProcessGroup& group) {
  of_x.take(x, n);
  of_y.take(y, n);
  Exchange(group, n).means(of_x.means()).means(of_y.means()).run();
  of_x.weigh();
  of_y.weigh();
  Exchange(group, n).means({&of_x.mean(), &of_y.mean()}).run();
  return {of_x.weights(), of_y.weights()};
}

}  // namespace monge
