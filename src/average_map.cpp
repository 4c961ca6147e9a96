#include "monge/average_map.h"

#include "monge/error.h"

#include <numeric>

namespace monge {

AverageMap::AverageMap(std::vector<std::shared_ptr<const TransportMap>> maps,
                       std::vector<double> weights)
    : maps_(std::move(maps)), weights_(std::move(weights)) {
  if (maps_.empty()) fail("average of maps", "at least one map", "none");
  if (weights_.size() != maps_.size())
    fail("weights", fmt::format("{} of them, one for each map", maps_.size()),
         fmt::format("{}", weights_.size()));
  for (const auto& map : maps_)
    if (map->dimension() != dimension())
      fail("average of maps", fmt::format("maps of {} dimensions", dimension()),
           fmt::format("one of {}", map->dimension()));
  const double sum = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  if (!std::ranges::all_of(weights_, [](double weight) { return weight >= 0; }) || !(sum > 0) ||
      !std::isfinite(sum))
    fail("weights", "numbers that are not negative, with a positive sum",
         fmt::format("{}", fmt::join(weights_, ", ")));
  for (double& weight : weights_) weight /= sum;
}

Tensor AverageMap::transport(const Tensor& x) const {
  Tensor sum = at::zeros_like(x);
  for (std::size_t i = 0; i < maps_.size(); ++i)
    if (weights_[i] > 0) sum.add_(maps_[i]->transport(x), weights_[i]);
  return sum;
}

}  // namespace monge
