// Google Benchmark of the kernels: the networks' passes report their GFLOP/s in matrix products,
// for which a 1024³ product in the same process is the measure.
#include "kernels/adam_loop.h"
#include "kernels/icnn_view.h"
#include "kernels/mlp_view.h"
#include "kernels/product.h"
#include "kernels/product_loops.h"

#include <ATen/ATen.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <utility>

namespace {

using namespace monge;
using namespace monge::kernels;

/// A rate, by Google Benchmark's default clock: the processor's.
benchmark::Counter per_second(double number) {
  return benchmark::Counter(number, benchmark::Counter::kIsRate);
}

void cube(benchmark::State& state) {
  constexpr std::int64_t n = 1024;
  const at::Tensor a = at::randn({n, n}), b = at::randn({n, n}), out = at::empty({n, n});
  for (auto _ : state)
    product(n, n, n, a.const_data_ptr<float>(), n, Transposed::no, b.const_data_ptr<float>(), n,
            Transposed::yes, 0.0f, out.data_ptr<float>(), n);
  const double flop = 2.0 * static_cast<double>(n * n * n * state.iterations());
  state.counters["GFLOP/s"] = per_second(flop / 1e9);
}

constexpr std::int64_t rows = 128;

/// The product of a layer from k to n numbers, by the loops or by the BLAS: what the passes below
/// are made of, and all of their time if the rest of it were free.
void layer(benchmark::State& state, std::int64_t n, std::int64_t k, bool loops) {
  const at::Tensor a = at::randn({rows, k}), b = at::randn({k, n}), out = at::empty({rows, n});
  for (auto _ : state)
    if (loops)
      product_loops<float>().multiply(rows, n, k, a.const_data_ptr<float>(), k, 1,
                                      b.const_data_ptr<float>(), n, 0.0f, out.data_ptr<float>(), n);
    else  // of a transpose, which product() leaves to the BLAS
      product(rows, n, k, a.const_data_ptr<float>(), k, Transposed::no, b.const_data_ptr<float>(),
              k, Transposed::yes, 0.0f, out.data_ptr<float>(), n);
  const double flop = 2.0 * static_cast<double>(rows * n * k * state.iterations());
  state.counters["GFLOP/s"] = per_second(flop / 1e9);
}

/// Multiplications of a point with a network's first, inner and last weights.
struct Weights {
  double first = 0, inner = 0, last = 0;
};

/// How often some passes multiply by each of the weights; kernels/dense_icnn.h and kernels/mlp.h
/// count the passes one by one.
struct Times {
  double first, inner, last;
};

void report(benchmark::State& state, const Weights& weights, const Times& times) {
  const double multiplications =
      times.first * weights.first + times.inner * weights.inner + times.last * weights.last;
  const double flop = 2 * static_cast<double>(rows * state.iterations()) * multiplications;
  state.counters["GFLOP/s"] = per_second(flop / 1e9);
}

/// What is computed at every point: F, ∇F, both, the derivatives of <c, F> in the parameters, or F,
/// ∇F and those of <c, F> + <v, ∇F>.
enum class Wanted { value, gradient, both, backward, double_backward };

const char* text_of(Wanted wanted) {
  switch (wanted) {
    case Wanted::value:
      return "value";
    case Wanted::gradient:
      return "gradient";
    case Wanted::both:
      return "value and gradient";
    case Wanted::backward:
      return "backward";
    case Wanted::double_backward:
      return "double backward";
  }
  std::abort();
}

Times times_of(Wanted wanted) {
  switch (wanted) {
    case Wanted::value:
      return {1, 1, 1};
    case Wanted::gradient:
    case Wanted::both:
      return {2, 2, 1};
    case Wanted::backward:
      return {2, 3, 3};
    case Wanted::double_backward:
      return {5, 6, 3};
  }
  std::abort();
}

/// Tensors for the derivatives in a network's parameters.
State zeros_like(const State& parameters) {
  State derivatives;
  for (const auto& [name, parameter] : parameters)
    derivatives[name] = at::zeros_like(parameter).detach();
  return derivatives;
}

struct IcnnCase {
  std::string name;
  std::int64_t dimension;
  std::vector<std::int64_t> hidden;
};

/// The last weights are a vector, hence no product.
Weights weights_of(const IcnnCase& one) {
  Weights weights;
  for (std::size_t k = 0; k < one.hidden.size(); ++k) {
    weights.first += 2 * static_cast<double>(one.dimension * one.hidden[k]);
    if (k > 0) weights.inner += static_cast<double>(one.hidden[k] * one.hidden[k - 1]);
  }
  return weights;
}

void icnn(benchmark::State& state, const IcnnCase& one, Wanted wanted) {
  Random random(1, "network");
  const DenseIcnn network(one.dimension, {.hidden = one.hidden}, DenseIcnn::Initial::paper, random);
  const State parameters = network.parameters(), derivatives = zeros_like(parameters);
  const IcnnShape shape = icnn_shape(one.dimension, network.settings());
  IcnnWeights<float> weights(shape);
  weights.load(icnn_tensors<const float>(parameters, one.hidden.size()), 1 << 20);
  IcnnBlock<float> block(shape, rows);
  const auto sums = icnn_tensors<float>(derivatives, one.hidden.size());
  std::vector<float> input(static_cast<std::size_t>(shape.input_numbers()));
  const at::Tensor x = random.normal({rows, one.dimension}),
                   v = random.normal({rows, one.dimension});
  const at::Tensor value = at::empty({rows}), gradient = at::empty_like(x), c = at::ones({rows});
  const bool second = wanted == Wanted::double_backward;
  for (auto _ : state) {
    block.forward(weights, x.const_data_ptr<float>(), rows);
    if (wanted != Wanted::gradient) block.value(value.data_ptr<float>());
    if (wanted == Wanted::gradient || wanted == Wanted::both || second) {
      block.delta();
      block.gradient(gradient.data_ptr<float>());
    }
    if (second) block.tangent(v.const_data_ptr<float>());
    if (second || wanted == Wanted::backward) {
      block.adjoint(c.const_data_ptr<float>());
      block.accumulate(sums, input.data(), Sums::begin);
    }
  }
  report(state, weights_of(one), times_of(wanted));
}

struct MlpCase {
  std::string name;
  std::int64_t inputs, outputs, width;
  std::string activation;
};

/// Three hidden layers of one width.
Weights weights_of(const MlpCase& one) {
  return {static_cast<double>(one.inputs * one.width),
          2 * static_cast<double>(one.width * one.width),
          static_cast<double>(one.width * one.outputs)};
}

void mlp(benchmark::State& state, const MlpCase& one, Wanted wanted) {
  Random random(1, "network");
  const Mlp network(one.inputs, one.outputs,
                    {.hidden = {one.width, one.width, one.width}, .activation = one.activation},
                    random);
  const State parameters = network.parameters(), derivatives = zeros_like(parameters);
  const MlpShape shape = mlp_shape(one.inputs, one.outputs, network.settings());
  MlpWeights<float> weights(shape);
  weights.load(mlp_tensors<const float>(parameters, shape.layers()));
  const bool second = wanted == Wanted::double_backward;
  MlpBlock<float> block(shape, rows, second ? Order::second : Order::first);
  const auto sums = mlp_tensors<float>(derivatives, shape.layers());
  const at::Tensor x = random.normal({rows, one.inputs}), v = random.normal({rows, one.inputs});
  const at::Tensor value = at::empty({rows, one.outputs}), gradient = at::empty_like(x);
  const at::Tensor c = at::ones_like(value);
  for (auto _ : state) {
    block.forward(weights, x.const_data_ptr<float>(), rows, value.data_ptr<float>());
    if (wanted == Wanted::both || second) {
      block.delta();
      block.gradient(gradient.data_ptr<float>());
    }
    if (second) block.tangent(v.const_data_ptr<float>());
    if (second || wanted == Wanted::backward) {
      block.adjoint(c.const_data_ptr<float>());
      block.accumulate(sums, Sums::begin);
    }
  }
  report(state, weights_of(one), times_of(wanted));
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

BENCHMARK(cube);
BENCHMARK(adam)->Arg(1 << 14)->Arg(1 << 20);
BENCHMARK(normal)->Arg(1 << 12);

template <class Case>
void add(void (*work)(benchmark::State&, const Case&, Wanted), const std::string& network,
         const std::vector<Case>& cases, std::initializer_list<Wanted> all) {
  for (const Case& one : cases)
    for (const Wanted wanted : all) {
      const std::string name = fmt::format("{}, {}: {}", network, one.name, text_of(wanted));
      benchmark::RegisterBenchmark(name.c_str(),
                                   [=](benchmark::State& state) { work(state, one, wanted); });
    }
}

void add_layers() {
  constexpr std::pair<std::int64_t, std::int64_t> sizes[] = {{64, 64},   {128, 64},  {100, 100},
                                                             {128, 128}, {256, 128}, {256, 256}};
  for (const auto& [n, k] : sizes)
    for (const bool loops : {true, false}) {
      const std::string name =
          fmt::format("product [{}, {}] [{}, {}], {}", rows, k, k, n, loops ? "loops" : "BLAS");
      benchmark::RegisterBenchmark(name.c_str(),
                                   [=](benchmark::State& state) { layer(state, n, k, loops); });
    }
}

void add_networks() {
  add<IcnnCase>(
      icnn, "DenseICNN",
      {{"D = 3 [128 128 64]", 3, {128, 128, 64}},
       {"D = 16 [64 64 32]", 16, {64, 64, 32}},
       {"D = 64 [128 128 64]", 64, {128, 128, 64}},
       {"D = 256 [256 256 256]", 256, {256, 256, 256}}},
      {Wanted::value, Wanted::gradient, Wanted::both, Wanted::backward, Wanted::double_backward});
  add<MlpCase>(mlp, "MLP potential",
               {{"D = 2 3x100 ReLU", 2, 1, 100, "relu"},
                {"D = 2 3x100 SiLU", 2, 1, 100, "silu"},
                {"D = 64 3x256 CELU", 64, 1, 256, "celu"}},
               {Wanted::value, Wanted::both, Wanted::backward, Wanted::double_backward});
  add<MlpCase>(
      mlp, "MLP map",
      {{"D = 2 3x100 ReLU", 2, 2, 100, "relu"}, {"D = 64 3x256 CELU", 64, 64, 256, "celu"}},
      {Wanted::value, Wanted::backward});
}

}  // namespace

int main(int count, char** arguments) {
  add_layers();
  add_networks();
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
