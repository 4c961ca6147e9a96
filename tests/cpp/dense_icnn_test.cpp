#include "monge/networks/dense_icnn.h"

#include "monge/check_gradients.h"
#include "monge/error.h"

namespace monge {
namespace {

struct Shape {
  std::int64_t dimension, points;
  DenseIcnnOptions options;
};

std::vector<Shape> shapes() {
  return {{1, 1, {.rank = 1, .hidden = {1}}},
          {2, 7, {.rank = 1, .hidden = {8, 5}, .strong_convexity = 0}},
          {3, 16, {.rank = 3, .hidden = {9, 7, 4}, .celu_alpha = 0.5}},
          {5, 33, {.rank = 2, .hidden = {6, 6, 6, 3}, .strong_convexity = 0.3, .skip = false}},
          {17, 8, {.rank = 1, .hidden = {32, 16}}}};
}

/// Parameters far from the start, so that no term is negligible.
DenseIcnn shaken(const Shape& shape, Random& random) {
  DenseIcnn network(shape.dimension, shape.options, DenseIcnn::Initial::paper, random, at::kDouble);
  const at::NoGradGuard no_graph;
  for (auto [name, parameter] : network.parameters())
    parameter.add_(random.normal(parameter.sizes()).to(at::kDouble), 0.3);
  network.project();
  return network;
}

/// The layers z_0 to z_K at one point, unit by unit from W2GN appendix B.2.
std::vector<Tensor> plain_layers(const DenseIcnn& network, const Shape& shape, const Tensor& x) {
  const State p = network.parameters();
  const auto& o = shape.options;
  const Tensor weight = p.at("input.weight");
  std::int64_t units = 0;
  for (const auto width : o.hidden) units += width;
  std::vector<Tensor> layers;
  std::int64_t unit = 0;
  for (std::size_t k = 0; k < o.hidden.size(); ++k) {
    std::vector<Tensor> next;
    for (std::int64_t j = 0; j < o.hidden[k]; ++j, ++unit) {
      Tensor a = weight[o.rank * units + unit].dot(x) + p.at("input.bias")[unit];
      for (std::int64_t i = 0; i < o.rank; ++i) a = a + weight[unit * o.rank + i].dot(x).square();
      if (k > 0)
        a = at::celu(a + p.at(fmt::format("convex.{}", k))[j].dot(layers.back()), o.celu_alpha);
      next.push_back(a);
    }
    layers.push_back(at::stack(next));
  }
  return layers;
}

double plain_value(const DenseIcnn& network, const Shape& shape, const Tensor& x) {
  const State p = network.parameters();
  const auto& o = shape.options;
  Tensor value = plain_layers(network, shape, x).back().dot(p.at("final")) +
                 0.5 * o.strong_convexity * x.dot(x);
  if (o.skip)
    value = value + 0.5 * x.square().dot(p.at("skip.quadratic")) + x.dot(p.at("skip.linear"));
  return value.item<double>();
}

TEST(DenseIcnn, IsTheNetworkOfThePaper) {
  Random random(1, "test");
  for (const Shape& shape : shapes()) {
    const DenseIcnn network = shaken(shape, random);
    const Tensor x = random.normal({shape.points, shape.dimension}).to(at::kDouble);
    const Tensor values = network.value(x, Graph::none);
    for (std::int64_t i = 0; i < shape.points; ++i)
      EXPECT_NEAR(values[i].item<double>(), plain_value(network, shape, x[i]), 1e-10);
  }
}

TEST(DenseIcnn, TellsTheMeansOfTheLayersThatAnotherSees) {
  Random random(9, "test");
  for (const Shape& shape : shapes()) {
    const DenseIcnn network = shaken(shape, random);
    const Tensor x = random.normal({shape.points, shape.dimension}).to(at::kDouble);
    const std::vector<Tensor> means = network.layer_means(x);
    ASSERT_EQ(means.size() + 1, shape.options.hidden.size());
    for (std::size_t k = 0; k < means.size(); ++k) {
      Tensor sum = at::zeros_like(means[k]);
      for (std::int64_t i = 0; i < shape.points; ++i)
        sum += plain_layers(network, shape, x[i])[k].detach();
      const Tensor plain = sum / shape.points;
      EXPECT_TRUE(at::allclose(means[k], plain, 1e-10, 1e-12)) << k;
      EXPECT_FALSE(means[k].requires_grad());
    }
  }
}

TEST(DenseIcnn, DerivativesAgreeWithCentralDifferences) {
  Random random(2, "test");
  for (const Shape& shape : shapes()) {
    const DenseIcnn network = shaken(shape, random);
    const Tensor x = random.normal({shape.points, shape.dimension}).to(at::kDouble);
    const GradientErrors errors = check_gradients(network, x, random);
    EXPECT_LT(errors.gradient, 1e-6);
    EXPECT_LT(errors.hessian_product, 1e-6);
    EXPECT_LT(errors.parameter_gradient, 1e-6);
    EXPECT_LT(errors.parameter_of_gradient, 1e-6);
  }
}

TEST(DenseIcnn, GradientAgreesWithAutograd) {
  Random random(3, "test");
  for (const Shape& shape : shapes()) {
    const DenseIcnn network = shaken(shape, random);
    const Tensor x =
        random.normal({shape.points, shape.dimension}).to(at::kDouble).set_requires_grad(true);
    const Tensor sum = network.value(x, Graph::create).sum();
    const Tensor expected = torch::autograd::grad({sum}, {x}).front();
    EXPECT_TRUE(at::allclose(network.gradient(x, Graph::none), expected, 1e-10, 1e-12));
  }
}

TEST(DenseIcnn, IsStronglyConvexAlongRandomSegments) {
  Random random(4, "test");
  for (const Shape& shape : shapes()) {
    const DenseIcnn network = shaken(shape, random);
    const Tensor a = 3 * random.normal({200, shape.dimension}).to(at::kDouble);
    const Tensor b = 3 * random.normal({200, shape.dimension}).to(at::kDouble);
    const Tensor t = random.uniform({200, 1}).to(at::kDouble);
    const Tensor middle = network.value(t * a + (1 - t) * b, Graph::none);
    const Tensor chord = t.squeeze(1) * network.value(a, Graph::none) +
                         (1 - t.squeeze(1)) * network.value(b, Graph::none);
    const Tensor bend =
        0.5 * shape.options.strong_convexity * (t * (1 - t)).squeeze(1) * (a - b).square().sum(1);
    EXPECT_TRUE((middle <= chord - bend + 1e-9).all().item<bool>());
  }
}

TEST(DenseIcnn, ProjectionRestoresConvexityAndNothingElse) {
  Random random(5, "test");
  DenseIcnn network(3, {.hidden = {8, 8}}, DenseIcnn::Initial::paper, random);
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
    const bool constrained =
        name.starts_with("convex") || name == "final" || name == "skip.quadratic";
    if (constrained) {
      EXPECT_GE(parameter.min().item<float>(), 0) << name;
      EXPECT_TRUE(at::equal(parameter.clamp_min(1e-2), before[name].clamp_min(1e-2))) << name;
    } else {
      EXPECT_TRUE(at::equal(parameter, before[name])) << name;
    }
  }
}

TEST(DenseIcnn, StartsNearTheIdentity) {
  Random random(6, "test");
  for (const std::int64_t d : {1, 2, 16, 128}) {
    const DenseIcnn network(d, {}, DenseIcnn::Initial::near_zero, random);
    const Tensor x = random.normal({500, d});
    const double error =
        (network.gradient(x, Graph::none) - x).square().sum(1).mean().item<double>();
    EXPECT_LT(error, 0.1 * static_cast<double>(d)) << "d = " << d;
  }
}

/// The least-squares fit of c g(x) + s x + l to x: no residual correlates with g or with 1.
TEST(DenseIcnn, BecomesTheIdentityInTheLeastSquaresSense) {
  Random random(8, "test");
  for (const std::int64_t d : {1, 2, 5}) {
    DenseIcnn network(d, {}, DenseIcnn::Initial::paper, random);
    const Tensor x = 2 * random.normal({2000, d}) + 5;
    network.become_identity(x, 0.1);
    const Tensor residual = network.gradient(x, Graph::none) - x;
    const double variance = x.var(0).sum().item<double>();
    EXPECT_LT(residual.mean(0).abs().max().item<double>(), 1e-3);
    EXPECT_LT(residual.square().sum(1).mean().item<double>(), 0.2 * variance);
    EXPECT_NEAR((residual * (x - x.mean(0))).sum(1).mean().item<double>(), 0, 1e-2 * variance);
  }
}

/// Units above the first layer take the directions in turn, with signs in turn and no quadratic
/// form.
TEST(DenseIcnn, BendsAlongDirections) {
  Random random(9, "test");
  const std::int64_t d = 3;
  DenseIcnn network(d, {.hidden = {4, 5, 3}}, DenseIcnn::Initial::paper, random);
  const Tensor x = random.normal({2000, d});
  network.bend_along(at::eye(d).narrow(0, 0, 2), x);
  const State parameters = network.parameters();
  const Tensor weights = parameters.at("input.weight");  // 12 forms, then 12 lines
  EXPECT_EQ(weights.narrow(0, 4, 8).abs().max().item<float>(), 0);
  EXPECT_GT(weights.narrow(0, 0, 4).abs().min().item<float>(), 0);
  const Tensor lines = weights.narrow(0, 16, 8);
  for (std::int64_t unit = 0; unit < 8; ++unit) {
    EXPECT_NE(lines[unit][unit % 2].item<float>(), 0);
    EXPECT_EQ(lines[unit][1 - unit % 2].item<float>(), 0);
    EXPECT_EQ(lines[unit][2].item<float>(), 0);
  }
  // Half of a direction's units are on where it is positive, and where it is negative the others.
  EXPECT_LT((lines * lines.roll({2}, {0})).sum(1).max().item<float>(), 0);
  const Tensor bent = network.gradient(x, Graph::none);
  EXPECT_TRUE(bent.isfinite().all().item<bool>());
}

TEST(DenseIcnn, RefusesPointsOfAnotherDimension) {
  Random random(7, "test");
  const DenseIcnn network(3, {.hidden = {4}}, DenseIcnn::Initial::paper, random);
  EXPECT_THROW(network.value(at::zeros({2, 4}), Graph::none), Error);
  EXPECT_THROW(network.gradient(at::zeros({3}), Graph::none), Error);
}

}  // namespace
}  // namespace monge
