// Transport with a graph: its values against transport(), its derivatives against closed forms and
// differences.
#include "monge/differentiable.h"

#include "monge/affine_span.h"
#include "monge/conjugate.h"
#include "monge/mixture_plan.h"
#include "monge/network_map.h"
#include "monge/networks/dense_icnn.h"
#include "monge/networks/mlp.h"
#include "monge/smoothing.h"

#include "error_text.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

constexpr std::int64_t d = 3;

Tensor normal(std::uint64_t seed, at::IntArrayRef shape) {
  return Random(seed, "points").normal(shape);
}

AffineFrame frame() {
  const Tensor mixing = at::eye(d) + 0.2 * normal(1, {d, d});
  return {mixing, normal(2, {d}), normal(3, {d}), 1.5};
}

std::shared_ptr<const Potential> convex() {
  Random random(4, "network");
  return std::make_shared<DenseIcnn>(
      d, DenseIcnnOptions{.hidden = {16, 8}, .strong_convexity = 0.5, .input_scale = 1},
      DenseIcnn::Initial::paper, random);
}

std::shared_ptr<const Mlp> perceptron(std::int64_t inputs) {
  Random random(5, "network");
  return std::make_shared<Mlp>(inputs, d, MlpOptions{.hidden = {16}, .activation = "silu"}, random);
}

std::shared_ptr<const MixturePlan> plan() {
  const PlanMixture mixture{normal(6, {4}).to(at::kDouble), normal(7, {4, d}).to(at::kDouble),
                            normal(8, {4, d}).to(at::kDouble).mul(0.3)};
  return std::make_shared<MixturePlan>(mixture, 0.7, frame().to_dtype(at::kDouble));
}

AffineSpan plane() {
  const auto [basis, rest] = at::linalg_qr(normal(14, {d, 2}).to(at::kDouble));
  return {basis, at::ones({d}, at::kDouble)};
}

std::shared_ptr<const TransportMap> plane_map() {
  return std::make_shared<AffineTransportMap>(AffineMap{normal(15, {2, 2}), at::ones(2)});
}

std::map<std::string, std::shared_ptr<const TransportMap>> maps() {
  const auto psi = convex();
  Random random(9, "network");
  const auto free =
      std::make_shared<MlpPotential>(d, MlpOptions{.hidden = {16}, .activation = "silu"}, random);
  return {
      {"affine", std::make_shared<AffineTransportMap>(AffineMap{normal(10, {d, d}), at::ones(d)})},
      {"brenier", std::make_shared<BrenierMap>(psi, frame())},
      {"conjugate",
       std::make_shared<ConjugateMap>(psi, frame().inverse(),
                                      ConjugateOptions{.tolerance = 1e-6, .low = {}, .high = {}})},
      {"kantorovich", std::make_shared<KantorovichMap>(free)},
      {"network", std::make_shared<NetworkMap>(perceptron(d), true, frame())},
      {"stochastic", std::make_shared<StochasticNetworkMap>(perceptron(d + 2), true)},
      {"barycentric", std::make_shared<BarycentricMap>(plan())},
      {"span", std::make_shared<SpanMap>(plane_map(), plane())},
      {"smoothed",
       std::make_shared<SmoothedMap>(std::make_shared<BrenierMap>(psi, frame()), Noise{0.9, 0.1})}};
}

TEST(Differentiable, AgreesWithTransportAndItsDifferences) {
  const Tensor x = normal(11, {20, d}), v = normal(12, {20, d}), w = normal(13, {20, d});
  constexpr double h = 1e-2;
  for (const auto& [name, map] : maps()) {
    const Tensor points = x.clone().set_requires_grad(true);
    const Tensor moved = differentiable_transport(*map, points);
    EXPECT_TRUE(at::allclose(moved, map->transport(x), 1e-4, 1e-4)) << name;
    const Tensor pulled = torch::autograd::grad({moved}, {points}, {w})[0];
    const Tensor pushed = (map->transport(x + h * v) - map->transport(x - h * v)) / (2 * h);
    EXPECT_NEAR((pulled * v).sum().item<double>(), (w * pushed).sum().item<double>(),
                2e-2 * (w * pushed).norm().item<double>())
        << name;
  }
}

TEST(Differentiable, InverseHasTheInverseJacobian) {
  const auto all = maps();
  const Tensor x = normal(14, {8, d}).set_requires_grad(true);
  const Tensor y = differentiable_transport(*all.at("brenier"), x);
  const Tensor back = differentiable_transport(*all.at("conjugate"), y);
  const Tensor w = normal(15, {8, d});
  const Tensor pulled = torch::autograd::grad({back}, {x}, {w})[0];
  EXPECT_TRUE(at::allclose(pulled, w, 1e-3, 1e-3)) << (pulled - w).abs().max();
}

TEST(Differentiable, AnInverseHasOneDerivativeAndSaysSo) {
  const Tensor y = normal(14, {8, d}).set_requires_grad(true);
  const Tensor sum = differentiable_transport(*maps().at("conjugate"), y).square().sum();
  EXPECT_THROW(torch::autograd::grad({sum}, {y}, {}, std::nullopt, true), Error);
}

TEST(Differentiable, LeavesTheParametersAlone) {
  const auto psi = convex();
  const BrenierMap map(psi, frame());
  const Tensor x = normal(16, {4, d}).set_requires_grad(true);
  differentiable_transport(map, x).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  for (const auto& [name, parameter] : psi->parameters())
    EXPECT_FALSE(parameter.grad().defined()) << name;
}

TEST(Differentiable, RefusesWhatItCannot) {
  const BrenierMap map(convex(), frame());
  EXPECT_EQ(error_text([&] { differentiable_transport(map, at::zeros({4, 2})); }),
            "points: expected [n, 3], got [4, 2]");
  EXPECT_NE(error_text([&] {
              differentiable_transport(*plan(), at::zeros({4, d}));
            }).find("differentiable in x"),
            std::string::npos);
}

}  // namespace
}  // namespace monge
