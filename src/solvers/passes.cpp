#include "solvers/passes.h"

#include "monge/networks/noised_mlp.h"

#include "kernels/icnn_view.h"
#include "kernels/mlp_view.h"
#include "kernels/shares.h"

namespace monge {
namespace {

using kernels::IcnnBlock;
using kernels::IcnnShape;
using kernels::IcnnTensors;
using kernels::MlpBlock;
using kernels::MlpShape;
using kernels::MlpTensors;

struct SharedIcnn : SharedNetwork {
  explicit SharedIcnn(const DenseIcnn& network)
      : parameters(network.parameters()),
        shape(kernels::icnn_shape(network.dimension(), network.settings())),
        tensors(kernels::icnn_tensors<const float>(parameters, shape.hidden.size())) {}

  State parameters;
  IcnnShape shape;
  IcnnTensors<const float> tensors;
};

/// A DenseICNN's block and where the sums of its derivatives go.
class IcnnParts {
 public:
  IcnnParts(std::shared_ptr<const SharedIcnn> shared, DerivativeSums& sums, std::int64_t rows)
      : block(shared->shape, rows),
        shared_(std::move(shared)),
        weights_(shared_->shape),
        sums_(sums),
        derivatives_(kernels::icnn_tensors<float>(sums.state(), shared_->shape.hidden.size())) {
    if (weights_.input_copied())
      input_sum_.resize(static_cast<std::size_t>(shared_->shape.input_numbers()));
  }

  void forward(const float* x, std::int64_t n) {
    constexpr std::int64_t many = 1 << 20;  // points between two changes of the parameters
    if (loaded_ != shared_->changes) weights_.load(shared_->tensors, many);
    loaded_ = shared_->changes;
    block.forward(weights_, x, n);
  }
  void accumulate() {
    block.accumulate(derivatives_,
                     input_sum_.empty() ? derivatives_.input_weight : input_sum_.data(),
                     sums_.next());
  }
  void finish() {
    if (!input_sum_.empty()) weights_.put_back(input_sum_.data(), derivatives_);
  }

  IcnnBlock<float> block;

 private:
  std::shared_ptr<const SharedIcnn> shared_;
  kernels::IcnnWeights<float> weights_;
  std::uint64_t loaded_ = 0;  // the change after which `weights_` were made
  DerivativeSums& sums_;
  IcnnTensors<float> derivatives_;
  std::vector<float> input_sum_;  // in the layout of IcnnWeights
};

class IcnnPotentialPass final : public PotentialPass {
 public:
  IcnnPotentialPass(const std::shared_ptr<const SharedIcnn>& shared, std::int64_t rows)
      : PotentialPass(shared->parameters), parts_(shared, sums, rows) {}

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
  IcnnGradientPass(const std::shared_ptr<const SharedIcnn>& shared, std::int64_t rows)
      : MapPass(shared->parameters), parts_(shared, sums, rows) {}

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

struct SharedMlp : SharedNetwork {
  explicit SharedMlp(const Mlp& network)
      : parameters(network.parameters()),
        shape(kernels::mlp_shape(network.inputs(), network.outputs(), network.settings())),
        tensors(kernels::mlp_tensors<const float>(parameters, shape.layers())) {}

  State parameters;
  MlpShape shape;
  MlpTensors<const float> tensors;
};

/// A perceptron's block and where the sums of its derivatives go.
class MlpParts {
 public:
  MlpParts(std::shared_ptr<const SharedMlp> shared, DerivativeSums& sums, std::int64_t rows,
           kernels::Order order = kernels::Order::first)
      : block(shared->shape, rows, order),
        shared_(std::move(shared)),
        weights_(shared_->shape),
        sums_(sums),
        derivatives_(kernels::mlp_tensors<float>(sums.state(), shared_->shape.layers())) {}

  void forward(const float* x, std::int64_t n, float* out) {
    if (loaded_ != shared_->changes) weights_.load(shared_->tensors);
    loaded_ = shared_->changes;
    block.forward(weights_, x, n, out);
  }
  void accumulate(const float* c) {
    block.adjoint(c);
    block.accumulate(derivatives_, sums_.next());
  }

  MlpBlock<float> block;

 private:
  std::shared_ptr<const SharedMlp> shared_;
  kernels::MlpWeights<float> weights_;
  std::uint64_t loaded_ = 0;
  DerivativeSums& sums_;
  MlpTensors<float> derivatives_;
};

class MlpPotentialPass final : public PotentialPass {
 public:
  MlpPotentialPass(const std::shared_ptr<const SharedMlp>& shared, std::int64_t rows)
      : PotentialPass(shared->parameters), parts_(shared, sums, rows) {}

  void forward(const float* x, std::int64_t n, float* value) override {
    parts_.forward(x, n, value);
  }
  void gradient(float* out) override {
    parts_.block.delta();
    parts_.block.gradient(out);
  }
  void accumulate(const float* c) override { parts_.accumulate(c); }

 private:
  MlpParts parts_;
};

class NoisedMlpPass final : public PotentialPass {
 public:
  NoisedMlpPass(const std::shared_ptr<const SharedMlp>& shared, const NoiseLevels& levels,
                std::int64_t rows)
      : PotentialPass(shared->parameters),
        parts_(shared, sums, rows),
        levels_(levels),
        inputs_(shared->shape.inputs),
        seen_(static_cast<std::size_t>(rows * inputs_)),
        slopes_(seen_.size()),
        at_(static_cast<std::size_t>(rows)),
        weights_(at_.size()) {}

  void forward(const float* x, std::int64_t n, float* value) override {
    const std::int64_t d = levels_.dimension();
    const float* mean = levels_.mean();
    for (std::int64_t i = 0; i < n; ++i, x += 2 * d + 1) {
      const float sigma = x[2 * d];
      const NoiseLevels::Level level = at_[i] = levels_.at(sigma);
      float* seen = seen_.data() + i * inputs_;
      for (std::int64_t j = 0; j < d; ++j)
        seen[j] = level.scale * (x[j] + level.noise * x[d + j] - mean[j]);
      levels_.embed(sigma, seen + d);
    }
    parts_.forward(seen_.data(), n, value);
    for (std::int64_t i = 0; i < n; ++i) value[i] *= at_[i].weight;
    n_ = n;
  }
  void gradient(float* out) override {
    const std::int64_t d = levels_.dimension();
    parts_.block.delta();
    parts_.block.gradient(slopes_.data());
    for (std::int64_t i = 0; i < n_; ++i)
      for (std::int64_t j = 0; j < d; ++j)
        out[i * d + j] = at_[i].weight * at_[i].scale * slopes_[i * inputs_ + j];
  }
  void accumulate(const float* c) override {
    for (std::int64_t i = 0; i < n_; ++i) weights_[i] = at_[i].weight * c[i];
    parts_.accumulate(weights_.data());
  }

 private:
  MlpParts parts_;
  NoiseLevels levels_;
  std::int64_t inputs_, n_ = 0;
  std::vector<float> seen_, slopes_;
  std::vector<NoiseLevels::Level> at_;
  std::vector<float> weights_;
};

/// ∇f, or x - ∇f(x) where `descends`.
class MlpGradientPass final : public MapPass {
 public:
  MlpGradientPass(const std::shared_ptr<const SharedMlp>& shared, bool descends, std::int64_t rows)
      : MapPass(shared->parameters),
        parts_(shared, sums, rows, kernels::Order::second),
        inputs_(shared->shape.inputs),
        descends_(descends),
        zeros_(static_cast<std::size_t>(rows)),
        values_(zeros_.size()) {}

  void forward(const float* x, std::int64_t n, float* out) override {
    n_ = n;
    parts_.forward(x, n, values_.data());
    parts_.block.delta();
    parts_.block.gradient(out);
    if (descends_)
      for (std::int64_t i = 0; i < n * inputs_; ++i) out[i] = x[i] - out[i];
  }
  void accumulate(const float* along) override {
    if (descends_) {
      turned_.resize(static_cast<std::size_t>(n_ * inputs_));
      std::transform(along, along + n_ * inputs_, turned_.begin(), std::negate<>());
      along = turned_.data();
    }
    parts_.block.tangent(along);
    parts_.accumulate(zeros_.data());
  }

 private:
  MlpParts parts_;
  std::int64_t inputs_, n_ = 0;
  bool descends_;
  std::vector<float> zeros_, values_, turned_;
};

class MlpMapPass final : public MapPass {
 public:
  MlpMapPass(const std::shared_ptr<const SharedMlp>& shared, bool residual, std::int64_t rows)
      : MapPass(shared->parameters),
        parts_(shared, sums, rows),
        inputs_(shared->shape.inputs),
        outputs_(shared->shape.outputs),
        residual_(residual) {}

  void forward(const float* x, std::int64_t n, float* out) override {
    parts_.forward(x, n, out);
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

MapPasses mlp_gradient_passes(const MlpPotential& potential, bool descends) {
  const auto shared = std::make_shared<SharedMlp>(potential.network());
  return {shared, [shared, descends](std::int64_t rows) -> std::unique_ptr<MapPass> {
            return std::make_unique<MlpGradientPass>(shared, descends, rows);
          }};
}

}  // namespace

DerivativeSums::DerivativeSums(const State& parameters) {
  for (const auto& [name, parameter] : parameters) {
    state_[name] = at::zeros_like(parameter).detach();
    tensors_.push_back(state_[name]);
  }
}

void DerivativeSums::add(const DerivativeSums& other) {
  kernels::add_shares(tensors_, 2, [&](std::int64_t) { return other.part(); });
}

PotentialPasses passes_of(const DenseIcnn& potential) {
  const auto shared = std::make_shared<SharedIcnn>(potential);
  return {shared, [shared](std::int64_t rows) -> std::unique_ptr<PotentialPass> {
            return std::make_unique<IcnnPotentialPass>(shared, rows);
          }};
}

PotentialPasses passes_of(const MlpPotential& potential) {
  const auto shared = std::make_shared<SharedMlp>(potential.network());
  return {shared, [shared](std::int64_t rows) -> std::unique_ptr<PotentialPass> {
            return std::make_unique<MlpPotentialPass>(shared, rows);
          }};
}

PotentialPasses passes_of(const NoisedMlp& potential) {
  const auto shared = std::make_shared<SharedMlp>(potential.network());
  const NoiseLevels& levels = potential.levels();
  return {shared, [shared, levels](std::int64_t rows) -> std::unique_ptr<PotentialPass> {
            return std::make_unique<NoisedMlpPass>(shared, levels, rows);
          }};
}

MapPasses gradient_passes(const DenseIcnn& psi) {
  const auto shared = std::make_shared<SharedIcnn>(psi);
  return {shared, [shared](std::int64_t rows) -> std::unique_ptr<MapPass> {
            return std::make_unique<IcnnGradientPass>(shared, rows);
          }};
}

MapPasses gradient_passes(const MlpPotential& psi) { return mlp_gradient_passes(psi, false); }

MapPasses descent_passes(const MlpPotential& f) { return mlp_gradient_passes(f, true); }

MapPasses map_passes(const Mlp& network, bool residual) {
  const auto shared = std::make_shared<SharedMlp>(network);
  return {shared, [shared, residual](std::int64_t rows) -> std::unique_ptr<MapPass> {
            return std::make_unique<MlpMapPass>(shared, residual, rows);
          }};
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
