#pragma once

#include "monge/tensor.h"

namespace monge {

/// Anderson's acceleration of a fixed-point iteration z <- G(z) (Walker and Ni 2011, section 2):
/// the combination of the last images whose residuals G(z) - z cancel best.
class Anderson {
 public:
  explicit Anderson(std::int64_t depth) : depth_(depth) {}

  /// The next point from z and G(z), both float64 [m]; G(z) itself where nothing is remembered.
  Tensor next(const Tensor& point, const Tensor& image);
  void forget();

 private:
  std::int64_t depth_, count_ = 0;
  Tensor last_residual_, last_image_, residual_steps_, image_steps_;  // steps: [depth, m]
};

}  // namespace monge
