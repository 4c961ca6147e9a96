#pragma once

#include "monge/options.h"
#include "monge/tensor.h"

#include <cstdint>
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
  std::int64_t gamma_steps = 0;
};

const Declaration<WeakQuadraticOptions>& weak_quadratic_declaration();

/// Options of the kernel weak cost.
struct KernelWeakOptions {
  double gamma = 0.5;
  double exponent = 1;
  std::int64_t gamma_steps = 0;
};

const Declaration<KernelWeakOptions>& kernel_weak_declaration();

/// The cost of sending x to a law mu,
///
///   C(x, mu) = ½ E |x - Y|^a - ¼ gamma E |Y - Y'|^a,     Y, Y' ~ mu independent.
///
/// a = 2 is the gamma-weak quadratic cost ½ E |x - Y|² - ½ gamma Var(mu) (Korotin et al. 2023,
/// Neural Optimal Transport, eq. 5) and a < 2 the kernel one of the distance-induced kernel
/// k(y, y') = ½ (|y|^a + |y'|^a - |y - y'|^a), whose feature map u has |u(y) - u(y')|² = |y - y'|^a
/// (Korotin et al. 2023, Kernel Neural Optimal Transport, section 3.2). gamma = 0 is the strong
/// cost ½ |x - y|^a.
class WeakCost {
 public:
  /// The gamma-weak quadratic cost; 0: the strong one.
  WeakCost(double gamma) : gamma_(gamma) {}  // NOLINT(google-explicit-constructor)
  explicit WeakCost(const WeakQuadraticOptions& options)
      : gamma_(options.gamma), gamma_steps_(options.gamma_steps) {}
  explicit WeakCost(const KernelWeakOptions& options)
      : gamma_(options.gamma), exponent_(options.exponent), gamma_steps_(options.gamma_steps) {}

  double gamma() const { return gamma_; }
  double exponent() const { return exponent_; }
  bool quadratic() const { return exponent_ == 2; }
  /// gamma after `steps` of a training: it rises linearly from 0 over the first gamma_steps.
  double gamma_at(std::int64_t steps) const;

  /// The unbiased estimate of C(x_i, mu_i) from k samples of each mu_i: means over the samples and
  /// over their pairs of different ones, x [n, d], y [n, k, d]; [n]. Has a graph where x or y has
  /// one. Throws Error on other shapes and where gamma > 0 and k = 1.
  Tensor estimate(const Tensor& x, const Tensor& y) const;

  struct Derivative {
    Tensor value;  ///< estimate(x, y), [n]
    Tensor in_y;   ///< of value_i in y_i, [n, k, d]; 0 at points that coincide
  };
  /// The same with its derivative, without a graph: float32 or float64, both alike. Throws Error on
  /// what estimate() does and on other dtypes.
  Derivative derivative(const Tensor& x, const Tensor& y) const;

 private:
  void require_samples(const Tensor& x, const Tensor& y) const;

  double gamma_ = 0;
  double exponent_ = 2;
  std::int64_t gamma_steps_ = 0;
};

}  // namespace monge
