#include "kernels/icnn_view.h"

#include "kernels/instruction_set.h"

#include <ATen/Parallel.h>

namespace monge::kernels {

IcnnShape icnn_shape(std::int64_t dimension, const DenseIcnnOptions& options) {
  return {dimension,   options.rank, options.hidden, options.celu_alpha, options.strong_convexity,
          options.skip};
}

template <class T>
IcnnTensors<T> icnn_tensors(const State& state, std::size_t layers) {
  const auto data = [&](const std::string& name) -> T* {
    const auto found = state.find(name);
    return found == state.end() ? nullptr : found->second.data_ptr<std::remove_const_t<T>>();
  };
  IcnnTensors<T> tensors{data("input.weight"), data("input.bias"),     {},
                         data("final"),        data("skip.quadratic"), data("skip.linear")};
  for (std::size_t k = 1; k < layers; ++k)
    tensors.convex.push_back(data(fmt::format("convex.{}", k)));
  return tensors;
}

std::int64_t icnn_block_rows(const IcnnShape& shape, std::size_t number_bytes) {
  constexpr std::int64_t fewest = 64, most = 256;
  const std::int64_t cache = second_level_cache();
  const auto bytes = static_cast<std::int64_t>(number_bytes);
  const std::int64_t row = 2 * (2 * shape.row_columns() + shape.units()) * bytes;
  // Weights that the cache does not hold, with their transposed copies, are read for every block.
  if (2 * shape.weights() * bytes > cache) return most;
  return std::clamp(cache / row / 16 * 16, fewest, most);
}

namespace {

template <class T>
void evaluate(const IcnnShape& shape, const State& parameters, const Tensor& x, T* value,
              T* gradient) {
  IcnnWeights<T> weights(shape);
  weights.load(icnn_tensors<const T>(parameters, shape.hidden.size()), x.size(0));
  const std::int64_t n = x.size(0), rows = icnn_block_rows(shape, sizeof(T));
  const std::int64_t blocks = (n + rows - 1) / rows;
  const T* points = x.const_data_ptr<T>();
  at::parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    IcnnBlock<T> block(shape, std::min(rows, n));
    for (std::int64_t from = first * rows; from < std::min(last * rows, n); from += rows) {
      block.forward(weights, points + from * shape.dimension, std::min(rows, n - from));
      if (value) block.value(value + from);
      if (!gradient) continue;
      block.delta();
      block.gradient(gradient + from * shape.dimension);
    }
  });
}

/// S of IcnnBlock with c = 0 has the derivative ∇²psi v in the point. One pass forward serves all
/// directions of a block.
template <class T>
void hessian(const IcnnShape& shape, const State& parameters, const Tensor& x, const T* v,
             std::int64_t directions, T* out) {
  IcnnWeights<T> weights(shape);
  const std::int64_t n = x.size(0), d = shape.dimension, rows = icnn_block_rows(shape, sizeof(T));
  weights.load(icnn_tensors<const T>(parameters, shape.hidden.size()), n * directions);
  const std::int64_t blocks = (n + rows - 1) / rows;
  const T* points = x.const_data_ptr<T>();
  at::parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t most = std::min(rows, n);
    IcnnBlock<T> block(shape, most);
    std::vector<T> along(static_cast<std::size_t>(most * d)), product(along.size());
    for (std::int64_t from = first * rows; from < std::min(last * rows, n); from += rows) {
      const std::int64_t count = std::min(rows, n - from);
      block.forward(weights, points + from * d, count);
      block.delta();
      for (std::int64_t k = 0; k < directions; ++k) {
        if (!v) std::ranges::fill(along, T(0));
        for (std::int64_t i = 0; i < count; ++i)
          if (v)
            std::copy_n(v + ((from + i) * directions + k) * d, d, along.data() + i * d);
          else
            along[i * d + k] = 1;
        block.tangent(along.data());
        block.adjoint(nullptr);
        block.point_adjoint(product.data());
        for (std::int64_t i = 0; i < count; ++i)
          std::copy_n(product.data() + i * d, d, out + ((from + i) * directions + k) * d);
      }
    }
  });
}

}  // namespace

void icnn_hessian(const IcnnShape& shape, const State& parameters, const Tensor& x, const Tensor& v,
                  Tensor out) {
  const Tensor points = x.contiguous(), along = v.defined() ? v.contiguous() : v;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "icnn_hessian", [&] {
    hessian<scalar_t>(shape, parameters, points,
                      along.defined() ? along.const_data_ptr<scalar_t>() : nullptr, out.size(1),
                      out.data_ptr<scalar_t>());
  });
}

void evaluate_icnn(const IcnnShape& shape, const State& parameters, const Tensor& x, Tensor value,
                   Tensor gradient) {
  const Tensor points = x.contiguous();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "evaluate_icnn", [&] {
    const auto data = [](const Tensor& tensor) {
      return tensor.defined() ? tensor.data_ptr<scalar_t>() : nullptr;
    };
    evaluate<scalar_t>(shape, parameters, points, data(value), data(gradient));
  });
}

template IcnnTensors<float> icnn_tensors(const State&, std::size_t);
template IcnnTensors<double> icnn_tensors(const State&, std::size_t);
template IcnnTensors<const float> icnn_tensors(const State&, std::size_t);
template IcnnTensors<const double> icnn_tensors(const State&, std::size_t);

}  // namespace monge::kernels
