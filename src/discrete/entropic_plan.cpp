#include "monge/discrete.h"
#include "monge/error.h"

#include "discrete/problem.h"
#include "discrete/sinkhorn.h"

namespace monge {
namespace {

void check(const EntropicOptions& options) {
  const auto positive = [](const char* name, double value) {
    if (!(value > 0) || !std::isfinite(value))
      fail("entropic plan", fmt::format("a positive {}", name), fmt::format("{}", value));
  };
  positive("epsilon", options.epsilon);
  positive("tolerance", options.tolerance);
  if (options.max_iterations < 1)
    fail("entropic plan", "max_iterations >= 1", fmt::format("{}", options.max_iterations));
}

}  // namespace

EntropicPlan entropic_plan(const Tensor& x, const Tensor& y, const Cost& cost,
                           const EntropicOptions& options, const DiscreteWeights& weights) {
  check(options);
  const at::NoGradGuard no_graph;
  const DiscreteProblem problem = discrete_problem("entropic plan", x, y, weights);
  const CostRows costs(problem.x, problem.y, cost);
  if (!std::isfinite(costs.largest() - costs.least()))
    fail("entropic plan", "finite costs", "costs that are not finite");
  const EntropicState state = sinkhorn(
      costs, problem.a, problem.b, {options.epsilon, options.tolerance, options.max_iterations});
  // The shifts of the costs go into the potentials, and their mean under the plan into its cost.
  const double shift =
      (problem.a.dot(costs.source_shift()) + problem.b.dot(costs.target_shift())).item<double>();
  return {.cost = state.cost + shift,
          .value = state.value + shift,
          .marginal_error = state.column_error,
          .iterations = state.iterations,
          .epsilon = options.epsilon,
          .source_potential = state.source_potential + costs.source_shift(),
          .target_potential = state.target_potential + costs.target_shift()};
}

}  // namespace monge
