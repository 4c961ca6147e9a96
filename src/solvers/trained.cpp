#include "solvers/trained.h"

#include "monge/network_map.h"

namespace monge {

TrainedPotential::TrainedPotential(std::int64_t dimension, const MlpOptions& network,
                                   const AdamOptions& adam, std::int64_t rows, Random& random)
    : network_(std::make_shared<MlpPotential>(dimension, network, random)),
      passes_(passes_of(*network_)),
      pass_(passes_.make(rows)),
      adam_(network_->parameters(), adam) {}

Tensor TrainedPotential::forward(const Tensor& points) {
  pass_->sums.reset();
  Tensor value = at::empty({points.size(0)}, points.options());
  pass_->forward(points.const_data_ptr<float>(), points.size(0), value.data_ptr<float>());
  return value;
}

Tensor TrainedPotential::gradient(const Tensor& points) {
  Tensor slope = at::empty_like(points);
  pass_->gradient(slope.data_ptr<float>());
  return slope;
}

void TrainedPotential::accumulate(const Tensor& c) {
  pass_->accumulate(c.contiguous().const_data_ptr<float>());
}

void TrainedPotential::update(double rate) {
  adam_.step(pass_->sums.tensors(), rate);
  passes_.network->changed();
}

State TrainedPotential::state() const {
  State state;
  insert_state(state, "network", network_->parameters());
  insert_state(state, "adam", adam_.state());
  return state;
}

void TrainedPotential::restore(const State& state, std::string_view where) {
  copy_parameters(network_->parameters(), extract_state(state, "network"), where);
  adam_.restore(extract_state(state, "adam"));
  passes_.network->changed();
}

TrainedMap::TrainedMap(std::int64_t dimension, const MlpOptions& network, bool residual,
                       const AdamOptions& adam, std::int64_t rows, Random& random)
    : network_(std::make_shared<Mlp>(dimension, dimension, network, random)),
      average_(std::make_shared<Mlp>(dimension, dimension, network, random)),
      residual_(residual),
      averaged_(adam.average > 0),
      passes_(map_passes(*network_, residual)),
      pass_(passes_.make(rows)),
      adam_(network_->parameters(), adam, {}, averaged_ ? average_->parameters() : State()) {
  copy_parameters(average_->parameters(), network_->parameters(), "map");
}

Tensor TrainedMap::forward(const Tensor& points) {
  pass_->sums.reset();
  Tensor moved = at::empty_like(points);
  pass_->forward(points.const_data_ptr<float>(), points.size(0), moved.data_ptr<float>());
  return moved;
}

void TrainedMap::accumulate(const Tensor& along) {
  pass_->accumulate(along.contiguous().const_data_ptr<float>());
}

void TrainedMap::update(double rate) {
  adam_.step(pass_->sums.tensors(), rate);
  passes_.network->changed();
}

void TrainedMap::become_zero() {
  const at::NoGradGuard no_graph;
  const std::string last = fmt::format("layer.{}.", network_->settings().hidden.size());
  for (const State& state : {network_->parameters(), average_->parameters()})
    for (const char* part : {"weight", "bias"}) Tensor(state.at(last + part)).zero_();
  passes_.network->changed();
}

std::shared_ptr<const TransportMap> TrainedMap::solution() const {
  return std::make_shared<NetworkMap>(averaged_ ? average_ : network_, residual_,
                                      identity_frame(network_->inputs()).to_dtype(at::kFloat));
}

State TrainedMap::state() const {
  State state;
  insert_state(state, "network", network_->parameters());
  insert_state(state, "average", average_->parameters());
  insert_state(state, "adam", adam_.state());
  return state;
}

void TrainedMap::restore(const State& state, std::string_view where) {
  copy_parameters(network_->parameters(), extract_state(state, "network"), where);
  copy_parameters(average_->parameters(), extract_state(state, "average"), where);
  adam_.restore(extract_state(state, "adam"));
  passes_.network->changed();
}

double mean_quadratic_cost(const Measure& source, const Measure& target, Random& random) {
  const Moments p = sampled_moments(source, random), q = sampled_moments(target, random);
  return 0.5 * ((p.mean - q.mean).square().sum() + p.covariance.trace() + q.covariance.trace())
                   .item<double>();
}

}  // namespace monge
