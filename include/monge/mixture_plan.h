#pragma once

#include "monge/transport_map.h"

#include <memory>

namespace monge {

/// The adjusted potential of an entropic plan, v(y) = Σ_k α_k N(y | r_k, ε S_k) with diagonal S_k
/// (Korotin et al. 2024, section 3.2); float64.
struct PlanMixture {
  Tensor heights;      ///< ε log α_k, [K]
  Tensor centres;      ///< r_k, [K, d]
  Tensor log_spreads;  ///< log of S_k's diagonal, [K, d]

  State state() const;  ///< "heights", "centres", "log_spreads"
};

/// The plan of entropic transport for the quadratic cost ½|x - y|² whose adjusted potential is a
/// Gaussian mixture (Korotin et al. 2024, proposition 3.2):
///
///   π(y | x) = Σ_k w_k(x) N(y | r_k + S_k x, ε S_k),
///   w_k(x) = α_k exp((xᵀ S_k x + 2 r_kᵀ x) / 2ε) / c(x)
///
/// in affine coordinates: the formula is that of x~ and y~ (see AffineFrame) at ε / scale², which
/// is the same transport problem. All is computed in float64.
class MixturePlan final : public StochasticMap {
 public:
  /// Throws Error on shapes that do not fit, values that are not finite and epsilon <= 0.
  MixturePlan(PlanMixture mixture, double epsilon, AffineFrame frame);

  std::int64_t dimension() const override { return mixture_.centres.size(1); }
  /// One number chooses the component, d make the point.
  std::int64_t noise_dimension() const override { return dimension() + 1; }
  Tensor transport(const Tensor& x, const Tensor& z) const override;
  using StochasticMap::transport;
  /// A point of the Schrödinger bridge at `time`: x goes to y of the plan, and between the two
  /// stands a Brownian bridge of variance ε. Noise as in transport(x).
  Tensor at_time(const Tensor& x, double time) const override;
  /// (1 - t) x + t y + √(ε t (1 - t)) z for x, y and z [n, d]: the Brownian bridge from x to y.
  Tensor bridge(const Tensor& x, const Tensor& y, double time, const Tensor& z) const;

  /// E[y | x] in closed form, [n, d]: the barycentric projection of the plan. With a graph where x
  /// requires one.
  Tensor barycentric(const Tensor& x) const;

  /// The Kantorovich potentials: π(y | x) = exp((f(x) + g(y) - ½|x - y|²) / ε) as a density of y.
  /// f(x) = ½|x|² - ε log c(x) for x [n, d]; [n] float64.
  Tensor source_potential(const Tensor& x) const;
  /// g(y) = ½|y|² + ε log v(y) for y [n, d]; [n] float64.
  Tensor potential(const Tensor& y) const;
  /// log π(y_i | x_i), [n] float64.
  Tensor log_density(const Tensor& x, const Tensor& y) const;

  const PlanMixture& mixture() const { return mixture_; }
  double epsilon() const { return epsilon_; }
  const AffineFrame& frame() const { return frame_; }

 private:
  double frame_epsilon() const { return epsilon_ / (frame_.scale * frame_.scale); }
  Tensor exponents(const Tensor& entered) const;

  PlanMixture mixture_;
  double epsilon_;
  AffineFrame frame_;  // float64
  double volume_;      // log |det| of y~ -> y
};

/// T(x) = E[y | x] of a plan.
class BarycentricMap final : public TransportMap {
 public:
  explicit BarycentricMap(std::shared_ptr<const MixturePlan> plan) : plan_(std::move(plan)) {}

  std::int64_t dimension() const override { return plan_->dimension(); }
  Tensor transport(const Tensor& x) const override { return plan_->barycentric(x.detach()); }
  const MixturePlan& plan() const { return *plan_; }

 private:
  std::shared_ptr<const MixturePlan> plan_;
};

}  // namespace monge
