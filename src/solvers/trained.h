#pragma once

#include "monge/adam.h"
#include "monge/transport_map.h"

#include "solvers/passes.h"

#include <string_view>

namespace monge {

/// A perceptron for a potential and what trains it: the pass of a whole batch and Adam.
class TrainedPotential {
 public:
  /// `rows`: the most points of a pass.
  TrainedPotential(std::int64_t dimension, const MlpOptions& network, const AdamOptions& adam,
                   std::int64_t rows, Random& random);

  const std::shared_ptr<MlpPotential>& network() const { return network_; }
  PotentialPass& pass() { return *pass_; }
  /// f at `points` [n, d], float32 and contiguous, which have to stay until the pass accumulates.
  /// Begins the sums of the pass anew.
  Tensor forward(const Tensor& points);
  /// ∇f at the points of the last forward(), [n, d].
  Tensor gradient(const Tensor& points);
  /// Adds Σ c_i ∂f(x_i)/∂parameters for `c` [n] at the points of the last forward().
  void accumulate(const Tensor& c);
  /// One step of Adam along the sums of the pass.
  void update(double rate);

  State state() const;
  void restore(const State& state, std::string_view where);

 private:
  std::shared_ptr<MlpPotential> network_;
  PotentialPasses passes_;
  std::unique_ptr<PotentialPass> pass_;
  Adam adam_;
};

/// The same for a map: F(x), or x + F(x) where it is `residual`, with the average of its
/// parameters.
class TrainedMap {
 public:
  TrainedMap(std::int64_t dimension, const MlpOptions& network, bool residual,
             const AdamOptions& adam, std::int64_t rows, Random& random);

  const Mlp& network() const { return *network_; }
  MapPass& pass() { return *pass_; }
  Tensor forward(const Tensor& points);
  void accumulate(const Tensor& along);
  void update(double rate);
  /// Makes F the constant 0, with all layers but the last as they are drawn.
  void become_zero();
  /// The map of the averaged parameters, or of the last ones where nothing is averaged.
  std::shared_ptr<const TransportMap> solution() const;

  State state() const;
  void restore(const State& state, std::string_view where);

 private:
  std::shared_ptr<Mlp> network_, average_;
  bool residual_, averaged_;
  MapPasses passes_;
  std::unique_ptr<MapPass> pass_;
  Adam adam_;
};

/// E c(X, Y) of independent points for the quadratic cost, from samples.
double mean_quadratic_cost(const Measure& source, const Measure& target, Random& random);

}  // namespace monge
