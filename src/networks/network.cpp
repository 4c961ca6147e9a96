#include "monge/networks/network.h"

#include "monge/error.h"

namespace monge {

ValueAndGradient differentiate(const Network& network, const Tensor& x, Graph graph) {
  const at::AutoGradMode mode(true);
  const Tensor points = x.requires_grad() ? x : x.detach().requires_grad_(true);
  const Tensor value = network.forward(points, Graph::create).squeeze(1);
  const bool keep = graph == Graph::create;
  const Tensor gradient = torch::autograd::grad({value.sum()}, {points}, {}, keep, keep).front();
  return keep ? ValueAndGradient{value, gradient}
              : ValueAndGradient{value.detach(), gradient.detach()};
}

NetworkPotential::NetworkPotential(std::shared_ptr<AutogradNetwork> network)
    : network_(std::move(network)) {
  if (network_->outputs() != 1)
    fail("potential", "a network with one output", fmt::format("{}", network_->outputs()));
}

Tensor NetworkPotential::value(const Tensor& x, Graph graph) const {
  return network_->forward(x, graph).squeeze(1);
}

ValueAndGradient NetworkPotential::value_and_gradient(const Tensor& x, Graph graph) const {
  return differentiate(*network_, x, graph);
}

}  // namespace monge
