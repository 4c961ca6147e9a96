#pragma once

#include "monge/networks/dense_icnn.h"

#include "kernels/dense_icnn.h"

namespace monge::kernels {

IcnnShape icnn_shape(std::int64_t dimension, const DenseIcnnOptions& options);

/// Pointers into a DenseIcnn's parameters, or into tensors for their derivatives; contiguous.
template <class T>
IcnnTensors<T> icnn_tensors(const State& state, std::size_t layers);

/// Points that pass together: few enough for the cache, enough for the products.
std::int64_t icnn_block_rows(const IcnnShape& shape, std::size_t number_bytes);

/// psi (`value` [n]) and ∇psi (`gradient` [n, d]) at `x` [n, d], either of them undefined where it
/// is not wanted; on all of ATen's threads, in memory that does not grow with n. Agreement with the
/// plain implementation as that of IcnnBlock.
void evaluate_icnn(const IcnnShape& shape, const State& parameters, const Tensor& x, Tensor value,
                   Tensor gradient);

/// ∇²psi(x_i) v_ij into `out` [n, k, d] of x [n, d] and directions `v` [n, k, d], or of the d axes
/// where `v` is undefined (k = d); as evaluate_icnn, agreement with autograd included. A direction
/// costs about one gradient.
void icnn_hessian(const IcnnShape& shape, const State& parameters, const Tensor& x, const Tensor& v,
                  Tensor out);

}  // namespace monge::kernels
