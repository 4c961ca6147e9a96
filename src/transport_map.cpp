#include "monge/transport_map.h"

#include "monge/error.h"

namespace monge {

void require_time(double time) {
  if (!(time >= 0 && time <= 1)) fail("time", "0 to 1", fmt::format("{}", time));
}

std::int64_t TransportMap::target_dimension() const {
  return c10::multiply_integers(target_shape());
}

Tensor TransportMap::at_time(const Tensor& x, double time) const {
  require_time(time);
  return at::lerp(x, transport(x), time);
}

Tensor StochasticMap::sample(const Tensor& x, Random& noise) const {
  return transport(x, noise.normal({x.size(0), noise_dimension()}));
}

Tensor StochasticMap::fixed_noise(std::int64_t n) const {
  return Random(0, "noise of a map").normal({n, noise_dimension()});
}

Tensor StochasticMap::transport(const Tensor& x) const {
  return transport(x, fixed_noise(x.size(0)));
}

Tensor AffineTransportMap::transport(const Tensor& x) const {
  const at::NoGradGuard no_graph;
  return at::addmm(map_.offset.to(x.scalar_type()), x, map_.matrix.to(x.scalar_type()).t());
}

BrenierMap::BrenierMap(std::shared_ptr<const Potential> potential, AffineFrame frame)
    : potential_(std::move(potential)), frame_(std::move(frame)) {}

Tensor BrenierMap::transport(const Tensor& x) const {
  // In blocks, so that memory does not grow with n and activations stay in cache.
  constexpr std::int64_t block = 4096;
  const at::NoGradGuard no_graph;
  Tensor mapped = at::empty_like(x);
  for (std::int64_t from = 0; from < x.size(0); from += block) {
    const std::int64_t count = std::min(block, x.size(0) - from);
    const Tensor entered = frame_.enter(x.narrow(0, from, count));
    mapped.narrow(0, from, count).copy_(frame_.leave(potential_->gradient(entered, Graph::none)));
  }
  return mapped;
}

Tensor BrenierMap::value(const Tensor& x) const {
  const at::NoGradGuard no_graph;
  return frame_.scale * frame_.scale * potential_->value(frame_.enter(x), Graph::none) +
         x.mv(frame_.to);
}

KantorovichMap::KantorovichMap(std::shared_ptr<const Potential> potential)
    : potential_(std::move(potential)) {}

Tensor KantorovichMap::transport(const Tensor& x) const {
  return x - potential_->gradient(x, Graph::none);
}

}  // namespace monge
