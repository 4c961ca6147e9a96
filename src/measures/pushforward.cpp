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

Tensor PushforwardMeasure::sample(std::int64_t n, Random& random) const {
  return map_->transport(measure_->sample(n, random));
}

}  // namespace monge
