#pragma once

#include "monge/discrete.h"

#include <string_view>

namespace monge {

/// Checked input of discrete transport: float64 on the processor, weights of sum 1.
struct DiscreteProblem {
  Tensor x, y;  // [n, d], [m, d]
  Tensor a, b;  // [n], [m]
};

/// Throws Error, with `where` before it.
DiscreteProblem discrete_problem(std::string_view where, const Tensor& x, const Tensor& y,
                                 const DiscreteWeights& weights);

/// The weights [n] of points, checked; equal ones where `weights` is not defined.
Tensor checked_weights(std::string_view where, std::string_view side, const Tensor& weights,
                       std::int64_t n);

}  // namespace monge
