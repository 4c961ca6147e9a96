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
  AT_DISPATCH_FLOATING_TYPES(derivatives[bias_].scalar_type(), "centred_update",
                             [&] { step_as<scalar_t>(derivatives, rate); });
}

template <class T>
void CentredUpdate::step_as(const std::vector<Tensor>& derivatives, double rate) {
  const T* of_bias = derivatives[bias_].const_data_ptr<T>();
  for (Layer& layer : layers_) {
    const auto [rows, columns] = std::pair(layer.weights.size(0), layer.weights.size(1));
    const T* mean = layer.mean.const_data_ptr<T>();
    T* of_weights = derivatives[layer.convex].data_ptr<T>();
    for (std::int64_t o = 0; o < rows; ++o, of_weights += columns)
      for (std::int64_t i = 0; i < columns; ++i)
        of_weights[i] -= of_bias[layer.offset + o] * mean[i];
    layer.before.copy_(layer.weights);
  }
  adam_.step(derivatives, rate);
  const T newest = static_cast<T>(adam_.newest_share());
  T* average = adam_.averages().empty() ? nullptr : adam_.averages()[bias_].data_ptr<T>();
  for (Layer& layer : layers_) {
    const auto [rows, columns] = std::pair(layer.weights.size(0), layer.weights.size(1));
    const T *mean = layer.mean.const_data_ptr<T>(), *now = layer.weights.const_data_ptr<T>();
    const T* before = layer.before.const_data_ptr<T>();
    T* bias = layer.bias.data_ptr<T>();
    for (std::int64_t o = 0; o < rows; ++o, now += columns, before += columns) {
      T change = 0;
      for (std::int64_t i = 0; i < columns; ++i) change += (before[i] - now[i]) * mean[i];
      bias[o] += change;
      if (average) average[layer.offset + o] += newest * change;
    }
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
