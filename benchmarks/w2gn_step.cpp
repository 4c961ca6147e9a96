// Times W2GN's training step and the matrix products it cannot do without.
//
//   monge_bench_w2gn DIMENSION RANK WIDTH,WIDTH,... BATCH STEPS
//
// prints one line of JSON: seconds of every step, of the objective and its derivatives alone, and
// of every product, all in this process and on its threads.
#include "solvers/w2gn_step.h"

#include "monge/measures/gaussian.h"
#include "monge/solvers/w2gn.h"

#include "kernels/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <iostream>
#include <sstream>

namespace {

using monge::kernels::Transposed;
using Json = nlohmann::json;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Work>
std::vector<double> timed(int repetitions, Work work) {
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) {
    const double begin = now();
    work();
    seconds.push_back(now() - begin);
  }
  return seconds;
}

/// A product that a step does `times` times, of the whole batch.
Json product_of(const std::string& name, int times, std::int64_t m, std::int64_t n, std::int64_t k,
                int repetitions) {
  const at::Tensor a = at::randn({m, k}), b = at::randn({n, k}), out = at::empty({m, n});
  const auto multiply = [&] {
    monge::kernels::product(m, n, k, a.const_data_ptr<float>(), k, Transposed::no,
                            b.const_data_ptr<float>(), k, Transposed::yes, 0.0f,
                            out.data_ptr<float>(), n);
  };
  multiply();
  const double flop =
      2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  return {
      {"name", name}, {"times", times}, {"flop", flop}, {"seconds", timed(repetitions, multiply)}};
}

int run(const std::vector<std::string>& arguments) {
  const std::int64_t dimension = std::stoll(arguments.at(0)), rank = std::stoll(arguments.at(1));
  const std::int64_t batch = std::stoll(arguments.at(3));
  const int steps = std::stoi(arguments.at(4));
  monge::DenseIcnnOptions network{.rank = rank};
  std::istringstream widths(arguments.at(2));
  for (std::string width; std::getline(widths, width, ',');)
    network.hidden.push_back(std::stoll(width));

  monge::W2gnOptions options;
  options.start = "identity";
  options.batch = batch;
  monge::Random random(1, "network");
  monge::W2gn solver(dimension, options, network, random);
  const at::Tensor covariance = at::eye(dimension, at::kDouble);
  const auto measure = [&](double mean) {
    return std::make_shared<monge::GaussianMeasure>(
        monge::Moments{at::full({dimension}, mean, at::kDouble), covariance});
  };
  monge::Problem problem = monge::make_problem(measure(0), measure(1), 3);
  solver.start(problem, random);
  const int warm = std::max(steps / 10, 3);
  timed(warm, [&] { solver.step(problem, 1.0); });
  Json result{{"step", timed(steps, [&] { solver.step(problem, 1.0); })}};

  const monge::DenseIcnn psi(dimension, network, monge::DenseIcnn::Initial::paper, random);
  const monge::DenseIcnn omega(dimension, network, monge::DenseIcnn::Initial::paper, random);
  monge::W2gnStep objective(psi, omega, {});
  const at::Tensor x = at::randn({batch, dimension}), y = at::randn({batch, dimension});
  timed(warm, [&] { objective.run(x, y); });
  result["objective"] = timed(steps, [&] { objective.run(x, y); });

  const auto& hidden = network.hidden;
  std::int64_t units = 0;
  for (const std::int64_t width : hidden) units += width;
  result["products"].push_back(
      product_of("input", 13, batch, (rank + 1) * units, dimension, steps));
  for (std::size_t k = 1; k < hidden.size(); ++k)
    result["products"].push_back(
        product_of(fmt::format("layer {}", k), 15, batch, hidden[k], hidden[k - 1], steps));
  result["products"].push_back(product_of("1024 cubed", 0, 1024, 1024, 1024, 10));
  result["threads"] = at::get_num_threads();
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::cerr << "monge_bench_w2gn: " << error.what() << "\n";
    return 1;
  }
}
