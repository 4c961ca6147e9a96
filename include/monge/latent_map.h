#pragma once

#include "monge/measure.h"
#include "monge/transport_map.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace monge {

class Autoencoder;

/// Where measures meet the latent space of an autoencoder: a side of data is encoded, and the other
/// one, where there is one, is of the latent space itself.
struct LatentSpace {
  std::shared_ptr<const Autoencoder> autoencoder;
  bool source_is_data = true;
  bool target_is_data = true;

  std::int64_t dimension() const;  ///< of a code
  /// The space of the inverse maps.
  LatentSpace reversed() const { return {autoencoder, target_is_data, source_is_data}; }
};

/// The law of E(x) for x of a measure of data: an ArrayMeasure where that is finite.
std::shared_ptr<const Measure> encoded(const std::shared_ptr<const Measure>& measure,
                                       const std::shared_ptr<const Autoencoder>& autoencoder);

/// x -> D(T(E(x))) of a map T between codes, without E or D on a side of the latent space.
class LatentMap final : public TransportMap {
 public:
  /// Throws Error where `map` is not of the latent dimension.
  LatentMap(std::shared_ptr<const TransportMap> map, LatentSpace space);

  std::int64_t dimension() const override;
  std::vector<std::int64_t> shape() const override;
  std::vector<std::int64_t> target_shape() const override;
  Tensor transport(const Tensor& x) const override;
  /// D of where E(x) is on its way.
  Tensor at_time(const Tensor& x, double time) const override;

  const std::shared_ptr<const TransportMap>& map() const { return map_; }
  const LatentSpace& space() const { return space_; }

 private:
  std::shared_ptr<const TransportMap> map_;
  LatentSpace space_;
};

/// The same of a map with noise, x -> D(T(E(x), z)).
class StochasticLatentMap final : public StochasticMap {
 public:
  /// Throws Error where `map` is not of the latent dimension.
  StochasticLatentMap(std::shared_ptr<const StochasticMap> map, LatentSpace space);

  std::int64_t dimension() const override;
  std::vector<std::int64_t> shape() const override;
  std::vector<std::int64_t> target_shape() const override;
  std::int64_t noise_dimension() const override { return map_->noise_dimension(); }
  using StochasticMap::transport;
  Tensor transport(const Tensor& x, const Tensor& z) const override;
  Tensor at_time(const Tensor& x, double time) const override;

  std::shared_ptr<const TransportMap> map() const { return map_; }
  const LatentSpace& space() const { return space_; }

 private:
  std::shared_ptr<const StochasticMap> map_;
  LatentSpace space_;
};

/// A map between codes as one between measures: a LatentMap, or a StochasticLatentMap where it has
/// noise.
std::shared_ptr<const TransportMap> through_latent_space(std::shared_ptr<const TransportMap> map,
                                                         const LatentSpace& space);

/// x -> D(E(x)).
std::shared_ptr<const TransportMap> reconstruction_map(
    const std::shared_ptr<const Autoencoder>& autoencoder);

/// What a map through a latent space is made of.
struct LatentParts {
  std::shared_ptr<const TransportMap> map;  ///< between codes
  LatentSpace space;
};

/// nullopt where the map is of another kind.
std::optional<LatentParts> latent_parts(const TransportMap& map);

}  // namespace monge
