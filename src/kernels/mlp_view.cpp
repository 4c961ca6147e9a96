#include "kernels/mlp_view.h"

#include "kernels/instruction_set.h"

#include <ATen/Parallel.h>

namespace monge::kernels {
namespace {

Activation activation_named(const std::string& name) {
  if (name == "leaky_relu") return Activation::leaky_relu;
  if (name == "celu") return Activation::celu;
  if (name == "elu") return Activation::elu;
  if (name == "silu") return Activation::silu;
  return Activation::relu;
}

template <class T>
void evaluate(const MlpShape& shape, const State& parameters, const Tensor& x, T* value,
              T* gradient) {
  MlpWeights<T> weights(shape);
  weights.load(mlp_tensors<const T>(parameters, shape.layers()));
  const std::int64_t n = x.size(0), rows = mlp_block_rows(shape, sizeof(T));
  const std::int64_t blocks = (n + rows - 1) / rows;
  const T* points = x.const_data_ptr<T>();
  at::parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    MlpBlock<T> block(shape, std::min(rows, n), Order::first);
    std::vector<T> unwanted(static_cast<std::size_t>(value ? 0 : rows * shape.outputs));
    for (std::int64_t from = first * rows; from < std::min(last * rows, n); from += rows) {
      block.forward(weights, points + from * shape.inputs, std::min(rows, n - from),
                    value ? value + from * shape.outputs : unwanted.data());
      if (!gradient) continue;
      block.delta();
      block.gradient(gradient + from * shape.inputs);
    }
  });
}

}  // namespace

MlpShape mlp_shape(std::int64_t inputs, std::int64_t outputs, const MlpOptions& options) {
  return {inputs, options.hidden, outputs, activation_named(options.activation), options.alpha};
}

template <class T>
MlpTensors<T> mlp_tensors(const State& state, std::size_t layers) {
  MlpTensors<T> tensors;
  for (std::size_t k = 0; k < layers; ++k) {
    const auto data = [&](const char* part) {
      return state.at(fmt::format("layer.{}.{}", k, part))
          .template data_ptr<std::remove_const_t<T>>();
    };
    tensors.weight.push_back(data("weight"));
    tensors.bias.push_back(data("bias"));
  }
  return tensors;
}

std::int64_t mlp_block_rows(const MlpShape& shape, std::size_t number_bytes) {
  constexpr std::int64_t fewest = 64, most = 256;
  const std::int64_t cache = second_level_cache() / 2;
  const std::int64_t row = 4 * shape.units() * static_cast<std::int64_t>(number_bytes);
  return std::clamp(cache / row / 16 * 16, fewest, most);
}

void evaluate_mlp(const MlpShape& shape, const State& parameters, const Tensor& x, Tensor value,
                  Tensor gradient) {
  const Tensor points = x.contiguous();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "evaluate_mlp", [&] {
    const auto data = [](const Tensor& tensor) {
      return tensor.defined() ? tensor.data_ptr<scalar_t>() : nullptr;
    };
    evaluate<scalar_t>(shape, parameters, points, data(value), data(gradient));
  });
}

template MlpTensors<float> mlp_tensors(const State&, std::size_t);
template MlpTensors<double> mlp_tensors(const State&, std::size_t);
template MlpTensors<const float> mlp_tensors(const State&, std::size_t);
template MlpTensors<const double> mlp_tensors(const State&, std::size_t);

}  // namespace monge::kernels
