#include "solvers/saddle_point_maps.h"

#include "monge/error.h"

#include "kernels/icnn_view.h"
#include "kernels/mlp_view.h"

namespace monge {

void require_network(const Network& network, const char* where, std::int64_t inputs,
                     std::int64_t outputs) {
  if (network.inputs() == inputs && network.outputs() == outputs) return;
  fail(where, fmt::format("a network from {} to {} dimensions", inputs, outputs),
       fmt::format("one from {} to {}", network.inputs(), network.outputs()));
}

MapPasses passes_of_gradient(const SaddlePoint::Potentials& potential) {
  return potential.icnn ? gradient_passes(*potential.icnn) : descent_passes(*potential.mlp);
}

SaddlePoint::Maps::Maps(const SaddlePointOptions& options, const Potentials& against,
                        Random& random, const std::shared_ptr<AutogradNetwork>& network) {
  if (network) {
    require_network(*network, "map", against.any().dimension() + options.noise_dimension,
                    against.any().dimension());
    take(options, network);
  } else if (against.icnn && options.map == "gradient") {
    build_icnn(options, *against.icnn, random);
  } else {
    build_perceptron(options, against, random);
  }
  if (given || against.given) rows = options.batch * options.noise_samples;
  copy_parameters(average(), parameters(), "saddle_point");
}

void SaddlePoint::Maps::take(const SaddlePointOptions& options,
                             const std::shared_ptr<AutogradNetwork>& network) {
  given = options.average > 0 ? network->clone() : network;
  given_average = network;
}

void SaddlePoint::Maps::build_icnn(const SaddlePointOptions& options, const DenseIcnn& against,
                                   Random& random) {
  const std::int64_t d = against.dimension();
  DenseIcnnOptions network = against.settings();
  if (!options.map_hidden.empty()) network.hidden = options.map_hidden;
  for (Potentials* one : {&potential, &potential_average})
    one->icnn = std::make_shared<DenseIcnn>(d, network, DenseIcnn::Initial::near_zero, random);
  rows = kernels::icnn_block_rows(kernels::icnn_shape(d, network), sizeof(float));
}

void SaddlePoint::Maps::build_perceptron(const SaddlePointOptions& options,
                                         const Potentials& against, Random& random) {
  const std::int64_t d = against.any().dimension(), inputs = d + options.noise_dimension;
  const bool gradient = options.map == "gradient";
  MlpOptions network;
  if (const Mlp* perceptron = against.perceptron()) network.hidden = perceptron->settings().hidden;
  if (!options.map_hidden.empty()) network.hidden = options.map_hidden;
  network.activation = options.map_activation;
  network = sized_for(network, inputs);
  if (gradient)
    for (Potentials* one : {&potential, &potential_average})
      one->mlp = std::make_shared<MlpPotential>(d, network, random);
  else
    for (auto* one : {&mlp, &mlp_average}) *one = std::make_shared<Mlp>(inputs, d, network, random);
  rows =
      kernels::mlp_block_rows(kernels::mlp_shape(inputs, gradient ? 1 : d, network), sizeof(float));
}

std::shared_ptr<const Network> SaddlePoint::Maps::network(bool averaged) const {
  if (given) return averaged ? given_average : given;
  return averaged ? mlp_average : mlp;
}

State SaddlePoint::Maps::parameters() const {
  return is_gradient() ? potential.any().parameters() : network(false)->parameters();
}

State SaddlePoint::Maps::average() const {
  return is_gradient() ? potential_average.any().parameters() : network(true)->parameters();
}

std::map<std::string, double> SaddlePoint::Maps::lower_bounds() const {
  return is_gradient() ? potential.any().lower_bounds() : std::map<std::string, double>();
}

MapPasses SaddlePoint::Maps::passes(bool residual) const {
  if (given) return map_passes(given, residual);
  return mlp ? map_passes(*mlp, residual) : passes_of_gradient(potential);
}

PassWork SaddlePoint::Maps::work() const {
  if (potential.icnn) return pass_work(*potential.icnn);
  return pass_work(mlp ? *mlp : potential.mlp->network());
}

}  // namespace monge
