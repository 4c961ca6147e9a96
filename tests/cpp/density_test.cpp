// Densities by change of variables: Hessians against autograd and differences, determinants and
// densities against closed forms.
#include "monge/density.h"

#include "monge/conjugate.h"
#include "monge/error.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/gaussian_mixture.h"
#include "monge/measures/uniform.h"
#include "monge/network_map.h"
#include "monge/networks/dense_icnn.h"
#include "monge/networks/mlp.h"

#include "error_text.h"
#include "kernel_fixture.h"
#include "kernels/icnn_view.h"

#include <torch/csrc/autograd/autograd.h>

#include <numbers>

namespace monge {
namespace {

struct Case {
  std::int64_t dimension, rank;
  std::vector<std::int64_t> hidden;
  bool skip = true;
  double alpha = 1, strong_convexity = 1e-6;
};

const std::vector<Case> cases{
    {1, 1, {1}},         {1, 3, {7, 2}},
    {2, 2, {128, 64}},   {5, 1, {33, 9, 5}, false, 0.5, 0.3},
    {7, 4, {16}, false}, {13, 3, {21, 11}, true, 2, 0.1},
    {33, 2, {40, 24}},
};

DenseIcnn network_of(const Case& one, at::ScalarType dtype) {
  Random random(21, "network");
  const DenseIcnnOptions options{.rank = one.rank,
                                 .hidden = one.hidden,
                                 .celu_alpha = one.alpha,
                                 .strong_convexity = one.strong_convexity,
                                 .input_scale = 1,
                                 .skip = one.skip};
  DenseIcnn network(one.dimension, options, DenseIcnn::Initial::paper, random, dtype);
  const at::NoGradGuard no_graph;
  for (auto& [name, parameter] : network.parameters())
    if (name == "input.bias" || name.starts_with("skip"))
      Tensor(parameter).add_(random.normal(parameter.sizes()).abs().to(dtype), 0.5);
  return network;
}

Tensor normal(std::uint64_t seed, at::IntArrayRef shape, at::ScalarType dtype = at::kDouble) {
  return Random(seed, "points").normal(shape).to(dtype);
}

/// exp(x_1) + ... + exp(x_d): its gradient sends a normal law to a log-normal one.
class Exponential final : public Potential {
 public:
  explicit Exponential(std::int64_t d) : d_(d) {}
  std::int64_t dimension() const override { return d_; }
  Tensor value(const Tensor& x, Graph) const override { return x.exp().sum(1); }
  ValueAndGradient value_and_gradient(const Tensor& x, Graph) const override {
    return {x.exp().sum(1), x.exp()};
  }
  State parameters() const override { return {}; }
  std::string name() const override { return "exponential"; }
  Table options() const override { return {}; }

 private:
  std::int64_t d_;
};

/// ½ <x, s x> as a network, whose gradient in a frame is an affine map.
std::shared_ptr<DenseIcnn> quadratic_network(const Tensor& s) {
  Random random(1, "network");
  auto network =
      std::make_shared<DenseIcnn>(s.size(0), DenseIcnnOptions{.hidden = {4}, .strong_convexity = 0},
                                  DenseIcnn::Initial::near_zero, random, at::kDouble);
  const at::NoGradGuard no_graph;
  State parameters = network->parameters();
  parameters.at("final").zero_();
  parameters.at("skip.linear").zero_();
  parameters.at("skip.quadratic").copy_(s);
  return network;
}

/// A network that is far from quadratic and near the identity in the mean.
std::shared_ptr<DenseIcnn> curved_network(std::int64_t d, at::ScalarType dtype = at::kFloat) {
  Random random(5, "network");
  auto network =
      std::make_shared<DenseIcnn>(d, DenseIcnnOptions{.hidden = {32, 32}, .input_scale = 3},
                                  DenseIcnn::Initial::paper, random, dtype);
  network->become_identity(random.normal({2000, d}).to(dtype), 0.3);
  return network;
}

Moments moments_of(std::uint64_t seed, std::int64_t d) {
  Random random(seed, "moments");
  const Tensor root = random.normal({d, d}).to(at::kDouble);
  return {random.normal({d}).to(at::kDouble),
          at::mm(root, root.t()) + 0.2 * at::eye(d, at::kDouble)};
}

template <class T>
class Hessian : public KernelTest<T> {};
TYPED_TEST_SUITE(Hessian, Numbers);

TYPED_TEST(Hessian, ProductsOfEveryInstructionSetAreThoseOfAutograd) {
  for (const Case& one : cases) {
    const DenseIcnn network = network_of(one, this->dtype);
    const std::int64_t n = 19, d = one.dimension;
    const Tensor x = normal(1, {n, d}, this->dtype).set_requires_grad(true);
    const auto shape = kernels::icnn_shape(d, network.settings());
    kernels::IcnnWeights<TypeParam> weights(shape);
    weights.load(kernels::icnn_tensors<const TypeParam>(network.parameters(), one.hidden.size()),
                 n);
    const Tensor gradient = network.gradient(x, Graph::create);
    for (const auto& [set, loops] : supported_loops<TypeParam>()) {
      kernels::IcnnBlock<TypeParam> block(shape, n + 2, *loops);
      block.forward(weights, x.const_data_ptr<TypeParam>(), n);
      block.delta();
      for (const std::uint64_t seed : {2, 3}) {  // one pass forward serves all directions
        const Tensor v = normal(seed, {n, d}, this->dtype), mine = at::empty_like(v);
        const Tensor plain = torch::autograd::grad({(gradient * v).sum()}, {x}, {}, true)[0];
        block.tangent(v.const_data_ptr<TypeParam>());
        block.adjoint(nullptr);
        block.point_adjoint(mine.data_ptr<TypeParam>());
        expect_close(mine, plain, this->tolerance, fmt::format("{} d={}", set, d));
      }
    }
  }
}

/// More points than a block has rows.
TYPED_TEST(Hessian, KernelsAgreeWithTheDefaultOfPotential) {
  for (const Case& one : cases) {
    const DenseIcnn network = network_of(one, this->dtype);
    const Tensor x = normal(4, {601, one.dimension}, this->dtype);
    const Tensor v = normal(5, {601, one.dimension}, this->dtype);
    const Tensor product = network.hessian_product(x, v), hessian = network.hessian(x);
    EXPECT_EQ(product.scalar_type(), this->dtype);
    EXPECT_FALSE(product.requires_grad() || hessian.requires_grad());
    expect_close(product, network.Potential::hessian_product(x, v), this->tolerance, "product");
    expect_close(hessian, network.Potential::hessian(x), this->tolerance, "hessian");
    expect_close(at::bmm(hessian, v.unsqueeze(2)).squeeze(2), product, 4 * this->tolerance, "both");
    EXPECT_EQ(network.hessian(x.narrow(0, 0, 0)).size(0), 0);
  }
}

TEST(HessianOfANetwork, IsTheDifferenceQuotientOfItsGradient) {
  constexpr double step = 1e-6;
  for (const Case& one : cases) {
    const DenseIcnn network = network_of(one, at::kDouble);
    const Tensor x = normal(6, {23, one.dimension}), v = normal(7, {23, one.dimension});
    const Tensor quotient = (network.gradient(x + step * v, Graph::none) -
                             network.gradient(x - step * v, Graph::none)) /
                            (2 * step);
    // CELU's second derivative jumps at 0, where a quotient is off.
    const Tensor off = (network.hessian_product(x, v) - quotient).abs();
    EXPECT_LE(off.median().item<double>(), 1e-7 * quotient.abs().max().item<double>());
    expect_close(network.hessian_product(x, v), quotient, 1e-4, fmt::format("d={}", one.dimension));
  }
}

TEST(HessianOfANetwork, TakesFloat32ParametersInFloat64) {
  for (const Case& one : cases) {
    const DenseIcnn network = network_of(one, at::kFloat), exact = network_of(one, at::kDouble);
    State copied = exact.parameters();
    {
      const at::NoGradGuard no_graph;
      for (const auto& [name, parameter] : network.parameters()) copied.at(name).copy_(parameter);
    }
    const Tensor x = normal(8, {9, one.dimension});
    EXPECT_TRUE(at::equal(network.hessian(x), exact.hessian(x)));
  }
  const DenseIcnn network = network_of(cases[2], at::kFloat);
  expect_message(error_text([&] { network.hessian_product(at::zeros({3, 2}), at::zeros({2, 2})); }),
                 "expected directions [3, 2], got [2, 2]");
}

TEST(LogDet, OfABuresMapIsThatOfItsMatrix) {
  for (const std::int64_t d : {1, 3, 8}) {
    const Moments p = moments_of(31, d), q = moments_of(32, d);
    const AffineFrame frame = bures_wasserstein_frame(p, q);
    const BrenierMap map(quadratic_network(at::ones({d}, at::kDouble)), frame);
    const AffineMap truth = bures_wasserstein_map(p, q);
    const double expected = std::get<1>(at::linalg_slogdet(truth.matrix)).item<double>();
    const Tensor x = normal(9, {50, d});
    expect_close(map.transport(x), AffineTransportMap(truth).transport(x), 1e-9, "the map");
    EXPECT_LE((log_det_jacobian(map, x).value - expected).abs().max().item<double>(), 1e-9);
    EXPECT_NEAR(log_det_jacobian(AffineTransportMap(truth), x).value[7].item<double>(), expected,
                1e-12);
    // With a Hessian that is not the identity, and for the inverse.
    const Tensor s = at::linspace(0.5, 3, d, at::kDouble);
    const auto psi = quadratic_network(s);
    const double scaled = expected + s.log().sum().item<double>();
    EXPECT_NEAR(log_det_jacobian(BrenierMap(psi, frame), x).value[0].item<double>(), scaled, 1e-9);
    const ConjugateMap inverse(psi, frame.inverse(), {.tolerance = 1e-8});
    EXPECT_NEAR(log_det_jacobian(inverse, x).value[0].item<double>(), -scaled, 1e-9);
  }
}

/// Whole Jacobians by differences of the map itself.
TEST(LogDet, IsThatOfTheMapsDifferenceQuotients) {
  constexpr double step = 1e-6;
  for (const std::int64_t d : {1, 2, 5}) {
    const AffineFrame frame = bures_wasserstein_frame(moments_of(33, d), moments_of(34, d));
    const BrenierMap map(curved_network(d, at::kDouble), frame);
    const Tensor x = normal(10, {40, d});
    std::vector<Tensor> columns;
    for (std::int64_t k = 0; k < d; ++k) {
      const Tensor along = step * at::eye(d, at::kDouble)[k];
      columns.push_back((map.transport(x + along) - map.transport(x - along)) / (2 * step));
    }
    const Tensor expected = std::get<1>(at::linalg_slogdet(at::stack(columns, 2)));
    const LogDet found = log_det_jacobian(map, x);
    EXPECT_LE((found.value - expected).abs().max().item<double>(), 1e-4);
    EXPECT_GT(found.value.std().item<double>(), 0.1) << "a map whose volume hardly changes";
    EXPECT_EQ(found.standard_error.abs().max().item<double>(), 0);
  }
}

TEST(LogDet, OfTheExponentialMapIsTheSumOfThePoint) {
  for (const std::int64_t d : {1, 4}) {
    const auto psi = std::make_shared<Exponential>(d);
    const BrenierMap map(psi, identity_frame(d));
    const Tensor x = normal(11, {30, d});
    expect_close(log_det_jacobian(map, x).value, x.sum(1), 1e-12, "exact");
    // As many steps as dimensions: every probe is exact for a diagonal Hessian.
    const LogDet estimate = log_det_hessian(*psi, x, {.exact_dimension = 0});
    expect_close(estimate.value, x.sum(1), 1e-9, "Lanczos");
  }
}

/// False alarms of the first bound: 6e-5; the second is four times what it should be.
TEST(LogDet, EstimateAgreesWithCholeskyWithinItsError) {
  constexpr std::int64_t d = 96, n = 48;
  const DenseIcnn network = network_of({d, 1, {64, 64}, true, 1, 0.1}, at::kFloat);
  const Tensor x = normal(12, {n, d});
  const Tensor exact = log_det_hessian(network, x, {.exact_dimension = d}).value;
  const LogDet estimate = log_det_hessian(network, x, {.exact_dimension = d - 1});
  const Tensor off = estimate.value - exact;
  EXPECT_LE(std::abs(off.sum().item<double>()),
            4 * estimate.standard_error.square().sum().sqrt().item<double>());
  EXPECT_LE((off / estimate.standard_error).square().mean().item<double>(), 4);
  EXPECT_GT(estimate.standard_error.min().item<double>(), 0);
  EXPECT_LT(estimate.standard_error.mean().item<double>(),
            0.02 * exact.abs().mean().item<double>());
  EXPECT_TRUE(at::equal(log_det_hessian(network, x, {.exact_dimension = 0}).value, estimate.value));
}

TEST(LogDet, RefusesWhatItDoesNotKnow) {
  const AffineTransportMap map({at::eye(2), at::zeros({2})});
  expect_message(error_text([&] { log_det_jacobian(map, at::zeros({3, 3})); }),
                 "expected points [n, 2], got [3, 3]");
  Random random(1, "network");
  const auto mlp = std::make_shared<Mlp>(2, 2, MlpOptions{}, random);
  const NetworkMap free(mlp, true, identity_frame(2).to_dtype(at::kFloat));
  EXPECT_FALSE(has_log_det(free));
  expect_message(error_text([&] { log_det_jacobian(free, at::zeros({3, 2})); }), "another map");
  expect_message(
      error_text([&] { log_det_hessian(Exponential(2), at::zeros({3, 2}), {.probes = 1}); }),
      "at least 2 probes");
}

LogDensity density_of(const Measure& measure) {
  return [&measure](const Tensor& x) { return *measure.log_density(x); };
}

TEST(PushedDensity, OfTheExponentialMapIsLogNormal) {
  constexpr std::int64_t d = 3;
  const GaussianMeasure source({at::zeros({d}), at::eye(d)});
  const BrenierMap map(std::make_shared<Exponential>(d), identity_frame(d));
  const Tensor y = normal(13, {40, d}).mul(0.7).exp();
  const PushedDensity pushed = pushed_log_density(map, nullptr, density_of(source), y);
  const Tensor expected =
      (-0.5 * y.log().square() - y.log() - 0.5 * std::log(2 * std::numbers::pi)).sum(1);
  EXPECT_LE(pushed.residual.max().item<double>(), 1e-4);
  EXPECT_LE((pushed.value - expected).abs().max().item<double>(), 1e-3);
}

TEST(PushedDensity, OfAnAffineMapIsGaussian) {
  const Moments p = moments_of(35, 3), q = moments_of(36, 3);
  const AffineTransportMap map(bures_wasserstein_map(p, q));
  const GaussianMeasure source(p), target(q);
  Random random(1, "y");
  const Tensor y = target.sample(100, random);
  const PushedDensity pushed = pushed_log_density(map, nullptr, density_of(source), y);
  EXPECT_LE((pushed.value - *target.log_density(y)).abs().max().item<double>(), 1e-9);
}

/// A point that is pushed and searched again has the density that the forward map gives it; and
/// pushed back by the inverse map the source has its own again.
TEST(PushedDensity, SearchesAndInversesAgree) {
  constexpr std::int64_t d = 3;
  const Moments p = moments_of(37, d);
  const AffineFrame frame = bures_wasserstein_frame(p, moments_of(38, d)).to_dtype(at::kFloat);
  const auto psi = curved_network(d);
  const BrenierMap map(psi, frame);
  const ConjugateMap inverse(psi, frame.inverse(), {.tolerance = 1e-5});
  const GaussianMeasure source(p);
  Random random(2, "x");
  const Tensor x = source.sample(200, random);
  const Tensor expected = *source.log_density(x) - log_det_jacobian(map, x).value;
  for (const TransportMap* start :
       {static_cast<const TransportMap*>(nullptr), static_cast<const TransportMap*>(&inverse)}) {
    const PushedDensity pushed =
        pushed_log_density(map, start, density_of(source), map.transport(x));
    EXPECT_LE((pushed.value - expected).abs().median().item<double>(), 1e-4);
    EXPECT_LE((pushed.value - expected).abs().max().item<double>(), 2e-2);
    EXPECT_LE((pushed.origin - x).abs().max().item<double>(), 1e-2);
  }
  const LogDensity middle = [&](const Tensor& y) {
    return pushed_log_density(map, nullptr, density_of(source), y).value;
  };
  const PushedDensity back = pushed_log_density(inverse, nullptr, middle, x);
  EXPECT_LE((back.value - *source.log_density(x)).abs().median().item<double>(), 1e-4);
}

TEST(PushedDensity, IntegratesToOne) {
  const auto frame =
      bures_wasserstein_frame({at::zeros({2}, at::kDouble), at::eye(2, at::kDouble)},
                              {at::ones({2}, at::kDouble), 2 * at::eye(2, at::kDouble)})
          .to_dtype(at::kFloat);
  const BrenierMap map(curved_network(2), frame);
  const GaussianMeasure source({at::zeros({2}), at::eye(2)});
  Random random(3, "x");
  const auto [low, high] = at::aminmax(map.transport(source.sample(20000, random)), 0);
  constexpr std::int64_t side = 300;
  const Tensor unit = at::linspace(-0.15, 1.15, side);
  const auto axes = at::meshgrid({unit, unit}, "ij");
  const Tensor y = low + at::stack({axes[0].flatten(), axes[1].flatten()}, 1) * (high - low);
  const double cell = ((high - low) * (1.3 / (side - 1))).prod().item<double>();
  const PushedDensity pushed = pushed_log_density(map, nullptr, density_of(source), y);
  EXPECT_NEAR(pushed.value.exp().sum().item<double>() * cell, 1, 0.01);
  // What the determinant is for.
  const double without = source.log_density(pushed.origin)->exp().sum().item<double>() * cell;
  EXPECT_GT(std::abs(without - 1), 0.05);
}

TEST(KlPushed, IsZeroForTheRightMapAndKnownForTheIdentity) {
  const Moments p = moments_of(39, 4), q = moments_of(40, 4);
  const GaussianMeasure source(p), target(q);
  Random random(4, "x");
  const Tensor x = source.sample(4000, random);
  const auto right = kl_pushed(AffineTransportMap(bures_wasserstein_map(p, q)), source, target, x);
  EXPECT_LE(std::abs(right->value), 1e-4);  // float32 points
  EXPECT_LE(right->standard_error, 1e-4);
  const auto still = kl_pushed(AffineTransportMap({at::eye(4), at::zeros({4})}), source, target, x);
  const Tensor precision = at::inverse(q.covariance), between = q.mean - p.mean;
  const double expected =
      0.5 * (at::mm(precision, p.covariance).trace() + between.dot(precision.mv(between)) - 4 +
             std::get<1>(at::linalg_slogdet(q.covariance)) -
             std::get<1>(at::linalg_slogdet(p.covariance)))
                .item<double>();
  EXPECT_GT(expected, 0.5);
  EXPECT_NEAR(still->value, expected, 4 * still->standard_error);  // false alarms: 6e-5
  EXPECT_LT(still->standard_error, 0.1 * expected);
  const BoxMeasure box(at::full({4}, -0.1), at::full({4}, 0.1));
  EXPECT_EQ(kl_pushed(AffineTransportMap({at::eye(4), at::zeros({4})}), source, box, x)->value,
            INFINITY);
}

TEST(LogDensityOfAMeasure, IsTheClosedForm) {
  const Moments p = moments_of(41, 3);
  const Tensor x = normal(14, {20, 3}), centred = x - p.mean;
  const Tensor expected =
      -0.5 * ((centred.mm(at::inverse(p.covariance)) * centred).sum(1) +
              std::get<1>(at::linalg_slogdet(2 * std::numbers::pi * p.covariance)));
  expect_close(*GaussianMeasure(p).log_density(x), expected, 1e-10, "gaussian");
  const Tensor singular = at::diag(at::tensor({1.0, 0.0, 1.0}, at::kDouble));
  EXPECT_FALSE(GaussianMeasure({at::zeros({3}), singular}).log_density(x));
  expect_message(error_text([&] { GaussianMeasure(p).log_density(at::zeros({4, 2})); }), "[n, 3]");
}

TEST(LogDensityOfAMeasure, OfAMixtureIsTheSumOfItsComponents) {
  const Tensor centers = normal(15, {4, 3}, at::kFloat),
               factors = normal(16, {4, 3, 3}, at::kFloat);
  const Tensor weights = at::tensor({1.0, 2.0, 0.0, 5.0}), x = normal(17, {30, 3});
  Tensor sum = at::zeros({30}, at::kDouble);
  for (std::int64_t k = 0; k < 4; ++k) {
    const Tensor factor = factors[k].to(at::kDouble);
    const GaussianMeasure one({centers[k], at::mm(factor.t(), factor)});
    sum += weights[k].item<double>() / 8 * one.log_density(x)->exp();
  }
  const auto full = GaussianMixture(centers, factors, weights).log_density(x);
  EXPECT_LE((*full - sum.log()).abs().max().item<double>(), 1e-3);  // float32 factors
  const Tensor spreads = at::tensor({0.3, 0.5, 0.7, 1.0});
  sum.zero_();
  for (std::int64_t k = 0; k < 4; ++k) {
    const double spread = spreads[k].item<float>();
    const GaussianMeasure one({centers[k], spread * spread * at::eye(3, at::kDouble)});
    sum += weights[k].item<double>() / 8 * one.log_density(x)->exp();
  }
  expect_close(*GaussianMixture(centers, spreads, weights).log_density(x), sum.log(), 1e-6,
               "round");
  EXPECT_FALSE(GaussianMixture(centers, at::zeros({4}), weights).log_density(x));
}

TEST(LogDensityOfAMeasure, OfABoxIsConstantInside) {
  const BoxMeasure box(at::tensor({0.0, 1.0}), at::tensor({2.0, 1.5}));
  const Tensor density = *box.log_density(at::tensor({1.0, 1.2, 2.5, 1.2, 1.0, 0.9}).view({3, 2}));
  EXPECT_DOUBLE_EQ(density[0].item<double>(), 0.0);  // of volume 1
  EXPECT_EQ(density[1].item<double>(), -INFINITY);
  EXPECT_EQ(density[2].item<double>(), -INFINITY);
  EXPECT_FALSE(BoxMeasure(at::zeros({2}), at::tensor({1.0, 0.0})).log_density(at::zeros({1, 2})));
}

}  // namespace
}  // namespace monge
