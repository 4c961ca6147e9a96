#include "solvers/centred_update.h"

#include "monge/error.h"

namespace monge {

CentredUpdate::CentredUpdate(const DenseIcnn& psi, Adam& adam)
    : psi_(psi), adam_(adam), updates_(at::zeros({}, at::kLong)) {
  const State parameters = psi.parameters();
  const auto index_of = [&](const std::string& name) {
    return static_cast<std::size_t>(std::distance(parameters.begin(), parameters.find(name)));
  };
  bias_ = index_of("input.bias");
  const Tensor bias = parameters.at("input.bias").detach();
  const auto& hidden = psi.settings().hidden;
  std::int64_t offset = hidden.front();
  for (std::size_t k = 1; k < hidden.size(); ++k) {
    const std::string name = fmt::format("convex.{}", k);
    const Tensor weights = parameters.at(name).detach();
    layers_.push_back({index_of(name), weights, bias.narrow(0, offset, hidden[k]), offset,
                       at::empty_like(weights), at::zeros({hidden[k - 1]}, bias.options())});
    offset += hidden[k];
  }
}

void CentredUpdate::step(const std::vector<Tensor>& derivatives, const Tensor& x, double rate,
                         Exchange exchange) {
  constexpr std::int64_t every = 50;
  const at::NoGradGuard no_graph;
  std::int64_t& updates = *updates_.data_ptr<std::int64_t>();
  if (updates++ % every == 0) {
    const std::vector<Tensor> means = psi_.layer_means(x);
    exchange.means(means).run();
    for (std::size_t k = 0; k < layers_.size(); ++k) layers_[k].mean = means[k];
  }
  for (Layer& layer : layers_) {
    const Tensor of_bias = derivatives[bias_].narrow(0, layer.offset, layer.bias.size(0));
    Tensor(derivatives[layer.convex]).addr_(of_bias, layer.mean, 1, -1);
    layer.before.copy_(layer.weights);
  }
  adam_.step(derivatives, rate);
  for (Layer& layer : layers_) {
    const Tensor change = layer.before.sub_(layer.weights).mv(layer.mean);
    layer.bias.add_(change);
    if (adam_.averages().empty()) continue;
    adam_.averages()[bias_]
        .narrow(0, layer.offset, layer.bias.size(0))
        .add_(change, adam_.newest_share());
  }
}

State CentredUpdate::state() const {
  State state{{"updates", updates_}};
  for (std::size_t k = 0; k < layers_.size(); ++k)
    state[fmt::format("mean.{}", k)] = layers_[k].mean;
  return state;
}

void CentredUpdate::restore(const State& state) {
  const Tensor& updates = require_tensor(state, "updates", "centred update");
  updates_.fill_(updates.item<std::int64_t>());
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    const std::string name = fmt::format("mean.{}", k);
    const Tensor& mean = require_tensor(state, name, "centred update");
    if (mean.sizes() != layers_[k].mean.sizes())
      fail(fmt::format("centred update: {}", name), shape_text(layers_[k].mean), shape_text(mean));
    layers_[k].mean = mean.clone();
  }
}

}  // namespace monge
