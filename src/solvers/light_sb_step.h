#pragma once

#include "monge/mixture_plan.h"

#include <vector>

namespace monge {

/// The two means of the objective E log c(X) - E log v(Y).
struct LightSbTerms {
  double log_c = 0, log_v = 0;
};

/// The objective of the light Schrödinger bridge and its derivatives in the mixture's parameters,
/// in closed form and without a graph, float64: exponents are differences of numbers of the size
/// 1 / ε.
///
/// Both means are of log Σ_k exp(b_k + l_kᵀ x + q_kᵀ x²). One product of the points' features
/// [x, x², 1] with the coefficients gives the exponents, and one of the shares exp(.) / Σ exp(.)
/// with the features all that the derivatives need.
class LightSbStep {
 public:
  explicit LightSbStep(PlanMixture mixture);

  /// At points x [n, d] and y [m, d] of the frame, float32 and contiguous, and the frame's epsilon.
  LightSbTerms run(const Tensor& x, const Tensor& y, double epsilon);

  /// Of the last run, in the order of the parameters' names: centres, heights, log_spreads.
  const std::vector<Tensor>& derivatives() const { return derivatives_; }

 private:
  struct Worker {
    std::vector<double> features, shares, sums;
    double total = 0;
  };

  double accumulate(const Tensor& points, const Tensor& coefficients, Tensor& sums);
  void add_block(Worker& worker, const float* points, std::int64_t rows,
                 const double* coefficients) const;

  PlanMixture mixture_;
  std::int64_t components_, dimension_, features_;
  std::vector<double> zeros_;
  std::vector<Worker> workers_;
  std::vector<Tensor> derivatives_;
};

}  // namespace monge
