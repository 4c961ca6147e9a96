#pragma once

#include "monge/tensor.h"

#include <vector>

namespace monge {

/// The weights of the terms of W2GN's objective.
struct W2gnWeights {
  double cycle = 1;
  double source_cycle = 0;
  bool detach = true;
};

/// Means over the batch.
struct W2gnTerms {
  double correlation = 0, cycle = 0, source_cycle = 0;
};

/// W2GN's objective on a batch and its derivatives in all parameters of both potentials.
class W2gnObjective {
 public:
  virtual ~W2gnObjective() = default;

  /// `x` and `y` [n, d], float32, contiguous.
  virtual W2gnTerms run(const Tensor& x, const Tensor& y) = 0;

  /// d total / d parameter, parallel to the parameters named psi.* and omega.* in that order of
  /// names; overwritten by the next run().
  virtual const std::vector<Tensor>& derivatives() const = 0;
};

}  // namespace monge
