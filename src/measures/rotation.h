#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

#include <cstdint>

namespace monge {

/// The first k axes of a random rotation of R^d, [d, k] float64 with orthonormal columns.
inline Tensor random_basis(std::int64_t d, std::int64_t k, std::int64_t seed) {
  Random random(static_cast<std::uint64_t>(seed), "rotation");
  const auto [q, r] = at::linalg_qr(random.normal({d, k}).to(at::kDouble));
  return q * r.diagonal().sign();
}

}  // namespace monge
