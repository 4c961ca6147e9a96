#include "solvers/passes.h"

#include "kernels/icnn_view.h"
#include "kernels/mlp_view.h"

namespace monge {
namespace {

using kernels::IcnnBlock;
using kernels::IcnnInput;
using kernels::IcnnTensors;
using kernels::MlpBlock;
using kernels::MlpTensors;
using kernels::Order;

/// A DenseICNN's block with its weights and the sums of its derivatives.
class IcnnParts {
 public:
  IcnnParts(const DenseIcnn& network, const DerivativeSums& sums, std::int64_t rows)
      : shape_(kernels::icnn_shape(network.dimension(), network.settings())),
        block(shape_, rows),
        parameters_(network.parameters()),
        weights_(kernels::icnn_tensors<const float>(parameters_, shape_.hidden.size())),
        derivatives_(kernels::icnn_tensors<float>(sums.state(), shape_.hidden.size())),
        input_(shape_) {
    if (input_.copies())
      input_sum_.resize(static_cast<std::size_t>(shape_.columns() * shape_.dimension));
  }

  void load() {
    input_.load(weights_.input_weight);
    std::ranges::fill(input_sum_, 0.0f);
  }
  void forward(const float* x, std::int64_t n) { block.forward(weights_, input_, x, n); }
  void accumulate() {
    block.accumulate(derivatives_, input_.copies() ? input_sum_.data() : derivatives_.input_weight);
  }
  void finish() {
    if (!input_.copies()) return;
    input_.add_back(input_sum_.data(), derivatives_.input_weight);
    std::ranges::fill(input_sum_, 0.0f);
  }

 private:
  kernels::IcnnShape shape_;

 public:
  IcnnBlock<float> block;

 private:
  State parameters_;
  IcnnTensors<const float> weights_;
  IcnnTensors<float> derivatives_;
  IcnnInput<float> input_;
  std::vector<float> input_sum_;  // in the layout of IcnnInput
};

class IcnnPotentialPass final : public PotentialPass {
 public:
  IcnnPotentialPass(const DenseIcnn& network, std::int64_t rows)
      : PotentialPass(network.parameters()), parts_(network, sums, rows) {}

  void load() override { parts_.load(); }
  void forward(const float* x, std::int64_t n, float* value) override {
    parts_.forward(x, n);
    parts_.block.value(value);
  }
  void gradient(float* out) override {
    parts_.block.delta();
    parts_.block.gradient(out);
  }
  void accumulate(const float* c) override {
    parts_.block.adjoint(c);
    parts_.accumulate();
  }
  void finish() override { parts_.finish(); }

 private:
  IcnnParts parts_;
};

class IcnnGradientPass final : public MapPass {
 public:
  IcnnGradientPass(const DenseIcnn& network, std::int64_t rows)
      : MapPass(network.parameters()), parts_(network, sums, rows) {}

  void load() override { parts_.load(); }
  void forward(const float* x, std::int64_t n, float* out) override {
    parts_.forward(x, n);
    parts_.block.delta();
    parts_.block.gradient(out);
  }
  void accumulate(const float* along) override {
    parts_.block.tangent(along);
    parts_.block.adjoint(nullptr);
    parts_.accumulate();
  }
  void finish() override { parts_.finish(); }

 private:
  IcnnParts parts_;
};

/// An MLP's block with its weights and the sums of its derivatives.
class MlpParts {
 public:
  MlpParts(const Mlp& network, const DerivativeSums& sums, std::int64_t rows)
      : shape_(kernels::mlp_shape(network.inputs(), network.outputs(), network.settings())),
        block(shape_, rows, Order::first),
        parameters_(network.parameters()),
        weights_(kernels::mlp_tensors<const float>(parameters_, shape_.layers())),
        derivatives_(kernels::mlp_tensors<float>(sums.state(), shape_.layers())) {}

  void load() { block.load(weights_); }
  void accumulate(const float* c) {
    block.adjoint(c);
    block.accumulate(derivatives_);
  }

 private:
  kernels::MlpShape shape_;

 public:
  MlpBlock<float> block;

 private:
  State parameters_;
  MlpTensors<const float> weights_;
  MlpTensors<float> derivatives_;
};

class MlpPotentialPass final : public PotentialPass {
 public:
  MlpPotentialPass(const Mlp& network, std::int64_t rows)
      : PotentialPass(network.parameters()), parts_(network, sums, rows) {}

  void load() override { parts_.load(); }
  void forward(const float* x, std::int64_t n, float* value) override {
    parts_.block.forward(x, n, value);
  }
  void gradient(float* out) override {
    parts_.block.delta();
    parts_.block.gradient(out);
  }
  void accumulate(const float* c) override { parts_.accumulate(c); }

 private:
  MlpParts parts_;
};

class MlpMapPass final : public MapPass {
 public:
  MlpMapPass(const Mlp& network, bool residual, std::int64_t rows)
      : MapPass(network.parameters()),
        parts_(network, sums, rows),
        inputs_(network.inputs()),
        outputs_(network.outputs()),
        residual_(residual) {}

  void load() override { parts_.load(); }
  void forward(const float* x, std::int64_t n, float* out) override {
    parts_.block.forward(x, n, out);
    if (!residual_) return;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < outputs_; ++j) out[i * outputs_ + j] += x[i * inputs_ + j];
  }
  void accumulate(const float* along) override { parts_.accumulate(along); }

 private:
  MlpParts parts_;
  std::int64_t inputs_, outputs_;
  bool residual_;
};

}  // namespace

DerivativeSums::DerivativeSums(const State& parameters) {
  for (const auto& [name, parameter] : parameters) {
    state_[name] = at::zeros_like(parameter).detach();
    tensors_.push_back(state_[name]);
  }
}

void DerivativeSums::clear() {
  for (Tensor& tensor : tensors_) tensor.zero_();
}

void DerivativeSums::add(const DerivativeSums& other) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].add_(other.tensors_[i]);
}

std::unique_ptr<PotentialPass> make_pass(const DenseIcnn& potential, std::int64_t rows) {
  return std::make_unique<IcnnPotentialPass>(potential, rows);
}

std::unique_ptr<PotentialPass> make_pass(const MlpPotential& potential, std::int64_t rows) {
  return std::make_unique<MlpPotentialPass>(potential.network(), rows);
}

std::unique_ptr<MapPass> make_gradient_pass(const DenseIcnn& psi, std::int64_t rows) {
  return std::make_unique<IcnnGradientPass>(psi, rows);
}

std::unique_ptr<MapPass> make_map_pass(const Mlp& network, bool residual, std::int64_t rows) {
  return std::make_unique<MlpMapPass>(network, residual, rows);
}

PassWork pass_work(const DenseIcnn& network) {
  PassWork work;
  for (const auto& [name, parameter] : network.parameters())
    if (parameter.dim() == 2)
      (name == "input.weight" ? work.input : work.inner) += static_cast<double>(parameter.numel());
  return work;
}

PassWork pass_work(const Mlp& network) {
  PassWork work;
  for (const auto& [name, parameter] : network.parameters())
    if (parameter.dim() == 2)
      (name == "layer.0.weight" ? work.input : work.inner) +=
          static_cast<double>(parameter.numel());
  return work;
}

}  // namespace monge
