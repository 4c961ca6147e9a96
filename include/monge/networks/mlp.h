#pragma once

#include "monge/networks/network.h"
#include "monge/options.h"
#include "monge/random.h"

#include <cstdint>
#include <string>
#include <vector>

namespace monge {

/// Options of a multilayer perceptron.
struct MlpOptions {
  std::vector<std::int64_t> hidden = {};
  std::string activation = "relu";
  double alpha = 0;
};

/// The declaration of the options: name, default, bounds, sentence.
const Declaration<MlpOptions>& mlp_declaration();

/// The options with `hidden` chosen from the dimension where it is empty, and the activation's
/// usual alpha where that is 0.
MlpOptions sized_for(MlpOptions options, std::int64_t dimension);

/// A multilayer perceptron F from R^inputs to R^outputs: affine layers with an activation between
/// them, the last one without. Parameters: layer.k.weight [out, in] and layer.k.bias [out], k from
/// 0, drawn uniformly within 1/√in of 0 (He-type bounds as PyTorch's linear layers have them).
class Mlp final : public Network {
 public:
  Mlp(std::int64_t inputs, std::int64_t outputs, MlpOptions options, Random& random,
      at::ScalarType dtype = at::kFloat);

  std::int64_t inputs() const override { return inputs_; }
  std::int64_t outputs() const override { return outputs_; }
  Tensor forward(const Tensor& x, Graph graph) const override;
  /// F(x) [n] and ∇F(x) [n, inputs] of a network with one output, without a graph; either tensor
  /// undefined where it is not wanted.
  void evaluate(const Tensor& x, Tensor value, Tensor gradient) const;

  State parameters() const override;
  const MlpOptions& settings() const { return options_; }

 private:
  void require_points(const Tensor& x) const;
  Tensor plain_forward(const Tensor& x) const;

  std::int64_t inputs_, outputs_;
  MlpOptions options_;
  std::vector<Tensor> weights_, biases_;
};

/// A potential without a promised shape: a multilayer perceptron with one output, as f of Korotin
/// et al. 2023 (Neural Optimal Transport), appendix B.
class MlpPotential final : public Potential {
 public:
  MlpPotential(std::int64_t dimension, const MlpOptions& options, Random& random,
               at::ScalarType dtype = at::kFloat);

  std::int64_t dimension() const override { return network_.inputs(); }
  Tensor value(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  State parameters() const override { return network_.parameters(); }

  std::string name() const override { return "mlp"; }
  Table options() const override { return mlp_declaration().write(network_.settings()); }
  const Mlp& network() const { return network_; }

 private:
  Mlp network_;
};

}  // namespace monge
