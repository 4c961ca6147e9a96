#include "monge/networks/noised_mlp.h"

namespace monge {
namespace {

MlpOptions perceptron(const NoisedMlpOptions& options) {
  return {.hidden = options.hidden, .activation = options.activation, .alpha = options.alpha};
}

}  // namespace

const Declaration<NoisedMlpOptions>& noised_mlp_declaration() {
  using O = NoisedMlpOptions;
  static const auto declaration = with_noise_levels(
      Declaration<O>("network", "noised_mlp",
                     "Multilayer perceptron of a point with noise and of the noise level, for the "
                     "potential of saddle_point: noised strong NOT.",
                     "Sudakov (a reproduction of NOT), algorithm 5; Karras et al. "
                     "2022 (EDM), table 1")
          .option("hidden", &O::hidden, "Widths of the hidden layers; empty: chosen by dimension.",
                  between(1, 65536))
          .option("activation", &O::activation, "What stands between the layers.",
                  one_of({"relu", "leaky_relu", "celu", "elu", "silu"}))
          .option("alpha", &O::alpha,
                  "The slope of leaky_relu below 0, the alpha of celu and elu; 0: the usual one "
                  "(0.2, 1, 1).",
                  at_least(0)));
  return declaration;
}

NoisedMlpOptions NoisedMlpOptions::sized_for(std::int64_t dimension) const {
  const MlpOptions perceptron_options = monge::sized_for(perceptron(*this), dimension);
  NoisedMlpOptions sized = *this;
  sized.hidden = perceptron_options.hidden;
  sized.alpha = perceptron_options.alpha;
  return sized;
}

NoisedMlp::NoisedMlp(std::int64_t dimension, const NoisedMlpOptions& options, Random& random,
                     at::ScalarType dtype)
    : options_(options.sized_for(dimension)),
      levels_(dimension, options_),
      network_(dimension + options_.embedding, 1, perceptron(options_), random, dtype) {}

Tensor NoisedMlp::value(const Tensor& x, const Tensor& sigma, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  const double s = levels_.deviation();
  const Tensor seen =
      at::cat({levels_.points(x, sigma), levels_.embed(sigma.to(x.scalar_type()))}, 1);
  return network_.forward(seen, graph).squeeze(1) * (s * s);
}

ValueAndGradient NoisedMlp::value_and_gradient(const Tensor& x, const Tensor& sigma,
                                               Graph graph) const {
  const at::AutoGradMode mode(true);
  const Tensor points = x.requires_grad() ? x : x.detach().requires_grad_(true);
  const Tensor value = this->value(points, sigma, Graph::create);
  const bool keep = graph == Graph::create;
  const Tensor gradient = torch::autograd::grad({value.sum()}, {points}, {}, keep, keep).front();
  return keep ? ValueAndGradient{value, gradient}
              : ValueAndGradient{value.detach(), gradient.detach()};
}

Tensor NoisedMlp::lowest(const Tensor& x) const {
  return at::full({x.size(0)}, levels_.options().sigma_min, at::kFloat);
}

Tensor NoisedMlp::value(const Tensor& x, Graph graph) const { return value(x, lowest(x), graph); }

ValueAndGradient NoisedMlp::value_and_gradient(const Tensor& x, Graph graph) const {
  return value_and_gradient(x, lowest(x), graph);
}

}  // namespace monge
