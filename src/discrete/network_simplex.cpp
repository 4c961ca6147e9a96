#include "discrete/network_simplex.h"

#include "discrete/first_basis.h"
#include "discrete/shortlist.h"
#include "discrete/spanning_tree.h"

#include <numeric>
#include <random>

namespace monge {
namespace {

using Node = SpanningTree::Node;
using Integer = SpanningTree::Integer;

constexpr std::int64_t block = 20;  // sources whose arcs are compared for one pivot
constexpr std::size_t nearest = 12, added_at_once = 10;

class Simplex {
 public:
  Simplex(const CostRows& costs, std::span<const Integer> supplies,
          std::span<const Integer> demands, const Tensor& guess);

  /// Pivots until no arc of the shortlist has a negative reduced cost.
  void run_on_shortlist();
  /// Whether the shortlist has grown: some arc outside it had a negative reduced cost.
  bool grow();
  SimplexSolution solution();

 private:
  struct Entering {
    Node source = -1, target = -1;
    Integer reduced_cost = 0;
  };
  void price(Node source, Entering& best) const;
  void read_potentials();

  Node sources_;
  Shortlist shortlist_;
  std::vector<double> u_, v_;
  SpanningTree tree_;
  std::vector<Node> order_;
  std::size_t turn_ = 0;
  SimplexSolution solution_{};
};

std::vector<double> numbers(const Tensor& tensor) {
  const double* data = tensor.const_data_ptr<double>();
  return {data, data + tensor.size(0)};
}

Simplex::Simplex(const CostRows& costs, std::span<const Integer> supplies,
                 std::span<const Integer> demands, const Tensor& guess)
    : sources_(static_cast<Node>(supplies.size())),
      shortlist_(costs),
      v_(numbers(guess)),
      tree_([&] {
        // A source that supplies many targets needs as many arcs.
        u_ = shortlist_.add_nearest(v_, nearest + 2 * (demands.size() / supplies.size()));
        return first_basis(shortlist_, costs, supplies, demands, u_, v_);
      }()),
      order_(supplies.size()) {
  // Points come in some order, often sorted; pivots in that order are many times as many.
  std::iota(order_.begin(), order_.end(), 0);
  // The same one each time: a plan depends on nothing but its points.
  std::shuffle(order_.begin(), order_.end(), std::mt19937(1));  // NOLINT(*-random-generator-seed)
}

void Simplex::price(Node source, Entering& best) const {
  const Integer u = tree_.potential(source);
  const Integer* v = tree_.potentials() + sources_;
  for (const Shortlist::Arc& arc : shortlist_.arcs(source)) {
    const Integer reduced = arc.cost - u - v[arc.target];
    if (reduced < best.reduced_cost) best = {source, sources_ + arc.target, reduced};
  }
}

void Simplex::run_on_shortlist() {
  for (std::size_t fruitless = 0; fruitless < order_.size();) {
    Entering best;
    for (std::int64_t i = 0; i < block && fruitless < order_.size(); ++i, ++fruitless) {
      price(order_[turn_], best);
      turn_ = turn_ + 1 == order_.size() ? 0 : turn_ + 1;
    }
    if (best.source < 0) continue;
    tree_.pivot(best.source, best.target, best.reduced_cost);
    ++solution_.pivots;
    fruitless = 0;
  }
}

void Simplex::read_potentials() {
  for (std::size_t i = 0; i < u_.size(); ++i)
    u_[i] = shortlist_.cost(tree_.potential(static_cast<Node>(i)));
  for (std::size_t j = 0; j < v_.size(); ++j)
    v_[j] = shortlist_.target_potential(tree_.potential(sources_ + static_cast<Node>(j)));
}

bool Simplex::grow() {
  read_potentials();
  Shortlist::Priced priced = shortlist_.add_below(u_, v_, added_at_once);
  ++solution_.rounds;
  if (priced.added > 0) return true;
  u_ = std::move(priced.least);
  return false;
}

SimplexSolution Simplex::solution() {
  std::vector<std::array<Integer, 3>> arcs;
  for (Node node = 0; node < tree_.root(); ++node) {
    const Node parent = tree_.parent(node);
    if (tree_.flow(node) > 0)
      arcs.push_back({std::min(node, parent), std::max(node, parent) - sources_, tree_.flow(node)});
  }
  std::ranges::sort(arcs);
  for (const auto& [row, column, flow] : arcs) {
    solution_.rows.push_back(row);
    solution_.columns.push_back(column);
    solution_.flows.push_back(flow);
  }
  solution_.source_potential = std::move(u_);
  solution_.target_potential = std::move(v_);
  return std::move(solution_);
}

}  // namespace

SimplexSolution network_simplex(const CostRows& costs, std::span<const Integer> supplies,
                                std::span<const Integer> demands, const Tensor& guess) {
  Simplex simplex(costs, supplies, demands, guess);
  do simplex.run_on_shortlist();
  while (simplex.grow());
  return simplex.solution();
}

}  // namespace monge
