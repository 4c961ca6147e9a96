#include "discrete/first_basis.h"

namespace monge {
namespace {

using Node = SpanningTree::Node;
using Integer = SpanningTree::Integer;

struct Shipment {
  Node source, target;
  Integer flow, cost;
};

class Greedy {
 public:
  Greedy(std::span<const Integer> supplies, std::span<const Integer> demands)
      : supplies_(supplies.begin(), supplies.end()), demands_(demands.begin(), demands.end()) {}

  void along(const Shortlist& shortlist, const std::vector<double>& u,
             const std::vector<double>& v);
  void by_rows(const Shortlist& shortlist, const CostRows& costs, const std::vector<double>& v);
  const std::vector<Shipment>& shipments() const { return shipments_; }

 private:
  void ship(Node source, Node target, Integer cost) {
    const Integer flow = std::min(supplies_[source], demands_[target]);
    if (flow == 0) return;
    supplies_[source] -= flow;
    demands_[target] -= flow;
    shipments_.push_back({source, target, flow, cost});
  }

  std::vector<Integer> supplies_, demands_;
  std::vector<Shipment> shipments_;
};

void Greedy::along(const Shortlist& shortlist, const std::vector<double>& u,
                   const std::vector<double>& v) {
  struct Candidate {
    float reduced;
    Node source;
    Shortlist::Arc arc;
  };
  std::vector<Candidate> candidates;
  for (Node i = 0; i < static_cast<Node>(u.size()); ++i)
    for (const Shortlist::Arc& arc : shortlist.arcs(i)) {
      const double reduced = shortlist.cost(arc.cost) - u[i] - v[arc.target];
      candidates.push_back({static_cast<float>(reduced), i, arc});
    }
  std::ranges::stable_sort(candidates, {}, &Candidate::reduced);
  for (const Candidate& one : candidates) ship(one.source, one.arc.target, one.arc.cost);
}

void Greedy::by_rows(const Shortlist& shortlist, const CostRows& costs,
                     const std::vector<double>& v) {
  std::vector<Node> open;
  for (Node j = 0; j < static_cast<Node>(demands_.size()); ++j)
    if (demands_[j] > 0) open.push_back(j);
  CostRows::Buffer buffer;
  for (Node i = 0; i < static_cast<Node>(supplies_.size()); ++i) {
    if (supplies_[i] == 0) continue;
    const double* row = costs.rows(i, 1, buffer);
    while (supplies_[i] > 0) {
      const auto cheapest =
          std::ranges::min_element(open, {}, [&](Node j) { return row[j] - v[j]; });
      ship(i, *cheapest, shortlist.whole(row[*cheapest]));
      if (demands_[*cheapest] > 0) continue;
      *cheapest = open.back();
      open.pop_back();
    }
  }
}

/// The shipments by the nodes they touch.
std::vector<std::vector<Shipment>> by_node(const std::vector<Shipment>& shipments, Node sources,
                                           Node targets) {
  std::vector<std::vector<Shipment>> touching(static_cast<std::size_t>(sources + targets));
  for (const Shipment& one : shipments) {
    touching[one.source].push_back(one);
    touching[sources + one.target].push_back(one);
  }
  return touching;
}

SpanningTree tree_of(const std::vector<Shipment>& shipments, Node sources, Node targets,
                     const std::function<Integer(Node)>& price) {
  const auto touching = by_node(shipments, sources, targets);
  SpanningTree tree(sources, targets);
  std::vector<Node> order;
  order.reserve(touching.size());
  for (Node i = 0; i < sources; ++i) {
    if (tree.parent(i) >= 0) continue;
    tree.attach(i, tree.root(), 0, price(i));
    order.push_back(i);
    for (std::size_t next = order.size() - 1; next < order.size(); ++next) {
      const Node node = order[next];
      for (const Shipment& one : touching[node]) {
        const Node other = node < sources ? sources + one.target : one.source;
        if (other == tree.parent(node)) continue;
        tree.attach(other, node, one.flow, one.cost);
        order.push_back(other);
      }
    }
  }
  tree.finish(order);
  return tree;
}

}  // namespace

SpanningTree first_basis(const Shortlist& shortlist, const CostRows& costs,
                         std::span<const Integer> supplies, std::span<const Integer> demands,
                         const std::vector<double>& u, const std::vector<double>& v) {
  Greedy greedy(supplies, demands);
  greedy.along(shortlist, u, v);
  greedy.by_rows(shortlist, costs, v);
  return tree_of(greedy.shipments(), static_cast<Node>(supplies.size()),
                 static_cast<Node>(demands.size()), [&](Node i) { return shortlist.whole(u[i]); });
}

}  // namespace monge
