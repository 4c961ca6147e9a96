#pragma once

#include <lemon/core.h>

#include <vector>

namespace monge {

/// The complete bipartite digraph with arcs from each of n sources to each of m targets, as LEMON's
/// algorithms want it. Nothing is stored: the arc from i to j is number i m + j. LEMON has none of
/// its own, and SmartDigraph would hold 16 bytes an arc.
class CompleteBipartite {
 public:
  template <class Tag>
  struct Item {
    int id = -1;
    Item() = default;
    explicit Item(int number) : id(number) {}
    Item(lemon::Invalid) {}
    bool operator==(const Item& other) const { return id == other.id; }
    bool operator!=(const Item& other) const { return id != other.id; }
    bool operator<(const Item& other) const { return id < other.id; }
  };
  using Node = Item<struct NodeTag>;
  using Arc = Item<struct ArcTag>;

  CompleteBipartite(int sources, int targets) : sources_(sources), targets_(targets) {}

  using NodeNumTag = lemon::True;
  using ArcNumTag = lemon::True;
  int nodeNum() const { return sources_ + targets_; }
  int arcNum() const { return sources_ * targets_; }
  Node source(const Arc& arc) const { return Node(arc.id / targets_); }
  Node target(const Arc& arc) const { return Node(sources_ + arc.id % targets_); }

  /// Numbers from `first` in steps of `step` while below `end`.
  template <class Of>
  class Range : public Of {
   public:
    Range(lemon::Invalid) {}
    Range(int first, int end, int step) : Of(first < end ? first : -1), end_(end), step_(step) {}
    Range& operator++() {
      this->id = this->id < end_ - step_ ? this->id + step_ : -1;
      return *this;
    }

   private:
    int end_ = 0, step_ = 1;
  };
  struct NodeIt : Range<Node> {
    using Range<Node>::Range;
    explicit NodeIt(const CompleteBipartite& graph) : Range<Node>(0, graph.nodeNum(), 1) {}
  };
  struct ArcIt : Range<Arc> {
    using Range<Arc>::Range;
    explicit ArcIt(const CompleteBipartite& graph) : Range<Arc>(0, graph.arcNum(), 1) {}
  };
  struct OutArcIt : Range<Arc> {
    using Range<Arc>::Range;
    OutArcIt(const CompleteBipartite& graph, const Node& node)
        : Range<Arc>(node.id < graph.sources_ ? node.id * graph.targets_ : graph.arcNum(),
                     node.id < graph.sources_ ? (node.id + 1) * graph.targets_ : 0, 1) {}
  };
  struct InArcIt : Range<Arc> {
    using Range<Arc>::Range;
    InArcIt(const CompleteBipartite& graph, const Node& node)
        : Range<Arc>(node.id >= graph.sources_ ? node.id - graph.sources_ : 0,
                     node.id >= graph.sources_ ? graph.arcNum() : 0, graph.targets_) {}
  };

  template <class Key, class Value>
  class Map {
   public:
    explicit Map(std::size_t size, Value value = Value()) : values_(size, value) {}
    typename std::vector<Value>::reference operator[](const Key& key) {
      return values_[static_cast<std::size_t>(key.id)];
    }
    typename std::vector<Value>::const_reference operator[](const Key& key) const {
      return values_[static_cast<std::size_t>(key.id)];
    }

   private:
    std::vector<Value> values_;
  };
  template <class Value>
  struct NodeMap : Map<Node, Value> {
    explicit NodeMap(const CompleteBipartite& graph, Value value = Value())
        : Map<Node, Value>(static_cast<std::size_t>(graph.nodeNum()), value) {}
  };
  template <class Value>
  struct ArcMap : Map<Arc, Value> {
    explicit ArcMap(const CompleteBipartite& graph, Value value = Value())
        : Map<Arc, Value>(static_cast<std::size_t>(graph.arcNum()), value) {}
  };

 private:
  int sources_, targets_;
};

}  // namespace monge
