#include "monge/networks/dense_icnn.h"

#include "monge/error.h"

#include "kernels/icnn_view.h"

namespace monge {
namespace {

constexpr double least_skip = 1e-2;  // keeps the skip's share of the map invertible

/// CELU'(a) from the same exponential as CELU: exp(min(a, 0) / alpha).
Tensor celu_derivative(const Tensor& a, double alpha) {
  return (at::clamp_max(a, 0.0) / alpha).exp();
}

}  // namespace

const Declaration<DenseIcnnOptions>& dense_icnn_declaration() {
  using O = DenseIcnnOptions;
  static const auto declaration =
      Declaration<O>("network", "dense_icnn",
                     "Dense input-convex network [rank; hidden...]: convex quadratic layers, "
                     "non-negative weights between layers, CELU.",
                     "W2GN (Korotin et al. 2021), appendix B.2")
          .option("rank", &O::rank, "Rank r of every convex quadratic form.", between(1, 1024))
          .option("hidden", &O::hidden,
                  "Widths h_0, ..., h_K of the layers; empty: chosen from the dimension.",
                  between(1, 65536))
          .option("celu_alpha", &O::celu_alpha, "The alpha of the CELU activation.", above(0))
          .option("strong_convexity", &O::strong_convexity,
                  "beta: ½ beta |x|² is added to the output.", at_least(0))
          .option("input_scale", &O::input_scale,
                  "Size of the first weights of the linear parts, which set where the units bend; "
                  "0: chosen from the dimension.",
                  at_least(0))
          .option("skip", &O::skip,
                  "Adds a trainable diagonal quadratic and a linear term of the input, so that the "
                  "network can start as the identity map.");
  return declaration;
}

DenseIcnnOptions sized_for(DenseIcnnOptions options, std::int64_t dimension) {
  if (options.hidden.empty()) {
    const std::int64_t wide =
        dimension <= 8 ? 128 : std::clamp<std::int64_t>(2 * dimension, 64, 1024);
    options.hidden = {wide, wide, std::max<std::int64_t>(wide / 2, 32)};
  }
  if (options.input_scale == 0) options.input_scale = bends_freely(options, dimension) ? 3.0 : 0.7;
  return options;
}

bool bends_freely(const DenseIcnnOptions& options, std::int64_t dimension) {
  constexpr std::int64_t few_dimensions = 8, wide = 64;
  const auto& hidden = options.hidden;
  return dimension <= few_dimensions && !hidden.empty() && std::ranges::min(hidden) >= wide;
}

struct DenseIcnn::Forward {
  Tensor quadratic;                   // u = x Fᵀ, [n, r H]
  std::vector<Tensor> preactivation;  // a_0 = q_0, ..., a_K, each [n, h_k]
  Tensor last;                        // z_K
};

DenseIcnn::DenseIcnn(std::int64_t dimension, DenseIcnnOptions options, Initial initial,
                     Random& random, at::ScalarType dtype)
    : dimension_(dimension), options_(sized_for(std::move(options), dimension)) {
  const auto& hidden = options_.hidden;
  offsets_ = {0};
  for (const std::int64_t width : hidden) offsets_.push_back(offsets_.back() + width);
  const std::int64_t units = offsets_.back();
  const std::int64_t rank = options_.rank;
  const double per_input = options_.input_scale / std::sqrt(static_cast<double>(dimension));

  input_weight_ = random.normal({(rank + 1) * units, dimension});
  input_weight_.narrow(0, 0, rank * units)
      .mul_(0.7 / std::sqrt(static_cast<double>(dimension * rank)));
  input_weight_.narrow(0, rank * units, units).mul_(per_input);
  input_bias_ = at::zeros({units});
  for (std::size_t k = 1; k < hidden.size(); ++k)
    convex_.push_back(random.normal({hidden[k], hidden[k - 1]}).abs() / hidden[k - 1]);
  const double input_size = std::max(1.0, options_.input_scale * options_.input_scale);
  const double final_scale =
      initial == Initial::near_zero ? 0.01 / input_size : 1.0 / static_cast<double>(hidden.back());
  final_ = random.normal({hidden.back()}).abs() * final_scale;
  if (options_.skip) {
    skip_quadratic_ = at::full({dimension}, initial == Initial::near_zero ? 1.0 : least_skip);
    skip_linear_ = at::zeros({dimension});
  }
  const auto trainable = [dtype](Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.to(dtype).contiguous().set_requires_grad(true);
  };
  for (Tensor* tensor : {&input_weight_, &input_bias_, &final_, &skip_quadratic_, &skip_linear_})
    trainable(*tensor);
  for (Tensor& tensor : convex_) trainable(tensor);
}

void DenseIcnn::require_points(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != dimension_)
    fail("dense_icnn", fmt::format("points [n, {}]", dimension_), shape_text(x));
}

bool DenseIcnn::runs_fused(const Tensor& x, Graph graph) const {
  return graph == Graph::none && x.is_cpu() && x.scalar_type() == final_.scalar_type();
}

DenseIcnn::Forward DenseIcnn::forward(const Tensor& x) const {
  const std::int64_t units = offsets_.back();
  const std::int64_t rank = options_.rank;
  Forward pass;
  const Tensor projected = x.mm(input_weight_.t());
  pass.quadratic = projected.narrow(1, 0, rank * units);
  Tensor squares = pass.quadratic.square();
  if (rank > 1) squares = squares.view({x.size(0), units, rank}).sum(2);
  const Tensor q = projected.narrow(1, rank * units, units) + squares + input_bias_;

  Tensor z = q.narrow(1, 0, offsets_[1]);
  pass.preactivation.push_back(z);
  for (std::size_t k = 0; k < convex_.size(); ++k) {
    const Tensor q_k = q.narrow(1, offsets_[k + 1], offsets_[k + 2] - offsets_[k + 1]);
    pass.preactivation.push_back(at::addmm(q_k, z, convex_[k].t()));
    z = at::celu(pass.preactivation.back(), options_.celu_alpha);
  }
  pass.last = z;
  return pass;
}

Tensor DenseIcnn::value_of(const Forward& pass, const Tensor& x) const {
  Tensor value = pass.last.mv(final_);
  if (options_.strong_convexity > 0)
    value = value + 0.5 * options_.strong_convexity * x.square().sum(1);
  if (options_.skip) value = value + 0.5 * x.square().mv(skip_quadratic_) + x.mv(skip_linear_);
  return value;
}

/// The chain rule through the layers, written out so that one backward pass through it gives the
/// derivatives of the gradient.
Tensor DenseIcnn::gradient_of(const Forward& pass, const Tensor& x) const {
  const std::size_t layers = pass.preactivation.size();
  std::vector<Tensor> deltas(layers);  // d psi / d a_k, [n, h_k]
  Tensor upstream = final_.expand({x.size(0), final_.size(0)});
  for (std::size_t k = layers - 1; k > 0; --k) {
    deltas[k] = upstream * celu_derivative(pass.preactivation[k], options_.celu_alpha);
    upstream = deltas[k].mm(convex_[k - 1]);
  }
  deltas[0] = upstream;
  const Tensor delta = layers == 1 ? deltas[0] : at::cat(deltas, 1);
  const Tensor repeated = options_.rank == 1 ? delta : delta.repeat_interleave(options_.rank, 1);
  Tensor gradient = at::cat({2 * pass.quadratic * repeated, delta}, 1).mm(input_weight_);
  if (options_.strong_convexity > 0) gradient = gradient + options_.strong_convexity * x;
  if (options_.skip) gradient = gradient + x * skip_quadratic_ + skip_linear_;
  return gradient;
}

Tensor DenseIcnn::value(const Tensor& x, Graph graph) const {
  require_points(x);
  const at::AutoGradMode mode(graph == Graph::create);
  if (!runs_fused(x, graph)) return value_of(forward(x), x);
  Tensor value = at::empty({x.size(0)}, x.options());
  kernels::evaluate_icnn(kernels::icnn_shape(dimension_, options_), parameters(), x, value, {});
  return value;
}

Tensor DenseIcnn::gradient(const Tensor& x, Graph graph) const {
  require_points(x);
  const at::AutoGradMode mode(graph == Graph::create);
  if (!runs_fused(x, graph)) return gradient_of(forward(x), x);
  Tensor gradient = at::empty(x.sizes(), x.options());
  kernels::evaluate_icnn(kernels::icnn_shape(dimension_, options_), parameters(), x, {}, gradient);
  return gradient;
}

ValueAndGradient DenseIcnn::value_and_gradient(const Tensor& x, Graph graph) const {
  require_points(x);
  const at::AutoGradMode mode(graph == Graph::create);
  if (!runs_fused(x, graph)) {
    const Forward pass = forward(x);
    return {value_of(pass, x), gradient_of(pass, x)};
  }
  ValueAndGradient both{at::empty({x.size(0)}, x.options()), at::empty(x.sizes(), x.options())};
  kernels::evaluate_icnn(kernels::icnn_shape(dimension_, options_), parameters(), x, both.value,
                         both.gradient);
  return both;
}

bool DenseIcnn::has_kernels(const Tensor& x) const {
  require_points(x);
  const at::ScalarType own = final_.scalar_type();
  return x.is_cpu() && final_.is_cpu() && (own == at::kFloat || own == at::kDouble) &&
         (x.scalar_type() == own || x.scalar_type() == at::kDouble);
}

Tensor DenseIcnn::hessian_product(const Tensor& x, const Tensor& v) const {
  if (!has_kernels(x)) return Potential::hessian_product(x, v);
  const at::NoGradGuard no_graph;
  require_directions(x, v);
  Tensor product = at::empty(x.sizes(), x.options());
  kernels::icnn_hessian(kernels::icnn_shape(dimension_, options_), in_dtype(x.scalar_type()), x,
                        v.to(x.scalar_type()).unsqueeze(1), product.unsqueeze(1));
  return product;
}

Tensor DenseIcnn::hessian(const Tensor& x) const {
  if (!has_kernels(x)) return Potential::hessian(x);
  const at::NoGradGuard no_graph;
  Tensor hessian = at::empty({x.size(0), dimension_, dimension_}, x.options());
  kernels::icnn_hessian(kernels::icnn_shape(dimension_, options_), in_dtype(x.scalar_type()), x, {},
                        hessian);
  return hessian;
}

State DenseIcnn::in_dtype(at::ScalarType dtype) const {
  State state = parameters();
  for (auto& [name, parameter] : state) parameter = parameter.detach().to(dtype);
  return state;
}

State DenseIcnn::parameters() const {
  State state{{"input.weight", input_weight_}, {"input.bias", input_bias_}, {"final", final_}};
  for (std::size_t k = 0; k < convex_.size(); ++k)
    state[fmt::format("convex.{}", k + 1)] = convex_[k];
  if (options_.skip) {
    state["skip.quadratic"] = skip_quadratic_;
    state["skip.linear"] = skip_linear_;
  }
  return state;
}

std::map<std::string, double> DenseIcnn::lower_bounds() const {
  std::map<std::string, double> bounds{{"final", 0}};
  for (std::size_t k = 1; k <= convex_.size(); ++k) bounds[fmt::format("convex.{}", k)] = 0;
  if (options_.skip) bounds["skip.quadratic"] = least_skip;
  return bounds;
}

/// With g the gradient of the network without its skip, centred like x: g is scaled by
/// kappa = (1 - skip_share) sum <x, x> / sum <g, x>, and the linear term moves the means together.
/// The numerator and the denominator are positive: g is the gradient of a convex function.
void DenseIcnn::become_identity(const Tensor& x, double skip_share) {
  const at::NoGradGuard no_graph;
  if (!options_.skip) fail("dense_icnn: become_identity", "skip = true", "false");
  skip_quadratic_.zero_();
  skip_linear_.zero_();
  const Tensor g = gradient(x, Graph::none);
  const Tensor mean_x = x.mean(0), mean_g = g.mean(0);
  const Tensor centred = x - mean_x;
  const double spread = centred.square().sum().item<double>();
  const double agreement = ((g - mean_g) * centred).sum().item<double>();
  const double share = agreement > 0 ? (1 - skip_share) * spread / agreement : 0.0;
  final_.mul_(share);
  skip_quadratic_.fill_(agreement > 0 ? skip_share : 1.0);
  skip_linear_.copy_((1 - skip_quadratic_) * mean_x - share * mean_g);
}

/// Unit u of these bends where s (<v, x> - t) = 0 for its direction v, the signs s taking turns and
/// t at the quantiles of a normal law; what its layer gets from the layer before is 0 in the mean.
void DenseIcnn::bend_along(const Tensor& directions, const Tensor& x) {
  constexpr std::int64_t most = 4;  // units of a direction
  constexpr double slope = 1.5;
  const at::NoGradGuard no_graph;
  const std::int64_t m = directions.size(0), first = offsets_[1], rank = options_.rank;
  const std::int64_t units = std::min(offsets_.back() - first, most * m);
  if (units == 0) return;
  const Tensor unit = at::arange(units, at::kLong), turn = unit.floor_divide(m);
  const Tensor scale = slope * (1 - 2 * turn.remainder(2)).to(at::kFloat);
  const std::int64_t turns = (units + m - 1) / m;
  const Tensor level =
      at::special_ndtri((turn.to(at::kDouble) + 0.5) / static_cast<double>(turns)).to(at::kFloat);
  const Tensor along = directions.to(at::kFloat).index_select(0, unit.remainder(m));
  input_weight_.narrow(0, rank * first, rank * units).zero_();  // the quadratic forms
  input_weight_.narrow(0, rank * offsets_.back() + first, units).copy_(along * scale.unsqueeze(1));
  input_bias_.narrow(0, first, units).copy_(-scale * level);
  for (std::size_t k = 1; k + 1 < offsets_.size(); ++k) {
    const std::int64_t here = std::min(offsets_[k + 1], first + units) - offsets_[k];
    if (here <= 0) break;
    const Tensor below = convex_[k - 1].narrow(0, 0, here).mv(layer_means(x)[k - 1]);
    input_bias_.narrow(0, offsets_[k], here).sub_(below);
  }
}

std::vector<Tensor> DenseIcnn::layer_means(const Tensor& x) const {
  require_points(x);
  const at::NoGradGuard no_graph;
  const Forward pass = forward(x);
  std::vector<Tensor> means;
  for (std::size_t k = 0; k < convex_.size(); ++k) {
    const Tensor& a = pass.preactivation[k];
    means.push_back((k == 0 ? a : at::celu(a, options_.celu_alpha)).mean(0));
  }
  return means;
}

Table DenseIcnn::options() const { return dense_icnn_declaration().write(options_); }

namespace {

std::vector<Tensor> each(std::span<const State> states, const std::string& name) {
  std::vector<Tensor> tensors(states.size());
  std::ranges::transform(states, tensors.begin(),
                         [&](const State& state) { return state.at(name); });
  return tensors;
}

/// Rows `from` to `from + count` of a tensor of each network, one below the other.
Tensor stacked(std::span<const State> states, const std::string& name, std::int64_t from,
               std::int64_t count) {
  std::vector<Tensor> parts = each(states, name);
  for (Tensor& part : parts) part = part.narrow(0, from, count);
  return at::cat(parts);
}

Tensor mean_of(std::span<const State> states, const std::string& name) {
  return at::stack(each(states, name)).mean(0);
}

/// The parameters of the same function with CELU's `alpha` in place of the network's own. By
/// CELU_a(t) = CELU_alpha(s t) / s, s = alpha / a, all that comes to a unit with an activation is
/// multiplied by s and all that takes from it divided by s.
State with_alpha(const DenseIcnn& network, double alpha) {
  const DenseIcnnOptions& own = network.settings();
  State state = network.parameters();
  const double s = alpha / own.celu_alpha;
  if (s == 1 || own.hidden.size() == 1) return state;
  for (auto& [name, parameter] : state) parameter = parameter.clone();
  const std::int64_t first = own.hidden.front();
  const std::int64_t units = c10::sum_integers(own.hidden), above = units - first;
  const Tensor &weight = state.at("input.weight"), &bias = state.at("input.bias");
  weight.narrow(0, own.rank * first, own.rank * above).mul_(std::sqrt(s));  // the quadratic forms
  weight.narrow(0, own.rank * units + first, above).mul_(s);
  bias.narrow(0, first, above).mul_(s);
  state.at("convex.1").mul_(s);
  state.at("final").div_(s);
  return state;
}

}  // namespace

std::shared_ptr<DenseIcnn> mean_network(std::span<const DenseIcnn* const> networks) {
  const at::NoGradGuard no_graph;
  const DenseIcnn& first = *networks.front();
  DenseIcnnOptions options = first.settings();
  const std::vector<std::int64_t> widths = options.hidden;
  const auto count = std::ssize(networks);
  std::vector<State> states;
  for (const DenseIcnn* network : networks) {
    if (network->settings().hidden != widths || network->dimension() != first.dimension())
      fail("dense_icnn: mean_network", "networks of one shape", "others");
    states.push_back(with_alpha(*network, options.celu_alpha));
  }
  for (std::int64_t& width : options.hidden) width *= count;

  // Layer by layer, since the units of a layer lie together.
  const std::int64_t units = c10::sum_integers(widths), rank = options.rank;
  std::vector<Tensor> forms, lines, biases;
  std::int64_t offset = 0;
  State mean;
  for (std::size_t k = 0; k < widths.size(); offset += widths[k], ++k) {
    forms.push_back(stacked(states, "input.weight", rank * offset, rank * widths[k]));
    lines.push_back(stacked(states, "input.weight", rank * units + offset, widths[k]));
    biases.push_back(stacked(states, "input.bias", offset, widths[k]));
    if (k == 0) continue;
    const std::string name = fmt::format("convex.{}", k);
    mean[name] = at::block_diag(each(states, name));
  }
  forms.insert(forms.end(), lines.begin(), lines.end());
  mean["input.weight"] = at::cat(forms);
  mean["input.bias"] = at::cat(biases);
  mean["final"] = stacked(states, "final", 0, widths.back()) / static_cast<double>(count);
  if (options.skip)
    for (const char* name : {"skip.quadratic", "skip.linear"}) mean[name] = mean_of(states, name);

  Random random(0, "network");
  auto whole =
      std::make_shared<DenseIcnn>(first.dimension(), options, DenseIcnn::Initial::near_zero, random,
                                  mean["final"].scalar_type());
  load_parameters(*whole, mean, "dense_icnn");
  return whole;
}

}  // namespace monge
