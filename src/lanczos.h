#pragma once

#include "monge/density.h"
#include "monge/potential.h"

namespace monge {

/// log|det ∇²psi| at x [n, d] float64 by stochastic Lanczos quadrature (Ubaru, Chen & Saad 2017):
/// the mean over random signs v of d Σ_k τ_k² log|θ_k|, with θ_k the eigenvalues of the tridiagonal
/// matrix of Lanczos steps that begin at v / √d and τ_k the first entries of its eigenvectors.
LogDet lanczos_log_det(const Potential& psi, const Tensor& x, const LogDetOptions& options);

}  // namespace monge
