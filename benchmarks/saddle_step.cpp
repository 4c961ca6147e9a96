// Times a training step of the saddle-point solver, with all its inner steps, and the matrix
// products it cannot do without.
//
//   monge_bench_saddle mm2|strong|weak DIMENSION WIDTH,WIDTH,... BATCH INNER STEPS
//
// prints one line of JSON: seconds of every step and of every product.
#include "monge/solvers/saddle_point.h"

#include "timing.h"

#include <iostream>

namespace {

using bench::Json, bench::product_of, bench::timed;

constexpr std::int64_t weak_samples = 4, weak_noise = 2;

/// Products of the minimax form with DenseICNNs of rank 1; the counts are derived in
/// src/solvers/saddle_point_step.h: 7 I + 8 M for each inner step, 6 I + 8 M for the potential.
Json icnn_products(std::int64_t dimension, const std::vector<std::int64_t>& hidden,
                   std::int64_t batch, int inner, int repetitions) {
  std::int64_t units = 0;
  for (const std::int64_t width : hidden) units += width;
  Json products{product_of("input", 7 * inner + 6, batch, 2 * units, dimension, repetitions)};
  for (std::size_t k = 1; k < hidden.size(); ++k)
    products.push_back(product_of(fmt::format("layer {}", k), 8 * inner + 8, batch, hidden[k],
                                  hidden[k - 1], repetitions));
  return products;
}

/// Products with perceptrons: for each inner step T needs 2 I + 3 M + 3 O and ∇f 2 I + 2 M + O,
/// the step of the potential T once and f 2 I + 3 M + 3 O at the points of both sides.
Json mlp_products(std::int64_t dimension, std::int64_t noise,
                  const std::vector<std::int64_t>& hidden, std::int64_t batch, std::int64_t samples,
                  int inner, int repetitions) {
  Json products;
  const std::int64_t passes = batch * samples;
  const auto add = [&](const std::string& name, int times, std::int64_t m, std::int64_t n,
                       std::int64_t k) {
    products.push_back(product_of(name, times, m, n, k, repetitions));
  };
  add("map input", 2 * inner + 1, passes, hidden.front(), dimension + noise);
  add("map output", 3 * inner + 1, passes, dimension, hidden.back());
  add("potential input", 2 * inner + 2, passes, hidden.front(), dimension);
  add("potential input, target", 2, batch, hidden.front(), dimension);
  add("potential output", inner + 3, passes, 1, hidden.back());
  add("potential output, target", 3, batch, 1, hidden.back());
  for (std::size_t k = 1; k < hidden.size(); ++k) {
    add(fmt::format("layer {}", k), 5 * inner + 4, passes, hidden[k], hidden[k - 1]);
    add(fmt::format("layer {}, target", k), 3, batch, hidden[k], hidden[k - 1]);
  }
  return products;
}

int run(const std::vector<std::string>& arguments) {
  const std::string kind = arguments.at(0);
  const std::int64_t dimension = std::stoll(arguments.at(1)), batch = std::stoll(arguments.at(3));
  const auto hidden = bench::widths(arguments.at(2));
  const int inner = std::stoi(arguments.at(4)), steps = std::stoi(arguments.at(5));
  const bool weak = kind == "weak";
  monge::SaddlePointOptions options{.noise_dimension = weak ? weak_noise : 0,
                                    .noise_samples = weak ? weak_samples : 1,
                                    .inner_steps = inner,
                                    .batch = batch,
                                    .learning_rate = 1e-4,
                                    .average = 0,
                                    .start = "identity"};
  monge::Random random(1, "network");
  std::unique_ptr<monge::SaddlePoint> solver;
  if (kind == "mm2")
    solver = std::make_unique<monge::SaddlePoint>(
        dimension, options, 0, monge::DenseIcnnOptions{.hidden = hidden}, random);
  else
    solver = std::make_unique<monge::SaddlePoint>(dimension, options, weak ? 1.0 : 0.0,
                                                  monge::MlpOptions{.hidden = hidden}, random);
  monge::Problem problem = bench::problem(dimension);
  solver->start(problem, random);
  timed(std::max(steps / 10, 3), [&] { solver->step(problem, 1.0); });
  Json result{{"step", timed(steps, [&] { solver->step(problem, 1.0); })}};
  result["peak"] = bench::peak_memory();
  const int repetitions = 40;
  result["products"] = kind == "mm2"
                           ? icnn_products(dimension, hidden, batch, inner, repetitions)
                           : mlp_products(dimension, options.noise_dimension, hidden, batch,
                                          options.noise_samples, inner, repetitions);
  result["products"].push_back(bench::cube());
  result["threads"] = at::get_num_threads();
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_saddle", count, arguments, run);
}
