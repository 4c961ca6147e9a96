#include "monge/unet_map.h"

#include "monge/error.h"

namespace monge {
namespace {

std::int64_t numbers_of(const ImageNetwork& network, std::int64_t channels) {
  return channels * network.shape().size * network.shape().size;
}

/// F of the inputs in blocks, so that memory does not grow with n, wherever the network is.
template <class Inputs>
Tensor in_blocks(const ImageNetwork& network, const Tensor& x, bool residual, Inputs inputs) {
  constexpr std::int64_t pixels = 1 << 16;
  const at::NoGradGuard no_graph;
  const std::int64_t size = network.shape().size;
  const std::int64_t block = std::max<std::int64_t>(pixels / (size * size), 1);
  const at::Device device = network.parameters().begin()->second.device();
  Tensor mapped = at::empty_like(x, at::MemoryFormat::Contiguous);
  for (std::int64_t from = 0; from < x.size(0); from += block) {
    const std::int64_t count = std::min(block, x.size(0) - from);
    mapped.narrow(0, from, count)
        .copy_(network.forward(inputs(from, count).to(device), Graph::none));
  }
  return residual ? mapped.add_(x) : mapped;
}

}  // namespace

UNetMap::UNetMap(std::shared_ptr<const ImageNetwork> network, bool residual)
    : network_(std::move(network)), residual_(residual) {
  if (network_->shape().noise_channels > 0)
    fail("map", "a network without noise channels",
         fmt::format("{} of them", network_->shape().noise_channels));
}

std::int64_t UNetMap::dimension() const {
  return numbers_of(*network_, network_->shape().channels);
}

Tensor UNetMap::transport(const Tensor& x) const {
  return in_blocks(*network_, x, residual_,
                   [&](std::int64_t from, std::int64_t count) { return x.narrow(0, from, count); });
}

StochasticUNetMap::StochasticUNetMap(std::shared_ptr<const ImageNetwork> network, bool residual,
                                     double noise_scale)
    : network_(std::move(network)), residual_(residual), noise_scale_(noise_scale) {
  if (network_->shape().noise_channels < 1)
    fail("map", "a network with noise channels", "one without");
  if (!(noise_scale > 0 && std::isfinite(noise_scale)))
    fail("map", "a positive noise scale", fmt::format("{}", noise_scale));
}

std::int64_t StochasticUNetMap::dimension() const {
  return numbers_of(*network_, network_->shape().channels);
}

std::int64_t StochasticUNetMap::noise_dimension() const {
  return numbers_of(*network_, network_->shape().noise_channels);
}

Tensor StochasticUNetMap::transport(const Tensor& x, const Tensor& z) const {
  return in_blocks(*network_, x, residual_, [&](std::int64_t from, std::int64_t count) {
    return at::cat({x.narrow(0, from, count), z.narrow(0, from, count) * noise_scale_}, 1);
  });
}

}  // namespace monge
