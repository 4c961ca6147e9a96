#pragma once

#include "monge/solvers/saddle_point.h"

#include "solvers/passes.h"

namespace monge {

/// Throws Error on a given network from or to other dimensions.
void require_network(const Network& network, const char* where, std::int64_t inputs,
                     std::int64_t outputs);

/// Those of the map that is the gradient of an input-convex network, or x - grad u(x) of a
/// perceptron u.
MapPasses passes_of_gradient(const SaddlePoint::Potentials& potential);

/// What is trained for the map: a network from x and z to points, or a potential whose gradient
/// gives the map; and the average of its parameters.
struct SaddlePoint::Maps {
  /// Of the size that the options name, or that of the potential played against. `given`: the
  /// network from x and z to points, or null.
  Maps(const SaddlePointOptions& options, const Potentials& against, Random& random,
       const std::shared_ptr<AutogradNetwork>& given);

  bool is_gradient() const { return !mlp && !given; }
  std::shared_ptr<const Network> network(bool averaged) const;
  State parameters() const;
  State average() const;
  std::map<std::string, double> lower_bounds() const;
  MapPasses passes(bool residual) const;
  PassWork work() const;

  std::shared_ptr<Mlp> mlp, mlp_average;
  std::shared_ptr<AutogradNetwork> given, given_average;
  Potentials potential, potential_average;
  std::int64_t rows = 0;  // of a pass

 private:
  void take(const SaddlePointOptions& options, const std::shared_ptr<AutogradNetwork>& network);
  void build_icnn(const SaddlePointOptions& options, const DenseIcnn& against, Random& random);
  void build_perceptron(const SaddlePointOptions& options, const Potentials& against,
                        Random& random);
};

}  // namespace monge
