#include "monge/error.h"

#include "solvers/passes.h"

namespace monge {
namespace {

std::vector<Tensor> tensors_of(const State& state) {
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : state) tensors.push_back(tensor);
  return tensors;
}

Tensor points_at(const float* x, std::int64_t n, std::int64_t d) {
  return at::from_blob(const_cast<float*>(x), {n, d}, at::kFloat).clone();
}

void copy_to(const Tensor& from, float* out) {
  const Tensor numbers = from.detach().contiguous();
  std::copy_n(numbers.const_data_ptr<float>(), numbers.numel(), out);
}

/// F at the points of a block, with its graph, and the sums of its derivatives.
class RecordedNetwork {
 public:
  RecordedNetwork(std::shared_ptr<const AutogradNetwork> network, DerivativeSums& sums)
      : network_(std::move(network)),
        parameters_(tensors_of(network_->parameters())),
        sums_(sums) {}

  const AutogradNetwork& network() const { return *network_; }
  /// Records F at `n` points; [n, outputs].
  const Tensor& forward(const float* x, std::int64_t n) {
    const at::AutoGradMode graph(true);
    points_ = points_at(x, n, network_->inputs()).requires_grad_(true);
    values_ = network_->train_forward(points_);
    if (!values_.requires_grad())
      fail("network", "values with a graph to the parameters", "values without");
    return values_;
  }
  /// Of one output, in x.
  Tensor gradient() const {
    const Tensor slope =
        torch::autograd::grad({values_}, {points_}, {at::ones_like(values_)}, true, false, true)
            .front();
    return slope.defined() ? slope : at::zeros_like(points_);
  }
  /// Adds Σ <along_i, ∂F(x_i)/∂parameters> for `along` [n, outputs] and forgets the graph.
  void accumulate(const float* along) {
    const Tensor weights = points_at(along, values_.size(0), values_.size(1));
    const auto derivatives =
        torch::autograd::grad({values_}, parameters_, {weights}, false, false, true);
    const bool first = sums_.next() == kernels::Sums::begin;
    for (std::size_t i = 0; i < derivatives.size(); ++i) {
      Tensor sum = sums_.tensors()[i];
      if (first) sum.zero_();
      if (derivatives[i].defined()) sum.add_(derivatives[i]);
    }
    values_ = Tensor();
  }

 private:
  std::shared_ptr<const AutogradNetwork> network_;
  std::vector<Tensor> parameters_;
  DerivativeSums& sums_;
  Tensor points_, values_;
};

class AutogradPotentialPass final : public PotentialPass {
 public:
  explicit AutogradPotentialPass(const std::shared_ptr<AutogradNetwork>& network)
      : PotentialPass(network->parameters()), recorded_(network, sums) {}

  void forward(const float* x, std::int64_t n, float* value) override {
    copy_to(recorded_.forward(x, n), value);
  }
  void gradient(float* out) override { copy_to(recorded_.gradient(), out); }
  void accumulate(const float* c) override { recorded_.accumulate(c); }

 private:
  RecordedNetwork recorded_;
};

class AutogradMapPass final : public MapPass {
 public:
  AutogradMapPass(const std::shared_ptr<AutogradNetwork>& network, bool residual)
      : MapPass(network->parameters()), recorded_(network, sums), residual_(residual) {}

  void forward(const float* x, std::int64_t n, float* out) override {
    const std::int64_t inputs = recorded_.network().inputs(), d = recorded_.network().outputs();
    copy_to(recorded_.forward(x, n), out);
    if (!residual_) return;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < d; ++j) out[i * d + j] += x[i * inputs + j];
  }
  void accumulate(const float* along) override { recorded_.accumulate(along); }

 private:
  RecordedNetwork recorded_;
  bool residual_;
};

}  // namespace

PotentialPasses passes_of(const NetworkPotential& potential) {
  return {std::make_shared<SharedNetwork>(),
          [network = potential.network()](std::int64_t) -> std::unique_ptr<PotentialPass> {
            return std::make_unique<AutogradPotentialPass>(network);
          },
          true};
}

MapPasses map_passes(const std::shared_ptr<AutogradNetwork>& network, bool residual) {
  return {std::make_shared<SharedNetwork>(),
          [network, residual](std::int64_t) -> std::unique_ptr<MapPass> {
            return std::make_unique<AutogradMapPass>(network, residual);
          },
          true};
}

}  // namespace monge
