#pragma once

#include "monge/tensor.h"

#include <utility>
#include <vector>

namespace monge {

/// While it lives, the tensors that required a gradient do not: what is built on them records
/// nothing for their sake.
class Frozen {
 public:
  explicit Frozen(const State& parameters) {
    for (const auto& [name, parameter] : parameters)
      if (parameter.requires_grad()) frozen_.push_back(parameter);
    for (const Tensor& parameter : frozen_) parameter.set_requires_grad(false);
  }
  ~Frozen() {
    for (const Tensor& parameter : frozen_) parameter.set_requires_grad(true);
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  std::vector<Tensor> frozen_;
};

}  // namespace monge
