#include "monge/networks/conv_icnn.h"

#include "monge/error.h"

#include "kernels/convolution.h"
#include "networks/images.h"
#include "networks/initial.h"

namespace monge {
namespace {

using kernels::as_filters;

constexpr double least_skip = 1e-2;  // keeps the skip's share of the map invertible

/// CELU'(a) = exp(min(a, 0) / alpha).
Tensor celu_derivative(const Tensor& a, double alpha) {
  return (at::clamp_max(a, 0.0) / alpha).exp();
}

/// The transpose of a convolution of stride 1.
Tensor back(const Tensor& g, const Tensor& weight) {
  return at::conv_transpose2d(g, as_filters(weight), {}, 1, 1);
}

/// That of one of stride 2, from whose images of `side` pixels it came.
Tensor back_of_halving(const Tensor& g, const Tensor& weight, std::int64_t side) {
  return at::conv_transpose2d(g, as_filters(weight), {}, 2, 1, side - (2 * g.size(2) - 1));
}

Tensor back_through(Tensor g, const std::vector<Tensor>& weights) {
  for (std::size_t k = weights.size(); k > 0; --k) g = back(g, weights[k - 1]);
  return g;
}

/// Of convolutions of stride 2 the taps at odd and at even distance meet in turn in each pixel:
/// binomial ones give all pixels the same.
Tensor binomial_taps() {
  const Tensor taps = at::tensor({0.5, 1.0, 0.5});
  return at::outer(taps, taps).view({1, 3, 3, 1});
}

/// Scales `weight` and shifts `bias` so that the preactivations become centred in every channel and
/// of variance 1; these are left so. The channels of `a` are its second dimension.
void standardise(Tensor& a, const Tensor& weight, const Tensor& bias) {
  std::vector<std::int64_t> others{0};
  for (std::int64_t k = 2; k < a.dim(); ++k) others.push_back(k);
  const Tensor mean = a.mean(others), centre = a.mean(others, true);
  const double spread = (a - centre).square().mean().sqrt().item<double>();
  const double scale = spread > 0 ? 1 / spread : 1;
  a = (a - centre) * scale;
  weight.mul_(scale);
  bias.copy_((bias - mean) * scale);
}

/// Of 1 image at least, so many that memory does not grow with n.
constexpr std::int64_t numbers_at_once = 1 << 23;  // of one layer

template <class Run>
Tensor in_blocks(const Tensor& images, std::int64_t width, Run run) {
  const std::int64_t block =
      std::max<std::int64_t>(numbers_at_once / (width * images.size(2) * images.size(3)), 1);
  if (images.size(0) <= block) return run(images);
  std::vector<Tensor> results;
  for (const Tensor& some : images.split(block)) results.push_back(run(some));
  return at::cat(results);
}

}  // namespace

const Declaration<ConvIcnnOptions>& conv_icnn_declaration() {
  using O = ConvIcnnOptions;
  static const auto declaration =
      Declaration<O>("network", "conv_icnn",
                     "Convolutional input-convex network of square images: linear and squared "
                     "convolutions, then halvings and dense layers of non-negative weights, CELU.",
                     "W2GN (Korotin et al. 2021), appendix B.3, figure 7")
          .option("channels", &O::channels,
                  "Channels of an image; a solver takes those of the measures.", between(1, 1024))
          .option("size", &O::size,
                  "Side of an image in pixels; a solver takes that of the measures.",
                  between(2, 1024))
          .option("width", &O::width, "Channels of every convolution.", between(1, 4096))
          .option("linear_layers", &O::linear_layers,
                  "Convolutions in each of the two stacks without activation.", between(1, 16))
          .option("convex_layers", &O::convex_layers,
                  "Convolutions of stride 2 and non-negative weights.", between(1, 10))
          .option("hidden", &O::hidden, "Widths of the dense layers behind them.",
                  between(1, 65536))
          .option("celu_alpha", &O::celu_alpha, "The alpha of the CELU activation.", above(0))
          .option("strong_convexity", &O::strong_convexity,
                  "beta: ½ beta |x|² is added to the output.", at_least(0))
          .option("skip", &O::skip,
                  "Adds a trainable quadratic and a linear term of each channel, so that the "
                  "network need not give all of the identity.");
  return declaration;
}

struct ConvIcnn::Forward {
  Tensor root;                 // Q x, [n, w, s, s]
  std::vector<Tensor> halved;  // a_0 and those of the convolutions of stride 2
  std::vector<Tensor> dense;   // of the dense layers, [n, h_k]
  Tensor last;                 // z_K
};

ConvIcnn::ConvIcnn(ConvIcnnOptions options, Random& random, at::ScalarType dtype)
    : options_(std::move(options)) {
  if (options_.hidden.empty()) fail("conv_icnn.hidden", "at least one width", "none");
  const std::int64_t width = options_.width, channels = options_.channels;
  const auto trainable = [dtype](const Tensor& tensor) {
    return networks::trainable(tensor, dtype);
  };
  for (auto* stack : {&linear_, &squared_})
    for (std::int64_t k = 0; k < options_.linear_layers; ++k) {
      const std::int64_t in = k == 0 ? channels : width;
      stack->push_back(
          trainable(random.normal({width, 3, 3, in}) / std::sqrt(9 * static_cast<double>(in))));
    }
  linear_bias_ = trainable(at::zeros({width}));
  const Tensor taps = binomial_taps();
  for (std::int64_t k = 0; k < options_.convex_layers; ++k) {
    convex_.push_back(trainable(random.normal({width, 3, 3, width}).abs() * taps /
                                static_cast<double>(4 * width)));
    convex_bias_.push_back(trainable(at::zeros({width})));
  }
  std::int64_t in = width * last_side() * last_side();
  for (const std::int64_t out : options_.hidden) {
    dense_.push_back(trainable(random.normal({out, in}).abs() / static_cast<double>(in)));
    dense_bias_.push_back(trainable(at::zeros({out})));
    in = out;
  }
  final_ = trainable(random.normal({in}).abs());
  if (!options_.skip) return;
  skip_quadratic_ = trainable(at::full({channels}, least_skip));
  skip_linear_ = trainable(at::zeros({channels}));
}

std::int64_t ConvIcnn::last_side() const {
  std::int64_t side = options_.size;
  for (std::int64_t k = 0; k < options_.convex_layers; ++k) side = (side + 1) / 2;
  return side;
}

/// Channels last, in which convolutions of the widths that one trains with are fastest.
Tensor ConvIcnn::as_images(const Tensor& x) const {
  const Tensor images =
      networks::as_images(x, options_.channels, options_.size, at::kCPU, "conv_icnn");
  if (images.size(2) != options_.size || images.size(3) != options_.size)
    fail("conv_icnn", fmt::format("images of {0} x {0} pixels", options_.size), shape_text(x));
  return images;
}

Tensor ConvIcnn::linear(const Tensor& images, const std::vector<Tensor>& weights,
                        const Tensor& bias) const {
  Tensor z = images;
  for (std::size_t k = 0; k < weights.size(); ++k)
    z = at::conv2d(z, as_filters(weights[k]), k + 1 == weights.size() ? bias : Tensor(), 1, 1);
  return z;
}

ConvIcnn::Forward ConvIcnn::forward(const Tensor& images) const {
  Forward pass;
  pass.root = linear(images, squared_, {});
  pass.halved.push_back(linear(images, linear_, linear_bias_) + pass.root.square());
  Tensor z = at::celu(pass.halved.back(), options_.celu_alpha);
  for (std::size_t k = 0; k < convex_.size(); ++k) {
    pass.halved.push_back(at::conv2d(z, as_filters(convex_[k]), convex_bias_[k], 2, 1));
    z = at::celu(pass.halved.back(), options_.celu_alpha);
  }
  z = z.permute({0, 2, 3, 1}).flatten(1);
  for (std::size_t k = 0; k < dense_.size(); ++k) {
    pass.dense.push_back(at::addmm(dense_bias_[k], z, dense_[k].t()));
    z = at::celu(pass.dense.back(), options_.celu_alpha);
  }
  pass.last = z;
  return pass;
}

Tensor ConvIcnn::value_of(const Forward& pass, const Tensor& images) const {
  Tensor value = pass.last.mv(final_);
  if (options_.strong_convexity == 0 && !options_.skip) return value;
  const Tensor squares = images.square().sum({2, 3});  // [n, c]
  value = value + 0.5 * options_.strong_convexity * squares.sum(1);
  if (options_.skip)
    value = value + 0.5 * squares.mv(skip_quadratic_) + images.sum({2, 3}).mv(skip_linear_);
  return value;
}

/// The chain rule through the layers, written out so that one backward pass through it gives the
/// derivatives of the gradient.
Tensor ConvIcnn::gradient_of(const Forward& pass, const Tensor& images) const {
  const double alpha = options_.celu_alpha;
  const std::int64_t n = images.size(0), side = last_side();
  Tensor upstream = final_.expand({n, final_.size(0)});
  for (std::size_t k = dense_.size(); k > 0; --k)
    upstream = (upstream * celu_derivative(pass.dense[k - 1], alpha)).mm(dense_[k - 1]);
  upstream = upstream.view({n, side, side, options_.width}).permute({0, 3, 1, 2});
  for (std::size_t k = convex_.size(); k > 0; --k)
    upstream = back_of_halving(upstream * celu_derivative(pass.halved[k], alpha), convex_[k - 1],
                               pass.halved[k - 1].size(2));
  const Tensor delta = upstream * celu_derivative(pass.halved[0], alpha);
  Tensor gradient = back_through(delta, linear_) + back_through(2 * pass.root * delta, squared_);
  if (options_.strong_convexity > 0) gradient = gradient + options_.strong_convexity * images;
  if (options_.skip)
    gradient =
        gradient + images * skip_quadratic_.view({1, -1, 1, 1}) + skip_linear_.view({1, -1, 1, 1});
  return gradient;
}

Tensor ConvIcnn::value(const Tensor& x, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  const auto run = [&](const Tensor& images) { return value_of(forward(images), images); };
  const Tensor images = as_images(x);
  return graph == Graph::create ? run(images) : in_blocks(images, options_.width, run);
}

Tensor ConvIcnn::gradient(const Tensor& x, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  const auto run = [&](const Tensor& images) { return gradient_of(forward(images), images); };
  const Tensor images = as_images(x);
  const Tensor gradient =
      graph == Graph::create ? run(images) : in_blocks(images, options_.width, run);
  return gradient.reshape(x.sizes());
}

ValueAndGradient ConvIcnn::value_and_gradient(const Tensor& x, Graph graph) const {
  if (graph == Graph::none) return {value(x, graph), gradient(x, graph)};
  const at::AutoGradMode mode(true);
  const Tensor images = as_images(x);
  const Forward pass = forward(images);
  return {value_of(pass, images), gradient_of(pass, images).reshape(x.sizes())};
}

/// Layer after layer, each on what the ones before it give by then.
void ConvIcnn::calibrate(const Tensor& images) {
  const Tensor& last_squared = squared_.back();
  const double root = linear(images, squared_, {}).square().mean().sqrt().item<double>();
  if (root > 0) last_squared.mul_(1 / root);
  Tensor straight = linear(images, linear_, linear_bias_);
  standardise(straight, linear_.back(), linear_bias_);
  const Tensor a = straight + linear(images, squared_, {}).square();
  linear_bias_.sub_(a.mean({0, 2, 3}));
  for (std::size_t k = 0; k < convex_.size(); ++k) {
    Tensor halved = forward(images).halved[k + 1];
    standardise(halved, convex_[k], convex_bias_[k]);
  }
  for (std::size_t k = 0; k < dense_.size(); ++k) {
    Tensor dense = forward(images).dense[k];
    standardise(dense, dense_[k], dense_bias_[k]);
  }
}

/// With g the gradient of the network without its skip, centred like x: g is scaled by a share of
/// <g, x> / <g, g>, the least-squares fit of c g to x; what is left of x's slope goes to the skip,
/// and the linear terms move the means of the channels together. <g, x> is not negative: g is the
/// gradient of a convex function.
void ConvIcnn::become_identity(const Tensor& x, double network_share) {
  const at::NoGradGuard no_graph;
  const Tensor images = as_images(x);
  calibrate(images);
  if (options_.skip) {
    skip_quadratic_.zero_();
    skip_linear_.zero_();
  }
  const auto centred = [](const Tensor& points) { return points - points.mean(0, true); };
  const auto product = [](const Tensor& a, const Tensor& b) {
    return (a * b).sum().item<double>();
  };
  const Tensor raw = gradient(images, Graph::none), g = centred(raw), own = centred(images);
  const double size = product(g, g), agreement = product(g, own), spread = product(own, own);
  const double scale = size > 0 ? (options_.skip ? network_share : 1) * agreement / size : 0;
  if (scale > 0) final_.mul_(scale);
  if (!options_.skip) return;
  const double slope = spread > 0 ? scale * agreement / spread : 0;
  skip_quadratic_.fill_(std::max(1 - slope, least_skip));
  skip_linear_.copy_(
      (images * (1 - skip_quadratic_.view({1, -1, 1, 1})) - scale * raw).mean({0, 2, 3}));
}

State ConvIcnn::parameters() const {
  State state{{"linear.bias", linear_bias_}, {"final", final_}};
  const auto add = [&](const char* kind, const char* what, const std::vector<Tensor>& tensors) {
    for (std::size_t k = 0; k < tensors.size(); ++k)
      state[fmt::format("{}.{}.{}", kind, k, what)] = tensors[k];
  };
  add("linear", "weight", linear_);
  add("squared", "weight", squared_);
  add("convex", "weight", convex_);
  add("convex", "bias", convex_bias_);
  add("dense", "weight", dense_);
  add("dense", "bias", dense_bias_);
  if (options_.skip) {
    state["skip.quadratic"] = skip_quadratic_;
    state["skip.linear"] = skip_linear_;
  }
  return state;
}

std::map<std::string, double> ConvIcnn::lower_bounds() const {
  std::map<std::string, double> bounds{{"final", 0}};
  for (std::size_t k = 0; k < convex_.size(); ++k) bounds[fmt::format("convex.{}.weight", k)] = 0;
  for (std::size_t k = 0; k < dense_.size(); ++k) bounds[fmt::format("dense.{}.weight", k)] = 0;
  if (options_.skip) bounds["skip.quadratic"] = least_skip;
  return bounds;
}

}  // namespace monge
