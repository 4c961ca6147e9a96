#include "monge/error.h"
#include "monge/metric.h"

#include "metrics/complete_bipartite.h"

#include <lemon/network_simplex.h>

#include <numeric>

namespace monge {
namespace {

using Simplex = lemon::NetworkSimplex<CompleteBipartite, int, std::int64_t>;

void check_points(const Tensor& x, const Tensor& y) {
  if (x.dim() != 2 || y.dim() != 2 || x.size(1) != y.size(1) || x.size(0) < 1 || y.size(0) < 1)
    fail("exact plan", "[n, d] and [m, d] with n, m >= 1",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  // LEMON numbers arcs and the artificial ones of its first basis by int.
  const std::int64_t n = x.size(0), m = y.size(0);
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  if (n > most / 4 || m > most / 4 || n * m + 2 * (n + m) > most)
    fail("exact plan", "fewer than 2^31 pairs of points", fmt::format("{} x {}", n, m));
}

/// Costs as integers, on which the simplex is exact and never cycles. Potentials are sums of at
/// most n + m costs on top of LEMON's artificial cost 2^62, so costs up to 2^59 / (n + m) cannot
/// overflow; at 2000 points that is 2^-47 of the range of the costs. A constant is free, since mass
/// is fixed.
class IntegerCosts {
 public:
  using Key = CompleteBipartite::Arc;
  using Value = std::int64_t;

  explicit IntegerCosts(const Tensor& costs) : costs_(costs.contiguous()) {
    const auto [least, most] = at::aminmax(costs_);
    least_ = least.item<double>();
    const double range = most.item<double>() - least_;
    if (!std::isfinite(range)) fail("exact plan", "finite costs", "costs that are not finite");
    const auto nodes = static_cast<double>(costs.size(0) + costs.size(1));
    factor_ = range > 0 ? std::ldexp(1.0, 59) / nodes / range : 0;
    data_ = costs_.const_data_ptr<double>();
  }
  Value operator[](const Key& arc) const {
    return static_cast<Value>(std::llround((data_[arc.id] - least_) * factor_));
  }

 private:
  Tensor costs_;
  const double* data_;
  double least_, factor_;
};

/// Masses in units of 1 / lcm(n, m): each source sends m / gcd, each target takes n / gcd.
struct Supplies {
  int sources, per_source, per_target;
  int operator[](const CompleteBipartite::Node& node) const {
    return node.id < sources ? per_source : -per_target;
  }
};

DiscretePlan plan_of(const Simplex& simplex, const CompleteBipartite& graph, std::int64_t m,
                     double unit) {
  std::vector<std::int64_t> rows, columns;
  std::vector<double> mass;
  for (CompleteBipartite::ArcIt arc(graph); arc != lemon::INVALID; ++arc) {
    const int flow = simplex.flow(arc);
    if (flow == 0) continue;
    rows.push_back(arc.id / m);
    columns.push_back(arc.id % m);
    mass.push_back(flow * unit);
  }
  return {0, at::tensor(rows, at::kLong), at::tensor(columns, at::kLong),
          at::tensor(mass, at::kDouble)};
}

}  // namespace

DiscretePlan exact_plan(const Tensor& x, const Tensor& y, const Cost& cost) {
  check_points(x, y);
  const at::NoGradGuard no_graph;
  const Tensor from = x.to(at::kCPU, at::kDouble), to = y.to(at::kCPU, at::kDouble);
  const int n = static_cast<int>(x.size(0)), m = static_cast<int>(y.size(0));
  const int shared = std::gcd(n, m);
  const CompleteBipartite graph(n, m);
  // Mixed, because a block of the pivot search in the order of the cost matrix holds the arcs of
  // one source: on points in sorted order the simplex then takes 20 times as long.
  Simplex simplex(graph, /*arc_mixing=*/true);
  simplex.costMap(IntegerCosts(cost.matrix(from, to)))
      .supplyMap(Supplies{n, m / shared, n / shared});
  if (simplex.run(Simplex::BLOCK_SEARCH) != Simplex::OPTIMAL)
    throw Error("exact plan: the network simplex found no optimum");
  DiscretePlan plan =
      plan_of(simplex, graph, m,
              1 / (static_cast<double>(n) * static_cast<double>(m) / static_cast<double>(shared)));
  plan.cost = cost.between(from.index_select(0, plan.rows), to.index_select(0, plan.columns))
                  .dot(plan.mass)
                  .item<double>();
  return plan;
}

double exact_w2_squared(const Tensor& x, const Tensor& y) {
  return 2 * exact_plan(x, y, QuadraticCost()).cost;  // the cost is ½ |x - y|²
}

}  // namespace monge
