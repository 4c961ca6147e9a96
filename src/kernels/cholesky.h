#pragma once

#include <cstdint>

namespace monge::kernels {

/// Overwrites `right` [n] by a⁻¹ right, for a symmetric positive definite a [n, n], which its
/// Cholesky factor overwrites, by the LAPACK that ATen brings. False where a is not positive
/// definite or not finite; then `right` is as it was. |a x - right| <= 1e-5 |right| where a's
/// condition is below a hundred.
bool solve_positive_definite(std::int64_t n, float* a, float* right);

}  // namespace monge::kernels
