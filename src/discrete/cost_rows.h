#pragma once

#include "monge/cost.h"
#include "monge/tensor.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace monge {

/// The cost matrix of discrete transport by blocks of rows, stored or computed each time.
///
/// The quadratic cost is taken between points that are centred apart, which changes it by a number
/// for each row and each column: c(x_i, y_j) = row(i)[j] + source_shift[i] + target_shift[j]. So
/// neither its size nor its rounding grows with the distance between the clouds.
class CostRows {
 public:
  using Buffer = std::vector<double>;

  /// Points x [n, d] and y [m, d], float64 on the processor. `most_stored` bounds the pairs that
  /// are stored; few coordinates are computed again anyway, which is faster than to read them.
  CostRows(const Tensor& x, const Tensor& y, const Cost& cost,
           std::int64_t most_stored = std::int64_t{1} << 27);

  std::int64_t sources() const { return sources_; }
  std::int64_t targets() const { return targets_; }
  bool stored() const { return matrix_.defined(); }

  /// Rows that are taken at once: enough to share the loads of y, few enough to stay in cache.
  std::int64_t block() const { return block_; }
  /// Rows first to first + count, at most block(), of m numbers each; in `buffer` unless stored.
  const double* rows(std::int64_t first, std::int64_t count, Buffer& buffer) const;
  /// work(i, row) for every i, in parallel over blocks.
  template <class Work>
  void for_each_row(const Work& work) const;

  double least() const { return least_; }           ///< no cost is below
  double largest() const { return largest_; }       ///< no cost is above
  double spread() const { return mean_ - least_; }  ///< of the mean cost over the least

  const Tensor& source_shift() const { return source_shift_; }  ///< float64 [n]
  const Tensor& target_shift() const { return target_shift_; }  ///< float64 [m]

 private:
  void center(const Tensor& x, const Tensor& y);
  void measure();
  void store();
  void compute(std::int64_t first, std::int64_t count, double* out) const;
  std::int64_t blocks() const { return (sources_ + block_ - 1) / block_; }
  /// A thread takes at least 2^17 pairs, a fifth of a millisecond.
  std::int64_t grain() const { return std::max<std::int64_t>((1 << 17) / (block_ * targets_), 1); }
  /// work(first, count, buffer) for every block of rows, in parallel.
  template <class Work>
  void for_each_block(const Work& work) const;

  const Cost& cost_;
  bool quadratic_;
  std::int64_t sources_, targets_, block_;
  Tensor x_, y_, y_transposed_, matrix_, source_shift_, target_shift_;
  double least_ = 0, largest_ = 0, mean_ = 0;
};

template <class Work>
void CostRows::for_each_block(const Work& work) const {
  at::parallel_for(0, blocks(), grain(), [&](std::int64_t from, std::int64_t to) {
    Buffer buffer;
    for (std::int64_t b = from; b < to; ++b)
      work(b * block_, std::min(block_, sources_ - b * block_), buffer);
  });
}

template <class Work>
void CostRows::for_each_row(const Work& work) const {
  for_each_block([&](std::int64_t first, std::int64_t count, Buffer& buffer) {
    const double* row = rows(first, count, buffer);
    for (std::int64_t i = first; i < first + count; ++i, row += targets_) work(i, row);
  });
}

}  // namespace monge
