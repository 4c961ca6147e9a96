#pragma once

#include "monge/tensor.h"

namespace monge::networks {

/// out = leaky(S x + ratio W₂ * leaky(W₁ * x + b₁ + t) + ratio b₂) with 3 x 3 convolutions, S the
/// identity, or a 1 x 1 convolution without bias where the channels change, and t a number for each
/// channel of an image, or 0.
struct ResidualBlock {
  Tensor first_weight, first_bias, second_weight, second_bias;  // [out, 3, 3, in], [out]
  Tensor shortcut;                                              // [out, in], or undefined
  double ratio = 0.1, slope = 0.2;
};

/// The block's result for x [n, c, h, w] channels last and t [n, hidden], or undefined; it can be
/// differentiated any number of times. With parameters that do not require a gradient only the
/// signs of the activations, a bit each, are kept for the backward pass.
Tensor residual_block(const Tensor& x, const ResidualBlock& block, const Tensor& shift);

/// leaky(W * x + b), the critic's first layer, with the same promises.
Tensor convolve_leaky(const Tensor& x, const Tensor& weight, const Tensor& bias, double slope);

}  // namespace monge::networks
