#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace monge {

/// Mini-batches of two finite sets of points that lie alike, X and X^ = x^(Y), so that sums over
/// the one and over the other have noise in common, which cancels in E δ(X) - E δ(X^).
///
/// Both sets are halved again and again, at the medians of the same coordinates, the widest of the
/// part of X; points that fall into the same cell stand at the same place of the two orders. A
/// batch takes one place in every share of 1 / B of the orders, the same of both, from one random
/// offset: each point is drawn with the same probability.
class CoupledBatches {
 public:
  explicit CoupledBatches(std::uint64_t seed) : random_(seed, "coupled batches") {}

  /// Orders `x` [n, d] and `other` [m, d], float32, contiguous.
  void order(const Tensor& x, const Tensor& other);
  /// Whether there is an order of n and m points.
  bool orders(std::int64_t n, std::int64_t m) const {
    return std::ssize(order_) == n && std::ssize(other_order_) == m;
  }
  /// Batches drawn since the last order.
  std::int64_t drawn() const { return drawn_; }

  /// Draws the rows of the next `n` points of each set.
  void draw(std::int64_t n);
  std::span<const std::int64_t> first() const { return rows_; }
  std::span<const std::int64_t> second() const { return other_rows_; }

  State state() const;
  /// Throws Error on what is no state.
  void restore(const State& state);

 private:
  Random random_;
  std::int64_t drawn_ = 0;
  std::vector<std::int64_t> order_, other_order_;
  std::vector<std::int64_t> rows_, other_rows_;
};

}  // namespace monge
