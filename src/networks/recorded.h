#pragma once

#include "monge/tensor.h"

#include <torch/csrc/autograd/custom_function.h>

#include <vector>

// What the nodes of the convolutional networks share: the derivatives of their own passes are not
// recorded, so where a backward pass is to be differentiated again the node writes itself once more
// in ATen's operators and lets autograd do it. Their own passes run on the processor in the dtype
// of the parameters; elsewhere the networks are ATen's operators.

namespace monge::networks {

using torch::autograd::variable_list;

/// Whether a node takes its own passes for x: neither on another device nor in mixed precision.
bool by_own_passes(const Tensor& x);

/// Which of the node's first `count` inputs need a derivative.
std::vector<bool> needed_by(const torch::autograd::AutogradContext& ctx, std::size_t count);

/// A convolution by a weight [out, k, k, in], recorded.
Tensor recorded_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// The derivatives of `result`, written in recorded operators, in those of `inputs` that need one.
variable_list recorded_gradients(const Tensor& result, const variable_list& inputs,
                                 const std::vector<bool>& needed, const Tensor& g);

}  // namespace monge::networks
