#include "monge/network_map.h"

#include "monge/error.h"

namespace monge {

NetworkMap::NetworkMap(std::shared_ptr<const Network> network, bool residual, AffineFrame frame)
    : network_(std::move(network)), residual_(residual), frame_(std::move(frame)) {
  const std::int64_t d = frame_.from.size(0);
  if (network_->inputs() != d || network_->outputs() != d)
    fail("map", fmt::format("a network from {0} to {0} dimensions", d),
         fmt::format("one from {} to {}", network_->inputs(), network_->outputs()));
}

Tensor NetworkMap::transport(const Tensor& x) const {
  const at::NoGradGuard no_graph;
  const Tensor inside = frame_.enter(x);
  const Tensor moved = network_->forward(inside, Graph::none);
  return frame_.leave(residual_ ? moved + inside : moved);
}

StochasticNetworkMap::StochasticNetworkMap(std::shared_ptr<const Network> network, bool residual)
    : network_(std::move(network)), residual_(residual) {
  if (network_->inputs() <= network_->outputs())
    fail("map", "a network with noise among its inputs",
         fmt::format("{} inputs for {} outputs", network_->inputs(), network_->outputs()));
}

Tensor StochasticNetworkMap::transport(const Tensor& x, const Tensor& z) const {
  const at::NoGradGuard no_graph;
  const Tensor moved = network_->forward(at::cat({x, z}, 1), Graph::none);
  return residual_ ? moved + x : moved;
}

}  // namespace monge
