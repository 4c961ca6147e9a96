#pragma once

#include "monge/networks/network.h"
#include "monge/transport_map.h"

#include <memory>

namespace monge {

/// T(x) = F(x) or x + F(x), F a free network, in affine coordinates: with x~ = M (x - from) / c,
/// T(x) = to + c Mᵀ t(x~). In the identity frame that is F itself.
class NetworkMap final : public TransportMap {
 public:
  /// `residual`: whether x is added to the network's output. Throws Error on a network whose inputs
  /// or outputs are not the frame's dimension.
  NetworkMap(std::shared_ptr<const Network> network, bool residual, AffineFrame frame);

  std::int64_t dimension() const override { return network_->outputs(); }
  Tensor transport(const Tensor& x) const override;

  const Network& network() const { return *network_; }
  bool residual() const { return residual_; }
  const AffineFrame& frame() const { return frame_; }

 private:
  std::shared_ptr<const Network> network_;
  bool residual_;
  AffineFrame frame_;
};

/// T(x, z) = F(x, z) or x + F(x, z), the noise z standing behind x in the network's inputs (Korotin
/// et al. 2023, section 4.1).
class StochasticNetworkMap final : public StochasticMap {
 public:
  StochasticNetworkMap(std::shared_ptr<const Network> network, bool residual);

  std::int64_t dimension() const override { return network_->outputs(); }
  std::int64_t noise_dimension() const override { return network_->inputs() - dimension(); }
  Tensor transport(const Tensor& x, const Tensor& z) const override;

  const Network& network() const { return *network_; }
  bool residual() const { return residual_; }

 private:
  std::shared_ptr<const Network> network_;
  bool residual_;
};

}  // namespace monge
