#pragma once

#include "monge/networks/image_network.h"
#include "monge/transport_map.h"

#include <memory>

namespace monge {

/// T(x) = F(x) or x + F(x) for images, F a UNet normalised by its running moments (Korotin et al.
/// 2023, section 5) or a SongUNet. Points are rows [n, c h w].
class UNetMap final : public TransportMap {
 public:
  /// `residual`: whether x is added to the network's output. Throws Error on a network with noise.
  UNetMap(std::shared_ptr<const ImageNetwork> network, bool residual);

  std::int64_t dimension() const override;
  Tensor transport(const Tensor& x) const override;

  const ImageNetwork& network() const { return *network_; }
  bool residual() const { return residual_; }

 private:
  std::shared_ptr<const ImageNetwork> network_;
  bool residual_;
};

/// T(x, z) = F(x, noise_scale · z) or x + F(x, noise_scale · z), the noise z as further channels of
/// the image, its rows [n, noise_channels h w] (Korotin et al. 2023, section 5).
class StochasticUNetMap final : public StochasticMap {
 public:
  /// Throws Error on a network without noise and a scale that is not positive.
  StochasticUNetMap(std::shared_ptr<const ImageNetwork> network, bool residual, double noise_scale);

  std::int64_t dimension() const override;
  std::int64_t noise_dimension() const override;
  using StochasticMap::transport;
  Tensor transport(const Tensor& x, const Tensor& z) const override;

  const ImageNetwork& network() const { return *network_; }
  bool residual() const { return residual_; }
  double noise_scale() const { return noise_scale_; }

 private:
  std::shared_ptr<const ImageNetwork> network_;
  bool residual_;
  double noise_scale_;
};

}  // namespace monge
