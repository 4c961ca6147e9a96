// Google Benchmark of the kernels: each reports its GFLOP/s in matrix products, and `share`, that
// over the rate of a 1024³ product in the same process.
#include "kernels/adam_loop.h"
#include "kernels/icnn_view.h"
#include "kernels/mlp_view.h"
#include "timing.h"

#include <benchmark/benchmark.h>

namespace {

using namespace monge;
using namespace monge::kernels;

double cube_rate() {
  static const double rate = [] {
    const bench::Json cube = bench::cube();
    const auto seconds = cube["seconds"].get<std::vector<double>>();
    return cube["flop"].get<double>() / *std::ranges::min_element(seconds);
  }();
  return rate;
}

void report(benchmark::State& state, double flop) {
  const double all = flop * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(all / 1e9, benchmark::Counter::kIsRate);
  state.counters["share"] = benchmark::Counter(all / cube_rate(), benchmark::Counter::kIsRate);
}

constexpr std::int64_t rows = 128;

struct IcnnCase {
  std::int64_t dimension;
  std::vector<std::int64_t> hidden;
  double input() const {
    double units = 0;
    for (const auto width : hidden) units += static_cast<double>(width);
    return 2 * units * static_cast<double>(dimension);
  }
  double inner() const {
    double sum = 0;
    for (std::size_t k = 1; k < hidden.size(); ++k)
      sum += static_cast<double>(hidden[k] * hidden[k - 1]);
    return sum;
  }
};

/// "gradient": up and down; "double backward": the derivatives of <v, ∇psi> in the parameters.
void icnn(benchmark::State& state, const IcnnCase& one, bool second) {
  Random random(1, "network");
  const DenseIcnn network(one.dimension, {.hidden = one.hidden}, DenseIcnn::Initial::paper, random);
  const State parameters = network.parameters();
  const IcnnShape shape = icnn_shape(one.dimension, network.settings());
  IcnnWeights<float> weights(shape);
  weights.load(icnn_tensors<const float>(parameters, one.hidden.size()), 1 << 20);
  IcnnBlock<float> block(shape, rows);
  State derivatives;
  for (const auto& [name, parameter] : parameters)
    derivatives[name] = at::zeros_like(parameter).detach();
  const auto sums = icnn_tensors<float>(derivatives, one.hidden.size());
  std::vector<float> input(static_cast<std::size_t>(shape.columns() * shape.dimension));
  const at::Tensor x = random.normal({rows, one.dimension}), out = at::empty_like(x);
  for (auto _ : state) {
    block.forward(weights, x.const_data_ptr<float>(), rows);
    block.delta();
    block.gradient(out.data_ptr<float>());
    if (!second) continue;
    block.tangent(x.const_data_ptr<float>());
    block.adjoint(nullptr);
    block.accumulate(sums, input.data(), Sums::begin);
  }
  const double products =
      second ? 5 * one.input() + 6 * one.inner() : 2 * one.input() + 2 * one.inner();
  report(state, 2 * static_cast<double>(rows) * products);
}

void mlp(benchmark::State& state, std::int64_t dimension, std::int64_t width, const char* name) {
  Random random(1, "network");
  const Mlp network(dimension, 1, {.hidden = {width, width, width}, .activation = name}, random);
  const State parameters = network.parameters();
  const MlpShape shape = mlp_shape(dimension, 1, network.settings());
  MlpWeights<float> weights(shape);
  weights.load(mlp_tensors<const float>(parameters, shape.layers()));
  MlpBlock<float> block(shape, rows, Order::second);
  State derivatives;
  for (const auto& [key, parameter] : parameters)
    derivatives[key] = at::zeros_like(parameter).detach();
  const auto sums = mlp_tensors<float>(derivatives, shape.layers());
  const at::Tensor x = random.normal({rows, dimension}), out = at::empty_like(x);
  const at::Tensor value = at::empty({rows}), c = at::ones({rows});
  for (auto _ : state) {
    block.forward(weights, x.const_data_ptr<float>(), rows, value.data_ptr<float>());
    block.delta();
    block.gradient(out.data_ptr<float>());
    block.tangent(x.const_data_ptr<float>());
    block.adjoint(c.const_data_ptr<float>());
    block.accumulate(sums, Sums::begin);
  }
  const double input = static_cast<double>(dimension * width);
  const double inner = 2 * static_cast<double>(width * width);
  report(state, 2 * static_cast<double>(rows) * (5 * input + 6 * inner));
}

void adam(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const at::Tensor p = at::randn({n}), g = at::randn({n}), m = at::zeros({n}), v = at::zeros({n});
  const AdamFactors<float> factors{0.9f, 0.99f, 1e-8f, 1e-3f, 1.0f, -1e30f, 0.0f};
  for (auto _ : state)
    adam_loops<float>().update(factors, n, p.data_ptr<float>(), g.const_data_ptr<float>(),
                               m.data_ptr<float>(), v.data_ptr<float>());
  state.counters["ns each"] =
      benchmark::Counter(static_cast<double>(state.iterations() * n) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void normal(benchmark::State& state) {
  Random random(1, "numbers");
  std::vector<float> numbers(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) random.fill_normal(numbers);
  state.counters["ns each"] =
      benchmark::Counter(static_cast<double>(state.iterations() * state.range(0)) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

const IcnnCase colour{3, {128, 128, 64}}, d16{16, {64, 64, 32}}, d64{64, {128, 128, 64}},
    d256{256, {256, 256, 256}};
BENCHMARK_CAPTURE(icnn, gradient D = 3 [128 128 64], colour, false);
BENCHMARK_CAPTURE(icnn, gradient D = 16 [64 64 32], d16, false);
BENCHMARK_CAPTURE(icnn, gradient D = 64 [128 128 64], d64, false);
BENCHMARK_CAPTURE(icnn, gradient D = 256 [256 256 256], d256, false);
BENCHMARK_CAPTURE(icnn, double backward D = 3 [128 128 64], colour, true);
BENCHMARK_CAPTURE(icnn, double backward D = 16 [64 64 32], d16, true);
BENCHMARK_CAPTURE(icnn, double backward D = 64 [128 128 64], d64, true);
BENCHMARK_CAPTURE(icnn, double backward D = 256 [256 256 256], d256, true);
BENCHMARK_CAPTURE(mlp, double backward D = 2 3x100 ReLU, 2, 100, "relu");
BENCHMARK_CAPTURE(mlp, double backward D = 2 3x100 SiLU, 2, 100, "silu");
BENCHMARK_CAPTURE(mlp, double backward D = 64 3x256 CELU, 64, 256, "celu");
BENCHMARK(adam)->Arg(1 << 14)->Arg(1 << 20);
BENCHMARK(normal)->Arg(1 << 12);

}  // namespace

BENCHMARK_MAIN();
