#pragma once

#include "monge/transport_map.h"

#include <memory>
#include <vector>

namespace monge {

/// x -> Σ w_i T_i(x), the average of maps T_i from one source P to several targets Q_i.
///
/// Of gradients of convex functions it is the gradient of their weighted sum, and so the optimal
/// map from P to its image. That image is the barycentre of the Q_i linearised at P, which is one
/// step of the fixed-point iteration for their Wasserstein barycentre (Álvarez-Esteban et al.
/// 2016). It is the barycentre itself where P is, in one dimension, and where every T_i is a
/// translation and scaling.
class AverageMap final : public TransportMap {
 public:
  /// Weights that are not negative; they are scaled to sum to 1. Throws Error on other weights, on
  /// as many as there are no maps, and on maps of several dimensions.
  AverageMap(std::vector<std::shared_ptr<const TransportMap>> maps, std::vector<double> weights);

  std::int64_t dimension() const override { return maps_.front()->dimension(); }
  Tensor transport(const Tensor& x) const override;

  const std::vector<std::shared_ptr<const TransportMap>>& maps() const { return maps_; }
  const std::vector<double>& weights() const { return weights_; }

 private:
  std::vector<std::shared_ptr<const TransportMap>> maps_;
  std::vector<double> weights_;  // sum to 1
};

}  // namespace monge
