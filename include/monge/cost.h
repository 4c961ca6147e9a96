#pragma once

#include "monge/options.h"
#include "monge/tensor.h"

#include <memory>
#include <string>

namespace monge {

/// A cost c(x, y) of moving x to y.
class Cost {
 public:
  virtual ~Cost() = default;
  virtual std::string name() const = 0;
  /// c(x_i, y_i) for x, y [n, d]; [n].
  virtual Tensor between(const Tensor& x, const Tensor& y) const = 0;
  /// c(x_i, y_j) for x [n, d], y [m, d]; [n, m].
  virtual Tensor matrix(const Tensor& x, const Tensor& y) const = 0;
};

/// c(x, y) = ½ |x - y|², the cost of W2GN eq. (4); its optimal value is ½ W2².
class QuadraticCost final : public Cost {
 public:
  std::string name() const override { return "quadratic"; }
  Tensor between(const Tensor& x, const Tensor& y) const override;
  /// By one matrix product: the absolute error is about the dtype's epsilon times the squared
  /// spread of the points, so near-equal points want float64.
  Tensor matrix(const Tensor& x, const Tensor& y) const override;
};

/// Options of the weak quadratic cost.
struct WeakQuadraticOptions {
  double gamma = 1;
};

const Declaration<WeakQuadraticOptions>& weak_quadratic_declaration();

/// C(x, mu) = ½ E_mu |x - Y|² - ½ gamma Var(mu), the gamma-weak quadratic cost of sending x to the
/// law mu (Korotin et al. 2023, eq. 5); gamma = 0 is the strong cost.
class WeakQuadraticCost {
 public:
  explicit WeakQuadraticCost(double gamma) : gamma_(gamma) {}

  /// The unbiased estimate of C(x_i, mu_i) from k samples of each mu_i, the variance with divisor
  /// k - 1: x [n, d], y [n, k, d]; [n]. Throws Error on other shapes and where gamma > 0 and k = 1.
  Tensor estimate(const Tensor& x, const Tensor& y) const;

 private:
  double gamma_;
};

}  // namespace monge
