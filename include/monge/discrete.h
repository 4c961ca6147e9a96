#pragma once

#include "monge/cost.h"
#include "monge/tensor.h"
#include "monge/transport_map.h"

#include <cstdint>

namespace monge {

/// Weights of the source's points [n] and of the target's [m]: positive, each of sum 1 up to 1e-8.
/// A tensor that is not defined means equal weights.
struct DiscreteWeights {
  Tensor source, target;
};

/// The optimal plan of discrete transport, with its certificate.
struct DiscretePlan {
  double cost;              ///< sum of plan · cost
  double gap;               ///< cost - (Σ a u + Σ b v): no plan is cheaper by more than that
  Tensor rows;              ///< int64 [k], k < n + m
  Tensor columns;           ///< int64 [k]
  Tensor mass;              ///< float64 [k], sums to 1
  Tensor source_potential;  ///< u, float64 [n]
  Tensor target_potential;  ///< v, float64 [m]: u_i + v_j <= c_ij, equality where the plan has mass
};

/// Exact discrete transport between points x [n, d] and y [m, d] by the network simplex.
///
/// Costs are rounded to whole units, 2^-47 of their range (2^-59 (n + m) from 4096 points on), and
/// the simplex is exact on those. Memory is linear in n + m for the quadratic cost of up to 8
/// coordinates; else n m float64 costs are stored while there are at most 2^27. The first guess,
/// entropic, keeps n m exponentials while there are at most 2^25 (256 MiB). Throws Error on points
/// of other shapes, values that are not finite, n + m >= 2^30, or weights as above.
DiscretePlan exact_plan(const Tensor& x, const Tensor& y, const Cost& cost,
                        const DiscreteWeights& weights = {});

/// Exact squared W2, min E|x - y|² over plans, between equally weighted samples.
double exact_w2_squared(const Tensor& x, const Tensor& y);

/// How far entropic_plan goes.
struct EntropicOptions {
  double epsilon;                       ///< of the entropy, in units of the cost; positive
  double tolerance = 1e-6;              ///< of the marginal error
  std::int64_t max_iterations = 10000;  ///< of all stages, each one pass over the pairs
};

/// Entropic transport by its potentials: the plan is
/// P_ij = a_i b_j exp((f_i + g_j - c_ij) / epsilon), with exact row sums.
struct EntropicPlan {
  double cost;              ///< Σ P c
  double value;             ///< Σ a f + Σ b g, the optimal Σ P c + epsilon KL(P | a b)
  double marginal_error;    ///< Σ_j |Σ_i P_ij - b_j|; above the tolerance where iterations ran out
  std::int64_t iterations;  ///< passes over the pairs
  double epsilon;
  Tensor source_potential;  ///< f, float64 [n]
  Tensor target_potential;  ///< g, float64 [m]
};

/// Entropic discrete transport between points x [n, d] and y [m, d] by Sinkhorn's algorithm in the
/// log domain, with scaled epsilon and Anderson's acceleration; Peyre and Cuturi 2019, section 4.4.
/// Memory and errors as for exact_plan.
EntropicPlan entropic_plan(const Tensor& x, const Tensor& y, const Cost& cost,
                           const EntropicOptions& options, const DiscreteWeights& weights = {});

/// The entropic map of the quadratic cost, T(x) = Σ_j w_j(x) y_j with
/// w_j(x) ∝ b_j exp((g_j - ½|x - y_j|²) / epsilon): the barycentric projection of the entropic plan
/// continued to new points; Pooladian and Niles-Weed 2021.
class EntropicMap final : public TransportMap {
 public:
  /// The target's points y [m, d], their potential g [m] at `epsilon` and weights [m] (not defined:
  /// equal). With the source's instead it is the map back.
  EntropicMap(const Tensor& points, const Tensor& potential, double epsilon,
              const Tensor& weights = {});

  std::int64_t dimension() const override { return points_.size(1); }
  /// Computed in float64, in blocks; the dtype of x.
  Tensor transport(const Tensor& x) const override;

 private:
  Tensor points_, exponents_;
  double epsilon_;
};

}  // namespace monge
