#pragma once

#include <cstdint>
#include <vector>

namespace monge {

/// The basis of the network simplex for discrete transport: a spanning tree of the n sources
/// (nodes 0 to n - 1), the m targets (n to n + m - 1) and a root, with flows on its arcs, which go
/// from sources to targets or to the root, and potentials that give each tree arc the reduced cost
/// 0. Costs and masses are integers, so that nothing is ever rounded.
///
/// It stays strongly feasible (Cunningham 1976): arcs without flow point to the root. With the rule
/// of pivot() for ties the simplex then never cycles.
class SpanningTree {
 public:
  using Node = std::int32_t;
  using Integer = std::int64_t;

  SpanningTree(Node sources, Node targets);

  Node root() const { return static_cast<Node>(nodes_.size()) - 1; }
  Node parent(Node node) const { return nodes_[node].parent; }
  /// The flow on the arc between a node and its parent.
  Integer flow(Node node) const { return nodes_[node].flow; }
  /// u_i of source i, v_j of target n + j: u_i + v_j = c_ij on the tree.
  Integer potential(Node node) const { return potentials_[node]; }
  const Integer* potentials() const { return potentials_.data(); }

  /// Hangs a single node on a node of the tree by an arc of that flow and cost; then finish().
  void attach(Node node, Node parent, Integer flow, Integer cost);
  /// Counts subtrees, of a tree whose nodes were attached in this order.
  void finish(const std::vector<Node>& order);

  /// Brings the arc from source to target with this negative reduced cost into the tree.
  void pivot(Node source, Node target, Integer reduced_cost);

 private:
  struct Place {
    Node parent = -1, first_child = -1, next = -1, previous = -1;  // siblings are a list
    Node size = 1;                                                 // nodes of the subtree
    Integer flow = 0;
  };
  struct Leaving {
    Node node;  // the arc from it to its parent
    Integer flow;
    bool on_source_side;
  };

  bool is_source(Node node) const { return node < sources_; }
  Node common_ancestor(Node a, Node b) const;
  Leaving leaving_arc(Node source, Node target, Node top) const;
  void push(Node source, Node target, Node top, Integer flow);
  void link(Node node, Node parent);
  void unlink(Node node);
  void resize(Node from, Node top, Node by);
  void hang(Node node, Node last, Node parent, Integer flow);
  void shift(Node top, Node except, Integer by);

  Node sources_;
  std::vector<Place> nodes_;
  std::vector<Integer> potentials_;
  std::vector<Node> stack_;
};

}  // namespace monge
