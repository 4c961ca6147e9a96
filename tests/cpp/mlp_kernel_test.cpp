// The fused passes of multilayer perceptrons against autograd, twice where it takes two
// derivatives.
#include "kernel_fixture.h"
#include "kernels/mlp_view.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

struct Case {
  std::int64_t inputs, outputs;
  std::vector<std::int64_t> hidden;
  std::int64_t points;
  std::uint64_t seed = 21;  // of the parameters and points
};

const std::vector<Case> cases{
    {1, 1, {1}, 1},   {2, 2, {100, 100, 100}, 64}, {4, 2, {33, 17}, 5},   {3, 1, {20, 31, 7}, 37},
    {9, 1, {19}, 50}, {16, 16, {40, 21}, 29},      {70, 9, {64, 32}, 33}, {8, 1, {5, 6}, 1},
};

const std::vector<std::string> activations{"relu", "leaky_relu", "celu", "elu", "silu"};

/// One output, which has an input gradient, for half of them.
Case random_case(std::uint64_t seed) {
  ShapeDraw draw(seed);
  return {.inputs = draw.often_one(20),
          .outputs = draw.between(0, 1) == 0 ? 1 : draw.between(2, 20),
          .hidden = draw.widths(45),
          .points = draw.often_one(80),
          .seed = seed};
}

std::string name_of(const Case& one) {
  return fmt::format("seed={} {}->{} hidden=[{}] n={}", one.seed, one.inputs, one.outputs,
                     fmt::join(one.hidden, ","), one.points);
}

Mlp network_of(const Case& one, const std::string& activation, at::ScalarType dtype) {
  Random random(one.seed, "network");
  const double alpha = activation == "leaky_relu" ? 0.25 : activation == "celu" ? 0.5 : 2.0;
  return Mlp(one.inputs, one.outputs,
             MlpOptions{.hidden = one.hidden, .activation = activation, .alpha = alpha}, random,
             dtype);
}

template <class T>
class MlpKernel : public KernelTest<T> {};
TYPED_TEST_SUITE(MlpKernel, Numbers);

/// S = Σ <c, F(x)> and, for one output and `directed`, + <v, ∇F(x)>, and its derivatives.
template <class T>
void check_passes(const Case& one, const std::string& activation,
                  const kernels::IcnnLoops<T>& loops, bool directed, const std::string& set) {
  using Suite = MlpKernel<T>;
  const std::string name =
      fmt::format("{} {} {} {}", set, activation, name_of(one), directed ? "with v" : "without");
  const Mlp network = network_of(one, activation, Suite::dtype);
  Random random(one.seed, "points");
  const auto draw = [&](at::IntArrayRef shape) { return random.normal(shape).to(Suite::dtype); };
  const Tensor x = draw({one.points, one.inputs}).set_requires_grad(true);
  const Tensor v = draw({one.points, one.inputs}), c = draw({one.points, one.outputs});

  const State parameters = network.parameters();
  std::vector<Tensor> inputs{x};
  for (const auto& [key, parameter] : parameters) inputs.push_back(parameter);
  const Tensor value = network.forward(x, Graph::create);
  Tensor sum = (c * value).sum(), gradient;
  if (one.outputs == 1)
    gradient = torch::autograd::grad({value.sum()}, {x}, {}, true, true).front();
  if (directed) sum = sum + (v * gradient).sum();
  const auto plain = torch::autograd::grad({sum}, inputs, {}, true, false, true);

  const auto shape = kernels::mlp_shape(one.inputs, one.outputs, network.settings());
  kernels::MlpBlock<T> block(shape, one.points + 3,
                             directed ? kernels::Order::second : kernels::Order::first, loops);
  kernels::MlpWeights<T> weights(shape);
  weights.load(kernels::mlp_tensors<const T>(parameters, shape.layers()));
  const Tensor mine = at::empty_like(value).detach(), mine_gradient = at::empty_like(x).detach();
  State derivatives;
  for (const auto& [key, parameter] : parameters)
    derivatives[key] = at::full_like(parameter, 7).detach();  // to be begun anew
  const Tensor point_adjoint = at::empty_like(x).detach();
  block.forward(weights, x.const_data_ptr<T>(), one.points, mine.data_ptr<T>());
  expect_close(mine, value.detach(), Suite::tolerance, name + " value");
  if (one.outputs == 1) {
    block.delta();
    block.gradient(mine_gradient.data_ptr<T>());
    expect_close(mine_gradient, gradient.detach(), Suite::tolerance, name + " gradient");
  }
  if (directed) block.tangent(v.const_data_ptr<T>());
  block.adjoint(c.const_data_ptr<T>());
  const auto sums = kernels::mlp_tensors<T>(derivatives, shape.layers());
  block.accumulate(sums, kernels::Sums::begin);
  block.accumulate(sums, kernels::Sums::add);
  block.point_adjoint(point_adjoint.data_ptr<T>());
  expect_close(point_adjoint, plain[0].defined() ? plain[0] : at::zeros_like(point_adjoint),
               Suite::tolerance, name + " point");
  for (auto& [key, derivative] : derivatives) derivative.mul_(0.5);
  expect_derivatives_close(derivatives, {plain.begin() + 1, plain.end()}, Suite::tolerance, name);
}

template <class T>
void check_passes(const Case& one, const std::string& activation) {
  for (const auto& [set, loops] : supported_loops<T>())
    for (const bool directed : {true, false})
      if (!directed || one.outputs == 1) check_passes<T>(one, activation, *loops, directed, set);
}

TYPED_TEST(MlpKernel, PassesAgreeWithAutograd) {
  for (const Case& one : cases)
    for (const std::string& activation : activations) check_passes<TypeParam>(one, activation);
}

TYPED_TEST(MlpKernel, PassesAgreeWithAutogradOnRandomShapes) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed)
    check_passes<TypeParam>(random_case(seed), activations[seed % activations.size()]);
}

/// More points than a block has rows, on more than one thread.
TYPED_TEST(MlpKernel, EvaluationWithoutAGraphIsThePlainOne) {
  for (const Case& one : cases)
    for (const std::string& activation : activations) {
      const Mlp network = network_of(one, activation, this->dtype);
      const Tensor x =
          Random(23, "points").normal({1001, one.inputs}).to(this->dtype).set_requires_grad(true);
      const Tensor plain = network.forward(x, Graph::create);
      const Tensor fused = on_threads(2, [&] { return network.forward(x.detach(), Graph::none); });
      expect_close(fused, plain.detach(), this->tolerance, activation);
      EXPECT_EQ(network.forward(x.detach().narrow(0, 0, 0), Graph::none).size(0), 0);
      if (one.outputs > 1) continue;
      const Tensor slope = torch::autograd::grad({plain.sum()}, {x}).front();
      const Tensor value = at::empty({1001}, this->dtype), gradient = at::empty_like(slope);
      network.evaluate(x.detach(), value, gradient);
      expect_close(value, plain.detach().squeeze(1), this->tolerance, activation + " value");
      expect_close(gradient, slope, this->tolerance, activation + " gradient");
    }
}

TYPED_TEST(MlpKernel, AMillionPointsAreThePlainOnesInParts) {
  constexpr std::int64_t n = 1'000'000, part = 70'001;
  const Mlp network = network_of({3, 1, {20, 31}, n}, "silu", this->dtype);
  const Tensor x = Random(26, "points").normal({n, 3}).to(this->dtype);
  std::vector<Tensor> values, gradients;
  for (const Tensor& rows : x.split(part)) {
    const Tensor points = rows.detach().set_requires_grad(true);
    const Tensor plain = network.forward(points, Graph::create).squeeze(1);
    values.push_back(plain.detach());
    gradients.push_back(torch::autograd::grad({plain.sum()}, {points}).front());
  }
  for (const int threads : {1, 2}) {
    const auto [value, gradient] = on_threads(threads, [&] {
      std::pair made(at::full({n}, NAN, x.options()), at::full_like(x, NAN));
      network.evaluate(x, made.first, made.second);
      return made;
    });
    expect_close(value, at::cat(values), this->tolerance, fmt::format("{} value", threads));
    expect_close(gradient, at::cat(gradients), this->tolerance,
                 fmt::format("{} gradient", threads));
  }
}

/// In thousands of blocks, the input gradient's derivatives among them.
TYPED_TEST(MlpKernel, DerivativesOfAMillionPointsAreTheSumsOfTheirParts) {
  constexpr std::int64_t n = 1'000'000, rows = 256;
  const Case one{3, 1, {20, 31}, n};
  const Mlp network = network_of(one, "silu", this->dtype);
  const Mlp exact = network_of(one, "silu", at::kDouble);
  copy_parameters(exact.parameters(), network.parameters(), "exact");
  Random random(27, "points");
  const auto draw = [&](at::IntArrayRef shape) { return random.normal(shape).to(this->dtype); };
  const Tensor x = draw({n, 3}), v = draw({n, 3}), c = draw({n, 1});
  const auto sums =
      derivatives_in_parts(exact.parameters(), n, [&](std::int64_t from, std::int64_t count) {
        const Tensor points =
            x.narrow(0, from, count).to(at::kDouble).detach().set_requires_grad(true);
        const Tensor value = exact.forward(points, Graph::create);
        const Tensor gradient =
            torch::autograd::grad({value.sum()}, {points}, {}, true, true).front();
        return (c.narrow(0, from, count) * value).sum() +
               (v.narrow(0, from, count) * gradient).sum();
      });
  State derivatives;
  for (const auto& [key, parameter] : network.parameters())
    derivatives[key] = at::empty_like(parameter).detach();

  const auto shape = kernels::mlp_shape(one.inputs, one.outputs, network.settings());
  kernels::MlpBlock<TypeParam> block(shape, rows, kernels::Order::second);
  kernels::MlpWeights<TypeParam> weights(shape);
  weights.load(kernels::mlp_tensors<const TypeParam>(network.parameters(), shape.layers()));
  const auto into = kernels::mlp_tensors<TypeParam>(derivatives, shape.layers());
  std::vector<TypeParam> values(rows);
  for (std::int64_t from = 0; from < n; from += rows) {
    const auto at = [&](const Tensor& all) {
      return all.template const_data_ptr<TypeParam>() + from * all.size(1);
    };
    block.forward(weights, at(x), std::min(rows, n - from), values.data());
    block.delta();
    block.tangent(at(v));
    block.adjoint(at(c));
    block.accumulate(into, from == 0 ? kernels::Sums::begin : kernels::Sums::add);
  }
  expect_derivatives_close(derivatives, sums, 10 * this->tolerance, "a million points");
}

TYPED_TEST(MlpKernel, ValuesThatAreNotFiniteStaySo) {
  for (const std::string& activation : activations) {
    const Mlp network = network_of(cases[2], activation, this->dtype);
    Tensor x = at::zeros({3, 4}, this->dtype);
    x[1][0] = NAN;
    const Tensor out = network.forward(x, Graph::none);
    EXPECT_TRUE(out[1].isnan().any().item<bool>()) << activation;
    EXPECT_TRUE(out[0].isfinite().all().item<bool>()) << activation;
  }
}

TEST(Mlp, APotentialsGradientIsThatOfFiniteDifferences) {
  for (const std::string activation : {"celu", "silu"}) {
    Random random(24, "network");
    const MlpPotential potential(3, MlpOptions{.hidden = {16, 8}, .activation = activation}, random,
                                 at::kDouble);
    const Tensor x = random.normal({5, 3}).to(at::kDouble),
                 v = random.normal({5, 3}).to(at::kDouble);
    const double h = 1e-5;
    const Tensor difference =
        (potential.value(x + h * v, Graph::none) - potential.value(x - h * v, Graph::none)) /
        (2 * h);
    const Tensor slope = (potential.gradient(x, Graph::none) * v).sum(1);
    expect_close(slope, difference, 1e-7, activation);
    expect_close(potential.gradient(x, Graph::create).detach(), potential.gradient(x, Graph::none),
                 1e-12, activation);
  }
}

TEST(Mlp, RefusesPointsOfAnotherDimension) {
  Random random(25, "network");
  const Mlp network(3, 2, MlpOptions{.hidden = {4}}, random);
  EXPECT_THROW(network.forward(at::zeros({2, 4}), Graph::none), std::exception);
  EXPECT_THROW(network.evaluate(at::zeros({2, 3}), at::zeros({2}), {}), std::exception);
}

}  // namespace
}  // namespace monge
