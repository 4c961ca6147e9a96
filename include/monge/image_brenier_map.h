#pragma once

#include "monge/transport_map.h"

#include <memory>
#include <vector>

namespace monge {

/// The gradient of a convex potential of images, T(x) = ∇psi(x) (Brenier's theorem), in the pixels'
/// own coordinates: a frame of all pairs of pixels would not fit into memory. Points are rows
/// [n, c h w].
class ImageBrenierMap final : public TransportMap {
 public:
  /// `shape` is [c, h, w]; throws Error where its product is not the potential's dimension.
  ImageBrenierMap(std::shared_ptr<const Potential> potential, std::vector<std::int64_t> shape);

  std::int64_t dimension() const override { return potential_->dimension(); }
  std::vector<std::int64_t> shape() const override { return shape_; }
  Tensor transport(const Tensor& x) const override;

  const Potential& potential() const { return *potential_; }

 private:
  std::shared_ptr<const Potential> potential_;
  std::vector<std::int64_t> shape_;
};

}  // namespace monge
