#include "solvers/recorded_w2gn_step.h"

namespace monge {
namespace {

Tensor row_products(const Tensor& a, const Tensor& b) { return (a * b).sum(1); }

Tensor mean_square(const Tensor& rows) { return rows.square().sum(1).mean(); }

std::vector<Tensor> pair_parameters(const Potential& psi, const Potential& omega) {
  State pair;
  insert_state(pair, "psi", psi.parameters());
  insert_state(pair, "omega", omega.parameters());
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : pair) tensors.push_back(tensor);
  return tensors;
}

}  // namespace

RecordedW2gnStep::RecordedW2gnStep(std::shared_ptr<const Potential> psi,
                                   std::shared_ptr<const Potential> omega,
                                   const W2gnWeights& weights)
    : weights_(weights),
      psi_(std::move(psi)),
      omega_(std::move(omega)),
      parameters_(pair_parameters(*psi_, *omega_)) {
  for (const Tensor& parameter : parameters_)
    derivatives_.push_back(at::zeros_like(parameter).detach());
}

W2gnTerms RecordedW2gnStep::run(const Tensor& x, const Tensor& y) {
  const at::AutoGradMode graph(true);
  const Tensor back = omega_->gradient(y, Graph::create);
  const ValueAndGradient there = psi_->value_and_gradient(back, Graph::create);
  // Without its derivative in ∇omega(y): that of psi's value is ∇psi, which is taken off again.
  const Tensor at_back =
      weights_.detach ? there.value - row_products(back - back.detach(), there.gradient.detach())
                      : there.value;
  const Tensor inner = row_products(weights_.detach ? back.detach() : back, y) - at_back;
  const Tensor cycle = mean_square(there.gradient - y);
  Tensor at_source, source_cycle = at::zeros({}, x.options());
  if (weights_.source_cycle > 0) {
    const ValueAndGradient forth = psi_->value_and_gradient(x, Graph::create);
    at_source = forth.value;
    source_cycle = mean_square(omega_->gradient(forth.gradient, Graph::create) - x);
  } else {
    at_source = psi_->value(x, Graph::create);
  }
  const Tensor correlation = at_source.mean() + inner.mean();
  const Tensor total = correlation + weights_.cycle * cycle + weights_.source_cycle * source_cycle;
  const auto found = torch::autograd::grad({total}, parameters_);
  const at::NoGradGuard no_graph;
  for (std::size_t i = 0; i < found.size(); ++i) derivatives_[i].copy_(found[i]);
  return {correlation.item<double>(), cycle.item<double>(), source_cycle.item<double>()};
}

}  // namespace monge
