#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

namespace monge::networks {

/// Numbers uniform on ±1 / sqrt(inputs), the usual start of weights and biases with so many inputs.
Tensor uniform_start(at::IntArrayRef shape, std::int64_t inputs, Random& random);

/// A trainable tensor of the dtype.
Tensor trainable(const Tensor& tensor, at::ScalarType dtype);

}  // namespace monge::networks
