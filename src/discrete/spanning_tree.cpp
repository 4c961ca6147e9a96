#include "discrete/spanning_tree.h"

#include <limits>
#include <utility>

namespace monge {

using Node = SpanningTree::Node;
using Integer = SpanningTree::Integer;

SpanningTree::SpanningTree(Node sources, Node targets)
    : sources_(sources),
      nodes_(static_cast<std::size_t>(sources) + static_cast<std::size_t>(targets) + 1),
      potentials_(nodes_.size(), 0) {}

void SpanningTree::attach(Node node, Node parent, Integer flow, Integer cost) {
  link(node, parent);
  nodes_[node].flow = flow;
  potentials_[node] = cost - potentials_[parent];
}

void SpanningTree::finish(const std::vector<Node>& order) {
  for (auto node = order.rbegin(); node != order.rend(); ++node)
    nodes_[parent(*node)].size += nodes_[*node].size;
}

void SpanningTree::link(Node node, Node parent) {
  Place& place = nodes_[node];
  place.parent = parent;
  place.previous = -1;
  place.next = nodes_[parent].first_child;
  if (place.next >= 0) nodes_[place.next].previous = node;
  nodes_[parent].first_child = node;
}

void SpanningTree::unlink(Node node) {
  const Place& place = nodes_[node];
  if (place.previous >= 0)
    nodes_[place.previous].next = place.next;
  else
    nodes_[place.parent].first_child = place.next;
  if (place.next >= 0) nodes_[place.next].previous = place.previous;
}

Node SpanningTree::common_ancestor(Node a, Node b) const {
  while (a != b)  // the smaller subtree does not contain the other node
    if (nodes_[a].size < nodes_[b].size)
      a = nodes_[a].parent;
    else
      b = nodes_[b].parent;
  return a;
}

// The flow goes from the top down to the source, over the entering arc and from the target up to
// the top. Of the arcs that it empties first, the last one on this way leaves.
SpanningTree::Leaving SpanningTree::leaving_arc(Node source, Node target, Node top) const {
  Leaving leaving{-1, std::numeric_limits<Integer>::max(), true};
  for (Node node = source; node != top; node = parent(node))
    if (is_source(node) && flow(node) < leaving.flow) leaving = {node, flow(node), true};
  for (Node node = target; node != top; node = parent(node))
    if (!is_source(node) && flow(node) <= leaving.flow) leaving = {node, flow(node), false};
  return leaving;
}

void SpanningTree::push(Node source, Node target, Node top, Integer flow) {
  if (flow == 0) return;
  for (Node node = source; node != top; node = parent(node))
    nodes_[node].flow += is_source(node) ? -flow : flow;
  for (Node node = target; node != top; node = parent(node))
    nodes_[node].flow += is_source(node) ? flow : -flow;
}

void SpanningTree::resize(Node from, Node top, Node by) {
  for (Node node = from; node != top; node = parent(node)) nodes_[node].size += by;
}

/// Turns the arcs between `node` and its ancestor `last` round and hangs `node`, which has become
/// the top of that subtree, on `parent`.
void SpanningTree::hang(Node node, Node last, Node parent, Integer flow) {
  const Node whole = nodes_[last].size;
  Node below = 0;
  for (bool done = false; !done;) {
    Place& place = nodes_[node];
    const Node above = place.parent, old_size = place.size;
    done = node == last;
    unlink(node);
    link(node, parent);
    std::swap(place.flow, flow);
    place.size = whole - below;
    below = old_size;
    parent = node;
    node = above;
  }
}

/// Adds to the u, and takes from the v, of the subtree of `top` without that of `except`.
void SpanningTree::shift(Node top, Node except, Integer by) {
  stack_.assign(1, top);
  while (!stack_.empty()) {
    const Node node = stack_.back();
    stack_.pop_back();
    if (node == except) continue;
    potentials_[node] += is_source(node) ? by : -by;
    for (Node child = nodes_[node].first_child; child >= 0; child = nodes_[child].next)
      stack_.push_back(child);
  }
}

void SpanningTree::pivot(Node source, Node target, Integer reduced_cost) {
  const Node top = common_ancestor(source, target);
  const Leaving leaving = leaving_arc(source, target, top);
  push(source, target, top, leaving.flow);
  const Node moved = leaving.on_source_side ? source : target;
  const Node kept = leaving.on_source_side ? target : source;
  const Node size = nodes_[leaving.node].size;
  resize(parent(leaving.node), top, -size);
  hang(moved, leaving.node, kept, leaving.flow);
  resize(kept, top, size);
  // Only differences count: whichever side of the entering arc is smaller moves.
  const Integer by = leaving.on_source_side ? reduced_cost : -reduced_cost;
  if (size <= root() / 2)
    shift(moved, -1, by);
  else
    shift(root(), moved, -by);
}

}  // namespace monge
