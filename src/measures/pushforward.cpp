#include "monge/measures/pushforward.h"

#include "monge/error.h"
#include "monge/transport_map.h"

namespace monge {

PushforwardMeasure::PushforwardMeasure(std::shared_ptr<const Measure> measure,
                                       std::shared_ptr<const TransportMap> map)
    : measure_(std::move(measure)), map_(std::move(map)) {
  if (measure_->dimension() != map_->dimension())
    fail("pushforward", fmt::format("a map of {} dimensions", measure_->dimension()),
         fmt::format("{}", map_->dimension()));
}

std::int64_t PushforwardMeasure::dimension() const { return map_->target_dimension(); }

/// A map of plain points takes images as such.
std::vector<std::int64_t> PushforwardMeasure::shape() const {
  return dimension() == measure_->dimension() ? measure_->shape() : map_->target_shape();
}

void PushforwardMeasure::sample_into(std::span<float> points, Random& random) const {
  const std::int64_t d = dimension(), n = std::ssize(points) / d;
  at::from_blob(points.data(), {n, d}, at::kFloat)
      .copy_(map_->transport(measure_->sample(n, random)));
}

}  // namespace monge
