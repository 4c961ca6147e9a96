#pragma once

#include "monge/affine.h"
#include "monge/potential.h"
#include "monge/tensor.h"

#include <cstdint>
#include <memory>

namespace monge {

/// A map T that moves points of the source to points of the target.
class TransportMap {
 public:
  virtual ~TransportMap() = default;
  virtual std::int64_t dimension() const = 0;
  /// T(x) for x [n, d]; [n, d]. No graph.
  virtual Tensor transport(const Tensor& x) const = 0;
};

/// T(x) = A x + b.
class AffineTransportMap final : public TransportMap {
 public:
  explicit AffineTransportMap(AffineMap map) : map_(std::move(map)) {}
  std::int64_t dimension() const override { return map_.offset.size(0); }
  Tensor transport(const Tensor& x) const override;
  const AffineMap& affine() const { return map_; }

 private:
  AffineMap map_;
};

/// The gradient of a convex potential (Brenier's theorem), in affine coordinates: with
/// x~ = M (x - from) / c, T(x) = to + c Mᵀ ∇psi(x~), itself the gradient of a convex function.
class BrenierMap final : public TransportMap {
 public:
  BrenierMap(std::shared_ptr<const Potential> potential, AffineFrame frame);

  std::int64_t dimension() const override { return potential_->dimension(); }
  Tensor transport(const Tensor& x) const override;
  /// The potential of the map itself, c² psi(M (x - from) / c) + <to, x>, [n].
  Tensor value(const Tensor& x) const;

  const Potential& potential() const { return *potential_; }
  const AffineFrame& frame() const { return frame_; }

 private:
  std::shared_ptr<const Potential> potential_;
  AffineFrame frame_;
};

}  // namespace monge
