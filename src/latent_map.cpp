#include "monge/latent_map.h"

#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/networks/autoencoder.h"

namespace monge {
namespace {

class EncodedMeasure final : public Measure {
 public:
  EncodedMeasure(std::shared_ptr<const Measure> measure,
                 std::shared_ptr<const Autoencoder> autoencoder)
      : measure_(std::move(measure)), autoencoder_(std::move(autoencoder)) {}

  std::int64_t dimension() const override { return autoencoder_->latent_dimension(); }

  void sample_into(std::span<float> points, Random& random) const override {
    const std::int64_t k = dimension(), n = std::ssize(points) / k;
    at::from_blob(points.data(), {n, k}, at::kFloat)
        .copy_(autoencoder_->encode(measure_->sample(n, random)));
  }

 private:
  std::shared_ptr<const Measure> measure_;
  std::shared_ptr<const Autoencoder> autoencoder_;
};

void require_codes(const TransportMap& map, const LatentSpace& space) {
  if (map.dimension() != space.dimension())
    fail("latent space", fmt::format("a map of {} dimensions", space.dimension()),
         fmt::format("{}", map.dimension()));
}

std::vector<std::int64_t> side_shape(const LatentSpace& space, bool is_data) {
  if (is_data) return space.autoencoder->shape();
  return {space.dimension()};
}

Tensor entered(const LatentSpace& space, const Tensor& x) {
  return space.source_is_data ? space.autoencoder->encode(x) : x;
}

Tensor left(const LatentSpace& space, const Tensor& codes) {
  return space.target_is_data ? space.autoencoder->decode(codes) : codes;
}

}  // namespace

std::int64_t LatentSpace::dimension() const { return autoencoder->latent_dimension(); }

std::shared_ptr<const Measure> encoded(const std::shared_ptr<const Measure>& measure,
                                       const std::shared_ptr<const Autoencoder>& autoencoder) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(measure.get());
  if (!finite) return std::make_shared<EncodedMeasure>(measure, autoencoder);
  constexpr std::int64_t block = 1024;
  std::vector<Tensor> codes;
  for (const Tensor& some : at::arange(finite->size(), at::kLong).split(block))
    codes.push_back(autoencoder->encode(finite->points(some)));
  return std::make_shared<ArrayMeasure>(at::cat(codes));
}

LatentMap::LatentMap(std::shared_ptr<const TransportMap> map, LatentSpace space)
    : map_(std::move(map)), space_(std::move(space)) {
  require_codes(*map_, space_);
}

std::int64_t LatentMap::dimension() const { return c10::multiply_integers(shape()); }

std::vector<std::int64_t> LatentMap::shape() const {
  return side_shape(space_, space_.source_is_data);
}

std::vector<std::int64_t> LatentMap::target_shape() const {
  return side_shape(space_, space_.target_is_data);
}

Tensor LatentMap::transport(const Tensor& x) const {
  return left(space_, map_->transport(entered(space_, x)));
}

Tensor LatentMap::at_time(const Tensor& x, double time) const {
  return left(space_, map_->at_time(entered(space_, x), time));
}

StochasticLatentMap::StochasticLatentMap(std::shared_ptr<const StochasticMap> map,
                                         LatentSpace space)
    : map_(std::move(map)), space_(std::move(space)) {
  require_codes(*map_, space_);
}

std::int64_t StochasticLatentMap::dimension() const { return c10::multiply_integers(shape()); }

std::vector<std::int64_t> StochasticLatentMap::shape() const {
  return side_shape(space_, space_.source_is_data);
}

std::vector<std::int64_t> StochasticLatentMap::target_shape() const {
  return side_shape(space_, space_.target_is_data);
}

Tensor StochasticLatentMap::transport(const Tensor& x, const Tensor& z) const {
  return left(space_, map_->transport(entered(space_, x), z));
}

Tensor StochasticLatentMap::at_time(const Tensor& x, double time) const {
  return left(space_, map_->at_time(entered(space_, x), time));
}

std::shared_ptr<const TransportMap> through_latent_space(std::shared_ptr<const TransportMap> map,
                                                         const LatentSpace& space) {
  if (auto stochastic = std::dynamic_pointer_cast<const StochasticMap>(map))
    return std::make_shared<StochasticLatentMap>(std::move(stochastic), space);
  return std::make_shared<LatentMap>(std::move(map), space);
}

std::shared_ptr<const TransportMap> reconstruction_map(
    const std::shared_ptr<const Autoencoder>& autoencoder) {
  const std::int64_t k = autoencoder->latent_dimension();
  return std::make_shared<LatentMap>(
      std::make_shared<AffineTransportMap>(AffineMap{at::eye(k), at::zeros({k})}),
      LatentSpace{autoencoder});
}

std::optional<LatentParts> latent_parts(const TransportMap& map) {
  if (const auto* plain = dynamic_cast<const LatentMap*>(&map))
    return LatentParts{plain->map(), plain->space()};
  if (const auto* stochastic = dynamic_cast<const StochasticLatentMap*>(&map))
    return LatentParts{stochastic->map(), stochastic->space()};
  return std::nullopt;
}

}  // namespace monge
