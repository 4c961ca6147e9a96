#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

namespace monge {

/// The distribution function of `weights` [k], float64, 1 from the last positive weight on. Throws
/// Error unless they are finite and non-negative with a positive sum.
Tensor cumulative_weights(const Tensor& weights, std::int64_t k, std::string_view where);

/// The probabilities behind `cumulative`, [k].
Tensor probabilities(const Tensor& cumulative);

/// `n` indices with those probabilities, int64; an index of weight 0 is never drawn.
Tensor draw_indices(const Tensor& cumulative, std::int64_t n, Random& random);

}  // namespace monge
