#pragma once

#include "monge/measure.h"
#include "monge/tensor.h"

#include <cstdint>

namespace monge {

/// Mean and unbiased covariance of points that come in blocks, in float64: sums around the mean of
/// the first block, so that an offset costs no digits.
class MomentSums {
 public:
  /// Points [n, d]; throws Error on another d than that of the points before.
  void add(const Tensor& points);
  std::int64_t count() const { return count_; }
  /// Of all points so far, at least one (which has no variance); throws Error where a value is not
  /// finite.
  Moments moments() const;

 private:
  std::int64_t count_ = 0;
  Tensor origin_, sum_, products_;
};

}  // namespace monge
