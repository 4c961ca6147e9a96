#pragma once

#include "monge/tensor.h"

// 3 x 3 convolutions by Winograd's minimal filtering F(4 x 4, 3 x 3): a tile of 4 x 4 results takes
// 36 multiplications for each pair of channels instead of 144, as 36 matrix products over many
// tiles. float32, on the processor; layouts and padding as in convolution.h. Agreement with the
// direct convolution: 1e-5 relative in norm.

namespace monge::kernels {

/// Whether a 3 x 3 convolution of `in` channels to `out` over images shaped like x [n, c, h, w], or
/// the derivative in its weight, is faster so than directly.
bool winograd_pays(const Tensor& x, std::int64_t in, std::int64_t out);
bool winograd_pays_for_weight(const Tensor& x, std::int64_t in, std::int64_t out);

Tensor winograd(const Tensor& x, const Tensor& weight, const Tensor& bias);
Tensor winograd_back(const Tensor& g, const Tensor& weight);
Tensor winograd_weight_back(const Tensor& g, const Tensor& x);

}  // namespace monge::kernels
