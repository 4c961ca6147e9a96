// The fused passes of DenseICNN and of a W2GN step against the plain ones: autograd, twice where it
// takes two derivatives.
#include "kernel_fixture.h"
#include "kernels/icnn_view.h"
#include "solvers/w2gn_step.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

struct Case {
  std::int64_t dimension, rank;
  std::vector<std::int64_t> hidden;
  std::int64_t points;
  bool skip = true;
  double alpha = 1, strong_convexity = 1e-6;
  std::uint64_t seed = 11;  // of the parameters and points
};

// The alphas have exact inverses: ATen's derivative of CELU takes 1 / alpha in float32.
const std::vector<Case> cases{
    {1, 1, {1}, 1},
    {1, 2, {3, 2}, 5},
    {2, 3, {128, 128, 64}, 37},
    {3, 1, {33, 17, 9, 5}, 64, false, 0.25, 0.5},
    {4, 1, {11, 6}, 9, true, 0.5},
    {5, 2, {16}, 3, false},
    {6, 3, {10, 17}, 7, false, 0.5},
    {8, 4, {20, 31}, 13, true, 2.0, 0.1},
    {9, 1, {19, 23, 7}, 50, true, 0.5},
    {16, 3, {21, 40, 11}, 29, false, 1, 0.2},
    {70, 1, {64, 32}, 33},
};

Case random_case(std::uint64_t seed) {
  ShapeDraw draw(seed);
  return {.dimension = draw.often_one(20),
          .rank = draw.between(1, 3),
          .hidden = draw.widths(45),
          .points = draw.often_one(80),
          .skip = draw.between(0, 1) == 1,
          .alpha = std::ldexp(0.25, static_cast<int>(draw.between(0, 3))),
          .strong_convexity = 0.1 * static_cast<double>(draw.between(0, 5)),
          .seed = seed};
}

std::string name_of(const Case& one) {
  return fmt::format("seed={} d={} rank={} hidden=[{}] n={} skip={} alpha={}", one.seed,
                     one.dimension, one.rank, fmt::join(one.hidden, ","), one.points, one.skip,
                     one.alpha);
}

/// A network whose parameters, biases included, are all away from zero.
DenseIcnn network_of(const Case& one, at::ScalarType dtype) {
  Random random(one.seed, "network");
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

template <class T>
class IcnnKernel : public KernelTest<T> {};
TYPED_TEST_SUITE(IcnnKernel, Numbers);

/// S = Σ c psi(x) + <v, ∇psi(x)> and its derivatives; v undefined: the first term only.
template <class T>
void check_passes(const Case& one, const kernels::IcnnLoops<T>& loops, bool directed,
                  const std::string& set) {
  using Suite = IcnnKernel<T>;
  const std::string name =
      fmt::format("{} {} {}", set, name_of(one), directed ? "with v" : "without");
  const DenseIcnn network = network_of(one, Suite::dtype);
  Random random(one.seed, "points");
  const auto draw = [&](at::IntArrayRef shape) { return random.normal(shape).to(Suite::dtype); };
  const Tensor x = draw({one.points, one.dimension}).set_requires_grad(true);
  const Tensor v = draw({one.points, one.dimension});
  const Tensor c = draw({one.points});

  const State parameters = network.parameters();
  std::vector<Tensor> inputs{x};
  for (const auto& [key, parameter] : parameters) inputs.push_back(parameter);
  const auto [value, gradient] = network.value_and_gradient(x, Graph::create);
  Tensor sum = (c * value).sum();
  if (directed) sum = sum + (v * gradient).sum();
  const auto plain = torch::autograd::grad({sum}, inputs, {}, true, false, true);

  const auto shape = kernels::icnn_shape(one.dimension, network.settings());
  kernels::IcnnWeights<T> weights(shape);
  weights.load(kernels::icnn_tensors<const T>(parameters, one.hidden.size()),
               directed ? 1000 : 1);  // with and without transposed copies
  kernels::IcnnBlock<T> block(shape, one.points + 3, loops);
  const Tensor mine_value = at::empty_like(value), mine_gradient = at::empty_like(x);
  block.forward(weights, x.const_data_ptr<T>(), one.points);
  block.value(mine_value.data_ptr<T>());
  expect_close(mine_value, value.detach(), Suite::tolerance, name + " value");
  if (directed) {
    block.delta();
    block.gradient(mine_gradient.data_ptr<T>());
    expect_close(mine_gradient, gradient.detach(), Suite::tolerance, name + " gradient");
    block.tangent(v.const_data_ptr<T>());
  }
  block.adjoint(c.const_data_ptr<T>());
  State derivatives;
  for (const auto& [key, parameter] : parameters)
    derivatives[key] = at::full_like(parameter, NAN).detach();
  const Tensor input_sum = at::full({shape.input_numbers()}, NAN, x.options()).detach();
  // A sum that begins forgets what was there; the same once more gives twice of it.
  for (const kernels::Sums sums : {kernels::Sums::begin, kernels::Sums::add})
    block.accumulate(kernels::icnn_tensors<T>(derivatives, one.hidden.size()),
                     input_sum.data_ptr<T>(), sums);
  weights.put_back(input_sum.const_data_ptr<T>(),
                   kernels::icnn_tensors<T>(derivatives, one.hidden.size()));
  const Tensor point_adjoint = at::empty_like(x).detach();
  block.point_adjoint(point_adjoint.data_ptr<T>());
  expect_close(point_adjoint, plain[0], Suite::tolerance, name + " point");
  for (auto& [key, derivative] : derivatives) derivative.mul_(0.5);
  expect_derivatives_close(derivatives, {plain.begin() + 1, plain.end()}, Suite::tolerance, name);
}

template <class T>
void check_passes(const Case& one) {
  for (const auto& [set, loops] : supported_loops<T>())
    for (const bool directed : {true, false}) check_passes<T>(one, *loops, directed, set);
}

TYPED_TEST(IcnnKernel, PassesAgreeWithAutograd) {
  for (const Case& one : cases) check_passes<TypeParam>(one);
}

TYPED_TEST(IcnnKernel, PassesAgreeWithAutogradOnRandomShapes) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) check_passes<TypeParam>(random_case(seed));
}

/// More points than a block has rows, on more than one thread.
TYPED_TEST(IcnnKernel, ValueAndGradientWithoutAGraphAreThePlainOnes) {
  for (Case one : cases) {
    one.points = 1001;
    const DenseIcnn network = network_of(one, this->dtype);
    const Tensor x = Random(13, "points").normal({1001, one.dimension}).to(this->dtype);
    const auto plain = network.value_and_gradient(x, Graph::create);
    const auto fused = on_threads(2, [&] { return network.value_and_gradient(x, Graph::none); });
    expect_close(fused.value, plain.value.detach(), this->tolerance, "value");
    expect_close(fused.gradient, plain.gradient.detach(), this->tolerance, "gradient");
    EXPECT_TRUE(at::equal(network.value(x, Graph::none), fused.value));
    EXPECT_TRUE(at::equal(network.gradient(x, Graph::none), fused.gradient));
    EXPECT_EQ(network.gradient(x.narrow(0, 0, 0), Graph::none).size(0), 0);
  }
}

TYPED_TEST(IcnnKernel, AMillionPointsAreThePlainOnesInParts) {
  constexpr std::int64_t n = 1'000'000, part = 70'001;
  const DenseIcnn network = network_of({3, 2, {12, 7}, n}, this->dtype);
  const Tensor x = Random(15, "points").normal({n, 3}).to(this->dtype);
  std::vector<Tensor> values, gradients;
  for (const Tensor& points : x.split(part)) {
    const auto plain = network.value_and_gradient(points, Graph::create);
    values.push_back(plain.value.detach());
    gradients.push_back(plain.gradient.detach());
  }
  for (const int threads : {1, 2}) {
    const auto fused =
        on_threads(threads, [&] { return network.value_and_gradient(x, Graph::none); });
    expect_close(fused.value, at::cat(values), this->tolerance, fmt::format("{} value", threads));
    expect_close(fused.gradient, at::cat(gradients), this->tolerance,
                 fmt::format("{} gradient", threads));
  }
}

/// In thousands of blocks, the input gradient's derivatives among them.
TYPED_TEST(IcnnKernel, DerivativesOfAMillionPointsAreTheSumsOfTheirParts) {
  constexpr std::int64_t n = 1'000'000, rows = 256;
  const Case one{3, 2, {12, 7}, n};
  const DenseIcnn network = network_of(one, this->dtype), exact = network_of(one, at::kDouble);
  copy_parameters(exact.parameters(), network.parameters(), "exact");
  Random random(16, "points");
  const auto draw = [&](at::IntArrayRef shape) { return random.normal(shape).to(this->dtype); };
  const Tensor x = draw({n, 3}), v = draw({n, 3}), c = draw({n});
  const auto sums =
      derivatives_in_parts(exact.parameters(), n, [&](std::int64_t from, std::int64_t count) {
        const auto [value, gradient] =
            exact.value_and_gradient(x.narrow(0, from, count).to(at::kDouble), Graph::create);
        return (c.narrow(0, from, count) * value).sum() +
               (v.narrow(0, from, count) * gradient).sum();
      });
  State derivatives;
  for (const auto& [key, parameter] : network.parameters())
    derivatives[key] = at::empty_like(parameter).detach();

  const auto shape = kernels::icnn_shape(one.dimension, network.settings());
  kernels::IcnnWeights<TypeParam> weights(shape);
  weights.load(kernels::icnn_tensors<const TypeParam>(network.parameters(), one.hidden.size()), n);
  kernels::IcnnBlock<TypeParam> block(shape, rows);
  const auto into = kernels::icnn_tensors<TypeParam>(derivatives, one.hidden.size());
  std::vector<TypeParam> input(static_cast<std::size_t>(shape.input_numbers()));
  for (std::int64_t from = 0; from < n; from += rows) {
    block.forward(weights, x.const_data_ptr<TypeParam>() + 3 * from, std::min(rows, n - from));
    block.delta();
    block.tangent(v.const_data_ptr<TypeParam>() + 3 * from);
    block.adjoint(c.const_data_ptr<TypeParam>() + from);
    block.accumulate(into, input.data(), from == 0 ? kernels::Sums::begin : kernels::Sums::add);
  }
  weights.put_back(input.data(), into);
  expect_derivatives_close(derivatives, sums, 10 * this->tolerance, "a million points");
}

TYPED_TEST(IcnnKernel, ValuesThatAreNotFiniteStaySo) {
  const DenseIcnn network = network_of(cases[2], this->dtype);
  Tensor x = at::zeros({3, 2}, this->dtype);
  x[1][0] = NAN;
  const auto [value, gradient] = network.value_and_gradient(x, Graph::none);
  EXPECT_TRUE(value[1].isnan().item<bool>());
  EXPECT_TRUE(gradient[1].isnan().all().item<bool>());
  EXPECT_TRUE(value[0].isfinite().item<bool>() && value[2].isfinite().item<bool>());
}

/// The objective as its formula reads, for autograd (W2GN, eq. 12 and 51).
Tensor plain_objective(const DenseIcnn& psi, const DenseIcnn& omega, const W2gnWeights& weights,
                       const Tensor& x, const Tensor& y, W2gnTerms& terms) {
  const Tensor back = omega.gradient(y, Graph::create);
  const Tensor seen = weights.detach ? back.detach() : back;
  const Tensor correlation = psi.value(x, Graph::create).mean() +
                             ((seen * y).sum(1) - psi.value(seen, Graph::create)).mean();
  const Tensor cycle = (psi.gradient(back, Graph::create) - y).square().sum(1).mean();
  const Tensor forth = psi.gradient(x, Graph::create);
  const Tensor source = (omega.gradient(forth, Graph::create) - x).square().sum(1).mean();
  terms = {correlation.item<double>(), cycle.item<double>(), source.item<double>()};
  return correlation + weights.cycle * cycle + weights.source_cycle * source;
}

/// The parameters of both, in the order of W2gnStep's derivatives.
State parameters_of(const DenseIcnn& psi, const DenseIcnn& omega) {
  State both;
  insert_state(both, "psi", psi.parameters());
  insert_state(both, "omega", omega.parameters());
  return both;
}

// As w2gn_step.h states.
constexpr double step_tolerance = 1e-4, term_tolerance = 1e-5;

void check_step(const Case& one, const W2gnWeights& weights, std::int64_t points) {
  Random random(14, "points");
  const DenseIcnn psi = network_of(one, at::kFloat), omega = network_of(one, at::kFloat);
  {
    const at::NoGradGuard no_graph;
    for (auto& [name, parameter] : omega.parameters()) Tensor(parameter).mul_(0.8);
  }
  const Tensor x = random.normal({points, one.dimension});
  const Tensor y = random.normal({points, one.dimension}) * 0.5;
  const State both = parameters_of(psi, omega);
  std::vector<Tensor> parameters;
  for (const auto& [name, parameter] : both) parameters.push_back(parameter);
  W2gnTerms expected;
  const Tensor total = plain_objective(psi, omega, weights, x, y, expected);
  const auto plain = torch::autograd::grad({total}, parameters, {}, false, false, true);

  W2gnStep step(psi, omega, weights);
  for (const int threads : {1, 1, 2}) {  // the second finds what the first has left
    const W2gnTerms terms = on_threads(threads, [&] { return step.run(x, y); });
    const std::string where = fmt::format("{} points={}", name_of(one), points);
    const double source = weights.source_cycle > 0 ? expected.source_cycle : 0;
    const double allowed =
        term_tolerance * (1 + std::abs(expected.correlation) + expected.cycle + source);
    EXPECT_NEAR(terms.correlation, expected.correlation, allowed) << where;
    EXPECT_NEAR(terms.cycle, expected.cycle, allowed) << where;
    EXPECT_NEAR(terms.source_cycle, source, allowed) << where;
    std::size_t i = 0;
    for (const auto& [name, parameter] : both) {
      const Tensor& expected_one = plain[i];
      expect_close(step.derivatives()[i++],
                   expected_one.defined() ? expected_one : at::zeros_like(parameter),
                   step_tolerance, where + " " + name);
    }
  }
}

const std::vector<W2gnWeights> objectives{{.cycle = 0.7},
                                          {.cycle = 2, .source_cycle = 0.4, .detach = false},
                                          {.cycle = 1, .source_cycle = 0.2}};

TEST(W2gnStep, TermsAndDerivativesAreThoseOfThePlainObjective) {
  for (const Case& one : cases)
    for (const W2gnWeights& weights : objectives)
      for (const std::int64_t points : {std::int64_t{1}, one.points, std::int64_t{300}})
        check_step(one, weights, points);
}

TEST(W2gnStep, OfRandomShapesToo) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Case one = random_case(seed);
    check_step(one, objectives[seed % objectives.size()], one.points);
  }
}

TEST(W2gnStep, DerivativesOfThousandsOfBlocksAreTheMeansOfTheirParts) {
  constexpr std::int64_t n = 1'000'000;
  const W2gnWeights weights{.cycle = 0.7};
  const Case one{3, 2, {12, 7}, n};
  const DenseIcnn psi = network_of(one, at::kFloat), omega = network_of(one, at::kFloat);
  const DenseIcnn exact_psi = network_of(one, at::kDouble),
                  exact_omega = network_of(one, at::kDouble);
  for (const auto& [exact, network] : {std::pair(&exact_psi, &psi), {&exact_omega, &omega}})
    copy_parameters(exact->parameters(), network->parameters(), "exact");
  Random random(15, "points");
  const Tensor x = random.normal({n, 3}), y = random.normal({n, 3}) * 0.5;
  const auto sums = derivatives_in_parts(
      parameters_of(exact_psi, exact_omega), n, [&](std::int64_t from, std::int64_t count) {
        W2gnTerms terms;
        return plain_objective(exact_psi, exact_omega, weights,
                               x.narrow(0, from, count).to(at::kDouble),
                               y.narrow(0, from, count).to(at::kDouble), terms) *
               (double(count) / double(n));
      });
  W2gnStep step(psi, omega, weights);
  for (const int threads : {1, 2}) {
    on_threads(threads, [&] { return step.run(x, y); });
    for (std::size_t i = 0; i < sums.size(); ++i)
      expect_close(step.derivatives()[i], sums[i].to(at::kFloat), step_tolerance,
                   fmt::format("{} threads, parameter {}", threads, i));
  }
}

}  // namespace
}  // namespace monge
