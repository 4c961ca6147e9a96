#pragma once

#include "monge/tensor.h"

#include <vector>

namespace monge {

/// λ/2 |θ - θ₀|² around the parameters θ₀ that training began with (L2-SP, Li et al. 2018). What
/// few points speak for stays where it began: their noise alone would move it, and an optimiser
/// that scales every number by itself would move it as far as any other.
class Ridge {
 public:
  /// Of the parameters, which stay the caller's; λ = 0 until begin().
  explicit Ridge(State parameters);

  /// Takes the parameters as they are for θ₀.
  void begin(double strength);
  /// Adds λ (θ - θ₀) to the derivatives, parallel to the parameters in the order of their names.
  void add_to(const std::vector<Tensor>& derivatives) const;

  State state() const;
  /// Throws Error where it is not the state of such parameters.
  void restore(const State& state);

 private:
  State parameters_, began_;
  Tensor strength_;  // [], float64
};

}  // namespace monge
