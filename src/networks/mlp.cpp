#include "monge/networks/mlp.h"

#include "monge/error.h"

#include "kernels/mlp_view.h"

namespace monge {
namespace {

double usual_alpha(const std::string& activation) {
  if (activation == "leaky_relu") return 0.2;
  return activation == "celu" || activation == "elu" ? 1.0 : 0.0;
}

Tensor activated(const Tensor& a, const MlpOptions& options) {
  if (options.activation == "leaky_relu") return at::leaky_relu(a, options.alpha);
  if (options.activation == "celu") return at::celu(a, options.alpha);
  if (options.activation == "elu") return at::elu(a, options.alpha);
  if (options.activation == "silu") return at::silu(a);
  return at::relu(a);
}

}  // namespace

const Declaration<MlpOptions>& mlp_declaration() {
  using O = MlpOptions;
  static const auto declaration =
      Declaration<O>("network", "mlp", "Multilayer perceptron: affine layers and activations.",
                     "Neural Optimal Transport (Korotin et al. 2023), appendix B")
          .option("hidden", &O::hidden, "Widths of the hidden layers; empty: chosen by dimension.",
                  between(1, 65536))
          .option("activation", &O::activation, "What stands between the layers.",
                  one_of({"relu", "leaky_relu", "celu", "elu", "silu"}))
          .option("alpha", &O::alpha,
                  "The slope of leaky_relu below 0, the alpha of celu and elu; 0: the usual one "
                  "(0.2, 1, 1).",
                  at_least(0));
  return declaration;
}

MlpOptions sized_for(MlpOptions options, std::int64_t dimension) {
  if (options.hidden.empty()) {
    const std::int64_t width =
        dimension <= 8 ? 64 : std::clamp<std::int64_t>(4 * dimension, 128, 512);
    options.hidden.assign(3, width);
  }
  if (options.alpha == 0) options.alpha = usual_alpha(options.activation);
  return options;
}

Mlp::Mlp(std::int64_t inputs, std::int64_t outputs, MlpOptions options, Random& random,
         at::ScalarType dtype)
    : inputs_(inputs), outputs_(outputs), options_(sized_for(std::move(options), inputs)) {
  std::vector<std::int64_t> widths{inputs};
  widths.insert(widths.end(), options_.hidden.begin(), options_.hidden.end());
  widths.push_back(outputs);
  for (std::size_t k = 0; k + 1 < widths.size(); ++k) {
    const double bound = 1 / std::sqrt(static_cast<double>(widths[k]));
    const auto drawn = [&](at::IntArrayRef shape) {
      return random.uniform(shape).mul_(2 * bound).sub_(bound).to(dtype).set_requires_grad(true);
    };
    weights_.push_back(drawn({widths[k + 1], widths[k]}));
    biases_.push_back(drawn({widths[k + 1]}));
  }
}

void Mlp::require_points(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != inputs_)
    fail("mlp", fmt::format("points [n, {}]", inputs_), shape_text(x));
}

Tensor Mlp::plain_forward(const Tensor& x) const {
  Tensor z = x;
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    const Tensor a = at::addmm(biases_[k], z, weights_[k].t());
    z = k + 1 < weights_.size() ? activated(a, options_) : a;
  }
  return z;
}

Tensor Mlp::forward(const Tensor& x, Graph graph) const {
  require_points(x);
  const at::AutoGradMode mode(graph == Graph::create);
  if (graph == Graph::create || !x.is_cpu() || x.scalar_type() != weights_[0].scalar_type())
    return plain_forward(x);
  Tensor out = at::empty({x.size(0), outputs_}, x.options());
  kernels::evaluate_mlp(kernels::mlp_shape(inputs_, outputs_, options_), parameters(), x, out, {});
  return out;
}

void Mlp::evaluate(const Tensor& x, Tensor value, Tensor gradient) const {
  require_points(x);
  if (outputs_ != 1) fail("mlp: gradient", "one output", std::to_string(outputs_));
  const at::NoGradGuard no_graph;
  kernels::evaluate_mlp(kernels::mlp_shape(inputs_, outputs_, options_), parameters(), x,
                        std::move(value), std::move(gradient));
}

State Mlp::parameters() const {
  State state;
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    state[fmt::format("layer.{}.weight", k)] = weights_[k];
    state[fmt::format("layer.{}.bias", k)] = biases_[k];
  }
  return state;
}

MlpPotential::MlpPotential(std::int64_t dimension, const MlpOptions& options, Random& random,
                           at::ScalarType dtype)
    : network_(dimension, 1, options, random, dtype) {}

Tensor MlpPotential::value(const Tensor& x, Graph graph) const {
  return network_.forward(x, graph).squeeze(1);
}

ValueAndGradient MlpPotential::value_and_gradient(const Tensor& x, Graph graph) const {
  if (graph == Graph::none && x.is_cpu()) {
    ValueAndGradient both{at::empty({x.size(0)}, x.options()), at::empty(x.sizes(), x.options())};
    network_.evaluate(x, both.value, both.gradient);
    return both;
  }
  return differentiate(network_, x, graph);
}

}  // namespace monge
