#include "solvers/ridge.h"

namespace monge {

Ridge::Ridge(State parameters)
    : parameters_(std::move(parameters)), strength_(at::zeros({}, at::kDouble)) {
  for (const auto& [name, parameter] : parameters_)
    began_[name] = at::zeros_like(parameter).detach();
}

void Ridge::begin(double strength) {
  copy_parameters(began_, parameters_, "ridge");
  strength_.fill_(strength);
}

void Ridge::add_to(const std::vector<Tensor>& derivatives) const {
  const auto strength = static_cast<float>(*strength_.const_data_ptr<double>());
  if (strength == 0) return;
  auto derivative = derivatives.begin();
  auto began = began_.begin();
  for (const auto& [name, parameter] : parameters_) {
    const float *now = parameter.const_data_ptr<float>(),
                *then = began->second.const_data_ptr<float>();
    float* sum = derivative->data_ptr<float>();
    for (std::int64_t i = 0; i < parameter.numel(); ++i) sum[i] += strength * (now[i] - then[i]);
    ++derivative;
    ++began;
  }
}

State Ridge::state() const {
  State state{{"strength", strength_}};
  insert_state(state, "began", began_);
  return state;
}

void Ridge::restore(const State& state) { copy_parameters(this->state(), state, "ridge"); }

}  // namespace monge
