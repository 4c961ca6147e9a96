#pragma once

#include "monge/affine.h"
#include "monge/potential.h"
#include "monge/random.h"
#include "monge/tensor.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace monge {

/// A map T that moves points of the source to points of the target.
class TransportMap {
 public:
  virtual ~TransportMap() = default;
  virtual std::int64_t dimension() const = 0;
  /// The shape of one point, whose product is d: [d], or [channels, height, width] of an image.
  virtual std::vector<std::int64_t> shape() const { return {dimension()}; }
  /// The shape of T(x): that of x, unless the map leads to another space.
  virtual std::vector<std::int64_t> target_shape() const { return shape(); }
  /// Its product.
  std::int64_t target_dimension() const;
  /// T(x) for x [n, d]; [n, d], or [n, target_dimension()]. No graph.
  virtual Tensor transport(const Tensor& x) const = 0;
  /// Where x is at `time` in [0, 1] of its way to T(x), [n, d]: the displacement interpolation
  /// (1 - t) x + t T(x) (McCann 1997), unless the map says otherwise. Throws Error on another time.
  virtual Tensor at_time(const Tensor& x, double time) const;
};

/// Throws Error unless `time` is in [0, 1].
void require_time(double time);

/// A map with noise, T(x, z), z standard normal: a plan that sends x to the law of T(x, z).
class StochasticMap : public TransportMap {
 public:
  /// The dimension of z.
  virtual std::int64_t noise_dimension() const = 0;
  /// T(x_i, z_i) for x [n, d] and z [n, noise_dimension()]; [n, d]. No graph.
  virtual Tensor transport(const Tensor& x, const Tensor& z) const = 0;
  /// T(x_i, z_i) with z drawn.
  Tensor sample(const Tensor& x, Random& noise) const;
  /// The same with noise that every call draws alike, so that a map gives one answer.
  Tensor transport(const Tensor& x) const override;
  /// That noise for `n` points, [n, noise_dimension()].
  Tensor fixed_noise(std::int64_t n) const;
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

/// T(x) = x - ∇f(x) of a Kantorovich potential f of the quadratic cost, which is what a c-concave
/// f's first-order condition gives (Santambrogio 2015, theorem 1.17).
class KantorovichMap final : public TransportMap {
 public:
  explicit KantorovichMap(std::shared_ptr<const Potential> potential);

  std::int64_t dimension() const override { return potential_->dimension(); }
  Tensor transport(const Tensor& x) const override;
  const Potential& potential() const { return *potential_; }

 private:
  std::shared_ptr<const Potential> potential_;
};

}  // namespace monge
