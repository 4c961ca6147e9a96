#include "monge/networks/conv_icnn.h"

#include "monge/adam.h"
#include "monge/check_gradients.h"

#include "error_text.h"

namespace monge {
namespace {

/// Of even and odd sides, with and without what is optional.
std::vector<ConvIcnnOptions> shapes() {
  return {{.size = 6, .width = 3, .linear_layers = 2, .convex_layers = 2, .hidden = {5, 4}},
          {.channels = 1,
           .size = 7,
           .width = 4,
           .linear_layers = 1,
           .convex_layers = 3,
           .hidden = {3},
           .celu_alpha = 0.5,
           .strong_convexity = 0.3,
           .skip = false},
          {.channels = 2,
           .size = 5,
           .width = 2,
           .linear_layers = 3,
           .convex_layers = 1,
           .hidden = {4},
           .strong_convexity = 0}};
}

/// Parameters far from the start, so that no term is negligible.
ConvIcnn shaken(const ConvIcnnOptions& options, Random& random) {
  ConvIcnn network(options, random, at::kDouble);
  const at::NoGradGuard no_graph;
  for (auto [name, parameter] : network.parameters())
    parameter.add_(random.normal(parameter.sizes()).to(at::kDouble), 0.2);
  network.project();
  return network;
}

Tensor rows(std::int64_t n, const ConvIcnn& network, Random& random) {
  return random.normal({n, network.dimension()}).to(at::kDouble);
}

/// A convolution of z [in, h, w], number by number.
Tensor plain_convolution(const Tensor& z, const Tensor& weight, std::int64_t stride) {
  const std::int64_t h = z.size(1), w = z.size(2);
  const std::int64_t rows = (h - 1) / stride + 1, columns = (w - 1) / stride + 1;
  Tensor out = at::zeros({weight.size(0), rows, columns}, z.options());
  for (std::int64_t y = 0; y < rows; ++y)
    for (std::int64_t x = 0; x < columns; ++x)
      for (std::int64_t i = 0; i < 3; ++i)
        for (std::int64_t j = 0; j < 3; ++j) {
          const std::int64_t v = stride * y + i - 1, u = stride * x + j - 1;
          if (v < 0 || u < 0 || v >= h || u >= w) continue;
          out.select(1, y).select(1, x).add_(
              weight.select(1, i).select(1, j).mv(z.select(1, v).select(1, u)));
        }
  return out;
}

/// psi at one image [c, s, s], from W2GN appendix B.3 and figure 7.
double plain_value(const ConvIcnn& network, const Tensor& x) {
  const at::NoGradGuard no_graph;
  const State p = network.parameters();
  const ConvIcnnOptions& o = network.settings();
  const auto stack = [&](const char* kind) {
    Tensor z = x;
    for (std::int64_t k = 0; k < o.linear_layers; ++k)
      z = plain_convolution(z, p.at(fmt::format("{}.{}.weight", kind, k)), 1);
    return z;
  };
  Tensor z =
      at::celu(stack("linear") + p.at("linear.bias").view({-1, 1, 1}) + stack("squared").square(),
               o.celu_alpha);
  for (std::int64_t k = 0; k < o.convex_layers; ++k)
    z = at::celu(plain_convolution(z, p.at(fmt::format("convex.{}.weight", k)), 2) +
                     p.at(fmt::format("convex.{}.bias", k)).view({-1, 1, 1}),
                 o.celu_alpha);
  z = z.permute({1, 2, 0}).flatten();
  for (std::size_t k = 0; k < o.hidden.size(); ++k)
    z = at::celu(
        p.at(fmt::format("dense.{}.weight", k)).mv(z) + p.at(fmt::format("dense.{}.bias", k)),
        o.celu_alpha);
  Tensor value = z.dot(p.at("final")) + 0.5 * o.strong_convexity * x.square().sum();
  if (o.skip)
    value = value + 0.5 * x.square().sum({1, 2}).dot(p.at("skip.quadratic")) +
            x.sum({1, 2}).dot(p.at("skip.linear"));
  return value.item<double>();
}

TEST(ConvIcnn, IsTheNetworkOfThePaper) {
  Random random(1, "test");
  for (const ConvIcnnOptions& options : shapes()) {
    const ConvIcnn network = shaken(options, random);
    const Tensor x = rows(4, network, random);
    const Tensor values = network.value(x, Graph::none);
    for (std::int64_t i = 0; i < x.size(0); ++i)
      EXPECT_NEAR(values[i].item<double>(),
                  plain_value(network, x[i].view({options.channels, options.size, options.size})),
                  1e-9);
  }
}

/// 2 (3·9·128 + 3·9·128²) + 128 of the linear block, 5 (9·128² + 128), 128·2048 + 128, 64·128 + 64,
/// 32·64 + 32 and 32.
TEST(ConvIcnn, HasAsManyParametersAsThePapers) {
  Random random(2, "test");
  const ConvIcnn network({.skip = false}, random);
  std::int64_t count = 0;
  for (const auto& [name, parameter] : network.parameters()) count += parameter.numel();
  EXPECT_EQ(count, 1902336);
  EXPECT_EQ(network.dimension(), 3 * 128 * 128);
}

TEST(ConvIcnn, DerivativesAgreeWithCentralDifferences) {
  Random random(3, "test");
  for (const ConvIcnnOptions& options : shapes()) {
    const ConvIcnn network = shaken(options, random);
    const Tensor x = rows(5, network, random);
    EXPECT_LT(check_gradients(network, x, random).largest(), 1e-6);
    const Tensor points = x.clone().set_requires_grad(true);
    const Tensor sum = network.value(points, Graph::create).sum();
    EXPECT_TRUE(at::allclose(network.gradient(x, Graph::none),
                             torch::autograd::grad({sum}, {points}).front(), 1e-10, 1e-12));
  }
}

TEST(ConvIcnn, RowsAndImagesOfAnyLayoutAreAlike) {
  Random random(4, "test");
  const ConvIcnn network = shaken(shapes()[0], random);
  const Tensor x = rows(3, network, random);
  const Tensor images = x.view({3, 3, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast);
  const ValueAndGradient both = network.value_and_gradient(x, Graph::create);
  EXPECT_TRUE(at::allclose(network.value(images, Graph::none), both.value));
  EXPECT_TRUE(at::allclose(network.gradient(images, Graph::none).reshape({3, -1}), both.gradient));
  EXPECT_FALSE(network.gradient(x, Graph::none).requires_grad());
  EXPECT_TRUE(both.gradient.requires_grad());
}

/// The most that psi rises above a chord less what strong convexity takes off, and the least
/// <∇psi(a) - ∇psi(b), a - b> - beta |a - b|², over pairs of points.
struct Convexity {
  double rise, monotone;
};

Convexity convexity(const ConvIcnn& network, Random& random) {
  const Tensor a = 3 * rows(200, network, random), b = 3 * rows(200, network, random);
  const Tensor t = random.uniform({200, 1}).to(at::kDouble), s = t.squeeze(1);
  const Tensor chord = s * network.value(a, Graph::none) + (1 - s) * network.value(b, Graph::none);
  const double beta = network.settings().strong_convexity;
  const Tensor apart = (a - b).square().sum(1);
  const Tensor rise =
      network.value(t * a + (1 - t) * b, Graph::none) - chord + 0.5 * beta * s * (1 - s) * apart;
  const Tensor change = network.gradient(a, Graph::none) - network.gradient(b, Graph::none);
  return {(rise / (1 + chord.abs())).max().item<double>(),
          ((change * (a - b)).sum(1) - beta * apart).min().item<double>()};
}

TEST(ConvIcnn, IsStronglyConvexAndItsGradientMonotone) {
  Random random(5, "test");
  for (const ConvIcnnOptions& options : shapes()) {
    const ConvIcnn network = shaken(options, random);
    const Convexity found = convexity(network, random);
    EXPECT_LT(found.rise, 1e-12);
    EXPECT_GE(found.monotone, 0);
    // Without its signs it is neither.
    State parameters = network.parameters();
    const at::NoGradGuard no_graph;
    parameters.at("final").neg_();
    if (options.skip) parameters.at("skip.quadratic").zero_();
    const Convexity turned = convexity(network, random);
    EXPECT_GT(turned.rise, 1e-3);
    EXPECT_LT(turned.monotone, 0);
  }
}

/// Steps that lead away from convexity: the gradient is asked to be -x.
TEST(ConvIcnn, StaysConvexThroughTheStepsOfATraining) {
  Random random(6, "test");
  for (const bool clamped : {true, false}) {
    ConvIcnn network(shapes()[0], random, at::kDouble);
    Adam adam(network.parameters(), {.learning_rate = 2e-2},
              clamped ? network.lower_bounds() : std::map<std::string, double>());
    const Tensor x = rows(16, network, random);
    for (int step = 0; step < 60; ++step) {
      const Tensor error = (network.gradient(x, Graph::create) + x).square().sum();
      adam.step(torch::autograd::grad({error}, adam.parameters()), 1);
    }
    const Convexity found = convexity(network, random);
    EXPECT_EQ(found.rise < 1e-12 && found.monotone >= 0, clamped)
        << found.rise << " " << found.monotone;
  }
}

TEST(ConvIcnn, ProjectionRestoresConvexityAndNothingElse) {
  Random random(7, "test");
  ConvIcnn network(shapes()[0], random);
  State before;
  {
    const at::NoGradGuard no_graph;
    for (auto [name, parameter] : network.parameters()) {
      parameter.copy_(random.normal(parameter.sizes()));
      before[name] = parameter.clone();
    }
  }
  network.project();
  for (const auto& [name, parameter] : network.parameters()) {
    const bool layer = name.starts_with("convex") || name.starts_with("dense");
    const bool constrained =
        (layer && name.ends_with("weight")) || name == "final" || name == "skip.quadratic";
    if (constrained) {
      EXPECT_GE(parameter.min().item<float>(), 0) << name;
      EXPECT_TRUE(at::equal(parameter.clamp_min(1e-2), before[name].clamp_min(1e-2))) << name;
    } else {
      EXPECT_TRUE(at::equal(parameter, before[name])) << name;
    }
  }
}

/// With the skip no residual of the identity correlates with the images; without it, none with the
/// gradient itself, to whose scale the fit is made.
TEST(ConvIcnn, BecomesTheIdentityInTheLeastSquaresSense) {
  for (const bool skip : {true, false}) {
    Random random(8, "test");
    ConvIcnn network({.size = 16,
                      .width = 8,
                      .linear_layers = 2,
                      .convex_layers = 3,
                      .hidden = {16, 8},
                      .skip = skip},
                     random);
    const Tensor x = 0.5 * random.normal({64, network.dimension()}) + 0.3;
    network.become_identity(x, 0.5);
    const auto centred = [](const Tensor& points) { return points - points.mean(0); };
    const Tensor g = network.gradient(x, Graph::none), residual = g - x;
    const double variance = centred(x).square().sum(1).mean().item<double>();
    const Tensor against = centred(skip ? x : g);
    EXPECT_NEAR((residual * against).sum(1).mean().item<double>(), 0, 1e-3 * variance);
    // At most share² / 4 and 1 of it, by Cauchy and Schwarz.
    EXPECT_LT(centred(residual).square().sum(1).mean().item<double>(),
              (skip ? 0.0626 : 1) * variance);
    if (!skip) continue;
    const Tensor means = residual.view({64, 3, -1}).mean({0, 2});
    EXPECT_LT(means.abs().max().item<double>(), 1e-3);
  }
}

/// Values without a graph come block by block where images are many and large.
TEST(ConvIcnn, BlocksDoNotChangeAnything) {
  Random random(9, "test");
  const ConvIcnn network(
      {.size = 64, .width = 32, .linear_layers = 1, .convex_layers = 4, .hidden = {8}}, random);
  const Tensor x = random.normal({70, network.dimension()});
  const Tensor last = x.narrow(0, 69, 1);
  EXPECT_TRUE(at::allclose(network.gradient(x, Graph::none).narrow(0, 69, 1),
                           network.gradient(last, Graph::none), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(network.value(x, Graph::none).narrow(0, 69, 1),
                           network.value(last, Graph::none), 1e-4, 1e-3));
}

TEST(ConvIcnn, RefusesImagesOfAnotherShape) {
  Random random(10, "test");
  const ConvIcnn network(shapes()[0], random);
  const auto refused = [&](at::IntArrayRef shape) {
    return error_text([&] { network.gradient(at::zeros(shape), Graph::none); });
  };
  expect_message(refused({2, 3, 8, 8}), "conv_icnn: expected images of 6 x 6 pixels");
  expect_message(refused({2, 1, 6, 6}), "images [n, 3, h, w] or rows [n, 108]");
  expect_message(refused({2, 107}), "rows [n, 108], got [2, 107]");
  expect_message(error_text([&] { ConvIcnn({.hidden = {}}, random); }), "at least one width");
}

}  // namespace
}  // namespace monge
