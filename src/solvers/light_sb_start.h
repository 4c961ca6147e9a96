#pragma once

#include "monge/mixture_plan.h"
#include "monge/random.h"

namespace monge {

/// S_k is the slope of the plan's local map; below this a component would settle on one point of
/// the target, where the objective has no lower bound.
constexpr double least_slope = 1e-3;

/// The start of the paper: r_k = points of the target, S_k = 0.1, equal weights. `y` [m, d] are
/// points of the frame, float64.
PlanMixture sampled_mixture(std::int64_t components, const Tensor& y, double epsilon,
                            Random& random);

/// A start that is nearly a plan: the target's clusters (k-means), each of them the image of its
/// share of the source under the optimal entropic map between Gaussians of the same moments.
/// `x` [n, d] and `y` [m, d] are points of the frame, float64.
PlanMixture clustered_mixture(std::int64_t components, const Tensor& x, const Tensor& y,
                              double epsilon, Random& random);

}  // namespace monge
