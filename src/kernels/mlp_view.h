#pragma once

#include "monge/networks/mlp.h"

#include "kernels/mlp.h"

namespace monge::kernels {

MlpShape mlp_shape(std::int64_t inputs, std::int64_t outputs, const MlpOptions& options);

/// Pointers into an Mlp's parameters, or into tensors for their derivatives; contiguous.
template <class T>
MlpTensors<T> mlp_tensors(const State& state, std::size_t layers);

/// Points that pass together: few enough for the cache, enough for the products.
std::int64_t mlp_block_rows(const MlpShape& shape, std::size_t number_bytes);

/// F (`value` [n, outputs]) and, for one output, ∇F (`gradient` [n, inputs]) at `x` [n, inputs],
/// either of them undefined where it is not wanted; on all of ATen's threads, in memory that does
/// not grow with n. Agreement with the plain implementation as that of MlpBlock.
void evaluate_mlp(const MlpShape& shape, const State& parameters, const Tensor& x, Tensor value,
                  Tensor gradient);

}  // namespace monge::kernels
