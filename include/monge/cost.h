#pragma once

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

}  // namespace monge
