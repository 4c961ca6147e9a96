#pragma once

#include "monge/tensor.h"

namespace monge {

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

/// Adam (Kingma & Ba 2014) on named parameters, updated in one fused pass.
class Adam {
 public:
  Adam(State parameters, AdamOptions options);

  /// One update from the gradients (parallel to the parameters in the order of their names), with
  /// the learning rate multiplied by `rate`.
  void step(const std::vector<Tensor>& gradients, double rate);

  const std::vector<Tensor>& parameters() const { return parameters_; }
  State state() const;
  void restore(const State& state);

 private:
  AdamOptions options_;
  std::vector<std::string> names_;
  std::vector<Tensor> parameters_, first_, second_, steps_;
};

}  // namespace monge
