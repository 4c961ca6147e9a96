#include "monge/discrete.h"
#include "monge/error.h"

#include "discrete/network_simplex.h"
#include "discrete/problem.h"
#include "discrete/sinkhorn.h"

#include <numeric>

namespace monge {
namespace {

// Entropic potentials to start from: a smaller epsilon costs more passes than it saves pivots.
constexpr double guess_epsilon = 0.01;  // of the spread of the costs
constexpr double guess_tolerance = 0.03;
constexpr std::int64_t guess_iterations = 40;

/// Masses as whole numbers of one sum; `unit` is the mass of 1.
struct Masses {
  std::vector<std::int64_t> supplies, demands;
  double unit;
};

/// Each of n points sends m / gcd, each of m takes n / gcd.
Masses equal_masses(std::int64_t n, std::int64_t m) {
  const std::int64_t shared = std::gcd(n, m);
  return {std::vector(static_cast<std::size_t>(n), m / shared),
          std::vector(static_cast<std::size_t>(m), n / shared),
          static_cast<double>(shared) / static_cast<double>(n) / static_cast<double>(m)};
}

constexpr std::int64_t whole_mass = std::int64_t{1} << 60;

std::vector<std::int64_t> whole_weights(const Tensor& weights) {
  std::vector<std::int64_t> whole(static_cast<std::size_t>(weights.size(0)));
  const double* weight = weights.const_data_ptr<double>();
  for (std::size_t i = 0; i < whole.size(); ++i)
    whole[i] = std::max<std::int64_t>(std::llround(weight[i] * whole_mass), 1);
  const std::int64_t sum = std::accumulate(whole.begin(), whole.end(), std::int64_t{0});
  *std::ranges::max_element(whole) += whole_mass - sum;
  return whole;
}

Masses masses_of(const DiscreteProblem& problem, const DiscreteWeights& weights) {
  if (!weights.source.defined() && !weights.target.defined())
    return equal_masses(problem.x.size(0), problem.y.size(0));
  return {whole_weights(problem.a), whole_weights(problem.b), 1 / static_cast<double>(whole_mass)};
}

Tensor guess_potential(const CostRows& costs, const DiscreteProblem& problem) {
  if (!(costs.spread() > 0)) return at::zeros_like(problem.b);
  return sinkhorn(costs, problem.a, problem.b,
                  {guess_epsilon * costs.spread(), guess_tolerance, guess_iterations})
      .target_potential.nan_to_num(0, 0, 0)
      .contiguous();
}

DiscretePlan plan_of(const SimplexSolution& solution, const CostRows& costs, double unit) {
  return {
      .cost = 0,
      .gap = 0,
      .rows = at::tensor(solution.rows, at::kLong),
      .columns = at::tensor(solution.columns, at::kLong),
      .mass = at::tensor(solution.flows, at::kLong).to(at::kDouble) * unit,
      .source_potential = at::tensor(solution.source_potential, at::kDouble) + costs.source_shift(),
      .target_potential =
          at::tensor(solution.target_potential, at::kDouble) + costs.target_shift()};
}

/// In blocks too small for ATen to wake its threads, which wait for each other on a busy machine.
double cost_of(const DiscretePlan& plan, const DiscreteProblem& problem, const Cost& cost) {
  const std::int64_t block = std::max<std::int64_t>((1 << 14) / problem.x.size(1), 1);
  double sum = 0;
  for (std::int64_t from = 0; from < plan.mass.size(0); from += block) {
    const auto part = [&](const Tensor& all) {
      return all.narrow(0, from, std::min(block, all.size(0) - from));
    };
    const Tensor costs = cost.between(problem.x.index_select(0, part(plan.rows)),
                                      problem.y.index_select(0, part(plan.columns)));
    sum += (costs * part(plan.mass)).sum().item<double>();
  }
  return sum;
}

}  // namespace

DiscretePlan exact_plan(const Tensor& x, const Tensor& y, const Cost& cost,
                        const DiscreteWeights& weights) {
  const at::NoGradGuard no_graph;
  const DiscreteProblem problem = discrete_problem("exact plan", x, y, weights);
  const CostRows costs(problem.x, problem.y, cost);
  if (!std::isfinite(costs.largest() - costs.least()))
    fail("exact plan", "finite costs", "costs that are not finite");
  const Masses masses = masses_of(problem, weights);
  const SimplexSolution solution =
      network_simplex(costs, masses.supplies, masses.demands, guess_potential(costs, problem));
  DiscretePlan plan = plan_of(solution, costs, masses.unit);
  plan.cost = cost_of(plan, problem, cost);
  plan.gap =
      plan.cost -
      (problem.a.dot(plan.source_potential) + problem.b.dot(plan.target_potential)).item<double>();
  return plan;
}

double exact_w2_squared(const Tensor& x, const Tensor& y) {
  return 2 * exact_plan(x, y, QuadraticCost()).cost;  // the cost is ½ |x - y|²
}

}  // namespace monge
