#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

#include <span>
#include <string_view>
#include <vector>

namespace monge {

/// Indices 0..k-1 drawn with given probabilities at the price of one look-up: the alias method
/// (Walker 1977) with the tables of Vose 1991, "A linear algorithm for generating random numbers
/// with a given distribution".
class Categorical {
 public:
  /// `weights` [k]. Throws Error unless they are k finite non-negative numbers with a positive sum.
  Categorical(const Tensor& weights, std::int64_t k, std::string_view where);

  const Tensor& probabilities() const { return probabilities_; }  ///< [k] float64, sums to 1
  /// Right to 2^-64 k; an index of weight 0 is never drawn.
  void draw(std::span<std::int64_t> indices, Random& random) const;

 private:
  /// A column of equal mass: its own index below the level, the other one above.
  struct Column {
    std::uint64_t level;
    std::int64_t other;
  };
  void fill_columns();

  Tensor probabilities_;
  std::vector<Column> columns_;
};

}  // namespace monge
