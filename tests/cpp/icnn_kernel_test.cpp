// The fused passes of DenseICNN and of a W2GN step against the plain ones: autograd, twice where it
// takes two derivatives.
#include "kernels/icnn_view.h"
#include "solvers/w2gn_step.h"

#include <ATen/Version.h>
#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

struct Case {
  std::int64_t dimension, rank;
  std::vector<std::int64_t> hidden;
  std::int64_t points;
  bool skip = true;
  double alpha = 1, strong_convexity = 1e-6;
};

// The alphas have exact inverses: ATen's derivative of CELU takes 1 / alpha in float32.
const std::vector<Case> cases{
    {1, 1, {1}, 1},
    {1, 2, {3, 2}, 5},
    {2, 3, {128, 128, 64}, 37},
    {3, 1, {33, 17, 9, 5}, 64, false, 0.25, 0.5},
    {5, 2, {16}, 3, false},
    {8, 4, {20, 31}, 13, true, 2.0, 0.1},
    {9, 1, {19, 23, 7}, 50, true, 0.5},
    {16, 3, {21, 40, 11}, 29, false, 1, 0.2},
    {70, 1, {64, 32}, 33},
};

/// A network whose parameters, biases included, are all away from zero.
DenseIcnn network_of(const Case& one, at::ScalarType dtype) {
  Random random(11, "network");
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
std::vector<std::pair<std::string, const kernels::IcnnLoops<T>*>> supported_loops();
template <>
std::vector<std::pair<std::string, const kernels::IcnnLoops<float>*>> supported_loops() {
  std::vector<std::pair<std::string, const kernels::IcnnLoops<float>*>> tables{
      {"any", &kernels::icnn_loops_float_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::icnn_loops_float_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::icnn_loops_float_avx512);
#endif
  return tables;
}
template <>
std::vector<std::pair<std::string, const kernels::IcnnLoops<double>*>> supported_loops() {
  std::vector<std::pair<std::string, const kernels::IcnnLoops<double>*>> tables{
      {"any", &kernels::icnn_loops_double_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::icnn_loops_double_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::icnn_loops_double_avx512);
#endif
  return tables;
}

void expect_close(const Tensor& fused, const Tensor& plain, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(fused.sizes(), plain.sizes()) << what;
  const double size = std::max(plain.abs().max().item<double>(), 1e-3);
  EXPECT_LE((fused - plain).abs().max().item<double>(), tolerance * size) << what;
}

template <class T>
class IcnnKernel : public testing::Test {
 public:
  static constexpr at::ScalarType dtype = std::is_same_v<T, float> ? at::kFloat : at::kDouble;
  static constexpr double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
};
using Numbers = testing::Types<float, double>;
TYPED_TEST_SUITE(IcnnKernel, Numbers);

/// S = Σ c psi(x) + <v, ∇psi(x)> and its derivatives; v undefined: the first term only.
template <class T>
void check_passes(const Case& one, const kernels::IcnnLoops<T>& loops, bool directed,
                  const std::string& name) {
  using Suite = IcnnKernel<T>;
  const DenseIcnn network = network_of(one, Suite::dtype);
  Random random(12, "points");
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
  const Tensor input_sum = at::full_like(derivatives.at("input.weight"), NAN);
  // A sum that begins forgets what was there; the same once more gives twice of it.
  for (const kernels::Sums sums : {kernels::Sums::begin, kernels::Sums::add})
    block.accumulate(kernels::icnn_tensors<T>(derivatives, one.hidden.size()),
                     input_sum.data_ptr<T>(), sums);
  weights.put_back(input_sum.const_data_ptr<T>(), derivatives.at("input.weight").data_ptr<T>());
  const Tensor point_adjoint = at::empty_like(x).detach();
  block.point_adjoint(point_adjoint.data_ptr<T>());
  expect_close(point_adjoint, plain[0], Suite::tolerance, name + " point");
  std::size_t i = 0;
  for (const auto& [key, derivative] : derivatives) {
    const Tensor& expected = plain[++i];
    expect_close(0.5 * derivative, expected.defined() ? expected : at::zeros_like(derivative),
                 Suite::tolerance, name + " " + key);
  }
}

TYPED_TEST(IcnnKernel, PassesAgreeWithAutograd) {
  for (const auto& [set, loops] : supported_loops<TypeParam>())
    for (const Case& one : cases)
      for (const bool directed : {true, false})
        check_passes<TypeParam>(
            one, *loops, directed,
            fmt::format("{} d={} rank={} hidden=[{}] {}", set, one.dimension, one.rank,
                        fmt::join(one.hidden, ","), directed ? "with v" : "without"));
}

/// More points than a block has rows, on more than one thread.
TYPED_TEST(IcnnKernel, ValueAndGradientWithoutAGraphAreThePlainOnes) {
  for (Case one : cases) {
    one.points = 1001;
    const DenseIcnn network = network_of(one, this->dtype);
    const Tensor x = Random(13, "points").normal({1001, one.dimension}).to(this->dtype);
    const auto plain = network.value_and_gradient(x, Graph::create);
    const auto fused = network.value_and_gradient(x, Graph::none);
    expect_close(fused.value, plain.value.detach(), this->tolerance, "value");
    expect_close(fused.gradient, plain.gradient.detach(), this->tolerance, "gradient");
    EXPECT_TRUE(at::equal(network.value(x, Graph::none), fused.value));
    EXPECT_TRUE(at::equal(network.gradient(x, Graph::none), fused.gradient));
    EXPECT_EQ(network.gradient(x.narrow(0, 0, 0), Graph::none).size(0), 0);
  }
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

TEST(W2gnStep, TermsAndDerivativesAreThoseOfThePlainObjective) {
  for (const Case& one : cases)
    for (const W2gnWeights& weights :
         {W2gnWeights{.cycle = 0.7}, W2gnWeights{.cycle = 2, .source_cycle = 0.4, .detach = false},
          W2gnWeights{.cycle = 1, .source_cycle = 0.2}})
      for (const std::int64_t points : {std::int64_t{1}, one.points, std::int64_t{300}}) {
        Random random(14, "points");
        const DenseIcnn psi = network_of(one, at::kFloat), omega = network_of(one, at::kFloat);
        {
          const at::NoGradGuard no_graph;
          for (auto& [name, parameter] : omega.parameters()) Tensor(parameter).mul_(0.8);
        }
        const Tensor x = random.normal({points, one.dimension});
        const Tensor y = random.normal({points, one.dimension}) * 0.5;
        State both;
        insert_state(both, "psi", psi.parameters());
        insert_state(both, "omega", omega.parameters());
        std::vector<Tensor> parameters;
        for (const auto& [name, parameter] : both) parameters.push_back(parameter);
        W2gnTerms expected;
        const Tensor total = plain_objective(psi, omega, weights, x, y, expected);
        const auto plain = torch::autograd::grad({total}, parameters, {}, false, false, true);

        W2gnStep step(psi, omega, weights);
        for (int run = 0; run < 2; ++run) {  // the second finds what the first has left
          const W2gnTerms terms = step.run(x, y);
          const std::string where =
              fmt::format("d={} rank={} n={}", one.dimension, one.rank, points);
          const double size = 1 + std::abs(expected.correlation) + expected.cycle;
          EXPECT_NEAR(terms.correlation, expected.correlation, 1e-5 * size) << where;
          EXPECT_NEAR(terms.cycle, expected.cycle, 1e-5 * size) << where;
          const double source = weights.source_cycle > 0 ? expected.source_cycle : 0;
          EXPECT_NEAR(terms.source_cycle, source, 1e-5 * (1 + source)) << where;
          std::size_t i = 0;
          for (const auto& [name, parameter] : both) {
            const Tensor& expected_one = plain[i];
            expect_close(step.derivatives()[i++],
                         expected_one.defined() ? expected_one : at::zeros_like(parameter), 1e-4,
                         where + " " + name);
          }
        }
      }
}

}  // namespace
}  // namespace monge
