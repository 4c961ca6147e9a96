#include "monge/adam.h"

#include "monge/error.h"

namespace monge {

Adam::Adam(State parameters, AdamOptions options) : options_(options) {
  for (auto& [name, parameter] : parameters) {
    names_.push_back(name);
    parameters_.push_back(parameter);
    first_.push_back(at::zeros_like(parameter).detach());
    second_.push_back(at::zeros_like(parameter).detach());
    steps_.push_back(at::zeros({}, at::kFloat));
  }
}

void Adam::step(const std::vector<Tensor>& gradients, double rate) {
  const at::NoGradGuard no_graph;
  for (Tensor& count : steps_) count.add_(1);
  at::_fused_adam_(parameters_, gradients, first_, second_, {}, steps_,
                   options_.learning_rate * rate, options_.beta1, options_.beta2,
                   /*weight_decay=*/0, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
}

State Adam::state() const {
  State state;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    state["first." + names_[i]] = first_[i];
    state["second." + names_[i]] = second_[i];
    state["steps." + names_[i]] = steps_[i];
  }
  return state;
}

void Adam::restore(const State& state) {
  const at::NoGradGuard no_graph;
  for (auto& [name, mine] : this->state()) {
    const Tensor& stored = require_tensor(state, name, "optimiser");
    if (stored.sizes() != mine.sizes())
      fail("optimiser: tensor '" + name + "'", shape_text(mine), shape_text(stored));
    mine.copy_(stored);
  }
}

}  // namespace monge
