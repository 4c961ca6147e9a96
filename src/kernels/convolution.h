#pragma once

#include "monge/tensor.h"

// Convolutions of stride 1 whose zero padding keeps the image's size, of activations [n, c, h, w]
// that lie channels last. Weights are stored the same way, [out, k, k, in] with k odd. Nothing here
// is recorded for differentiation. Agreement with ATen's convolutions: 1e-5 relative in norm in
// float32; in other dtypes they are ATen's.

namespace monge::kernels {

/// The weight as ATen's convolutions take it, [out, in, k, k], without a copy.
Tensor as_filters(const Tensor& weight);

/// The convolution of x, plus `bias` [out] where it is defined.
Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// From the derivative in its result, that in x.
Tensor convolve_back(const Tensor& g, const Tensor& weight);
/// From the derivative in its result, that in the weight, [out, k, k, in].
Tensor convolve_weight_back(const Tensor& g, const Tensor& x, std::int64_t k);

/// The same by ATen's convolutions, in any dtype; the ones above take Winograd's where that pays.
Tensor direct_convolve(const Tensor& x, const Tensor& weight, const Tensor& bias);
Tensor direct_convolve_back(const Tensor& g, const Tensor& weight);
Tensor direct_convolve_weight_back(const Tensor& g, const Tensor& x, std::int64_t k);

}  // namespace monge::kernels
