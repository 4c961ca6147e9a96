#pragma once

#include "monge/networks/mlp.h"
#include "monge/noise_levels.h"

namespace monge {

/// Options of a perceptron conditioned on the noise level, and of the levels.
struct NoisedMlpOptions : NoiseLevelOptions {
  std::vector<std::int64_t> hidden = {};
  std::string activation = "relu";
  double alpha = 0;

  /// With `hidden` and `alpha` chosen where they are not, as those of a perceptron.
  NoisedMlpOptions sized_for(std::int64_t dimension) const;
};

const Declaration<NoisedMlpOptions>& noised_mlp_declaration();

/// A potential f(x, sigma) conditioned on the noise level: a perceptron of the point and an
/// embedding of sigma, as in noised strong NOT. As a Potential of x alone it is that of the lowest
/// level. Parameters: those of an Mlp of d + embedding inputs.
class NoisedMlp final : public Potential {
 public:
  NoisedMlp(std::int64_t dimension, const NoisedMlpOptions& options, Random& random,
            at::ScalarType dtype = at::kFloat);

  std::int64_t dimension() const override { return levels_.dimension(); }
  Tensor value(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  /// f(x_i, sigma_i) for x [n, d] and sigma [n], [n]; x has its noise.
  Tensor value(const Tensor& x, const Tensor& sigma, Graph graph) const;
  /// The same and the gradient in x.
  ValueAndGradient value_and_gradient(const Tensor& x, const Tensor& sigma, Graph graph) const;
  State parameters() const override { return network_.parameters(); }

  std::string name() const override { return "noised_mlp"; }
  Table options() const override { return noised_mlp_declaration().write(options_); }
  const NoiseLevels& levels() const { return levels_; }
  const Mlp& network() const { return network_; }

 private:
  Tensor lowest(const Tensor& x) const;

  NoisedMlpOptions options_;
  NoiseLevels levels_;
  Mlp network_;
};

}  // namespace monge
