#pragma once

#include "monge/potential.h"
#include "monge/random.h"

namespace monge {

/// The largest relative errors of a potential's derivatives against central differences.
struct GradientErrors {
  double gradient = 0;               ///< ∇psi(x) against values
  double hessian_product = 0;        ///< ∇²psi(x) v from Graph::create against gradients
  double parameter_gradient = 0;     ///< d/dtheta of sum psi(x) against values
  double parameter_of_gradient = 0;  ///< d/dtheta of <∇psi(x), v> against gradients

  double largest() const;
};

/// Holds every derivative that training uses to central differences along random directions, at
/// points x [n, d] of the potential's dtype; float64 is needed for tight bounds (about 1e-7 with
/// the default step). The parameters are restored.
GradientErrors check_gradients(const Potential& potential, const Tensor& x, Random& random,
                               double step = 1e-5);

}  // namespace monge
