#pragma once

#include "monge/potential.h"

#include <cstdint>
#include <memory>

namespace monge {

/// A function F from R^inputs to R^outputs with trainable parameters.
class Network {
 public:
  virtual ~Network() = default;
  virtual std::int64_t inputs() const = 0;
  virtual std::int64_t outputs() const = 0;
  /// F(x) for x [n, inputs] in the parameters' dtype; [n, outputs]. With Graph::create the result
  /// carries a graph to the parameters and, where x requires it, to x. Throws Error on another
  /// shape.
  virtual Tensor forward(const Tensor& x, Graph graph) const = 0;
  /// The trainable tensors by name; they share storage with the network.
  virtual State parameters() const = 0;
};

/// F(x) [n] and ∇F(x) [n, inputs] of a network with one output, by autograd.
ValueAndGradient differentiate(const Network& network, const Tensor& x, Graph graph);

/// A network that a caller brings and of which nothing is known but this: autograd differentiates
/// it. Its parameters are float32, contiguous and on the processor.
class AutogradNetwork : public Network {
 public:
  /// F(x) as it is while it is trained, with a graph to the parameters and to x: with dropout, say,
  /// and with the statistics of this batch.
  virtual Tensor train_forward(const Tensor& x) const { return forward(x, Graph::create); }
  /// What changes in training beside the parameters, by name; shares storage with the network.
  virtual State buffers() const { return {}; }
  /// The same function with storage of its own.
  virtual std::shared_ptr<AutogradNetwork> clone() const = 0;
};

/// A potential that is such a network with one output.
class NetworkPotential final : public Potential {
 public:
  /// Throws Error on a network of more outputs.
  explicit NetworkPotential(std::shared_ptr<AutogradNetwork> network);

  std::int64_t dimension() const override { return network_->inputs(); }
  Tensor value(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  State parameters() const override { return network_->parameters(); }

  std::string name() const override { return "given"; }
  Table options() const override { return {}; }
  const std::shared_ptr<AutogradNetwork>& network() const { return network_; }

 private:
  std::shared_ptr<AutogradNetwork> network_;
};

/// A caller's networks in the place of a solver's own; null: its own.
struct GivenNetworks {
  std::shared_ptr<AutogradNetwork> potential;  ///< from R^d to R
  std::shared_ptr<AutogradNetwork> map;        ///< from R^d, or R^(d + noise), to R^d
};

}  // namespace monge
