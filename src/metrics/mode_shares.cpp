#include "monge/metric.h"

namespace monge {

ModeShares mode_shares(const Tensor& points, const Tensor& centers, const Tensor& std,
                       const Tensor& weights) {
  const at::NoGradGuard no_graph;
  const auto [distance, mode] = at::cdist(points, centers.to(points.scalar_type())).min(1);
  const Tensor counts = at::bincount(mode, {}, centers.size(0)).to(at::kDouble);
  const Tensor relative = counts / (static_cast<double>(points.size(0)) * weights.to(at::kDouble));
  const Tensor near = distance <= 3 * std.to(distance.scalar_type()).index_select(0, mode);
  return {relative.min().item<double>(), relative.max().item<double>(),
          near.to(at::kDouble).mean().item<double>()};
}

}  // namespace monge
