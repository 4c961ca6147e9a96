// Times W2GN's training step and the matrix products it cannot do without.
//
//   monge_bench_w2gn DIMENSION RANK WIDTH,WIDTH,... BATCH STEPS
//
// prints one line of JSON: seconds of every step, the memory they took, and seconds of every
// product, all in this process and on its threads.
#include "monge/solvers/w2gn.h"

#include "kernels/icnn_view.h"
#include "timing.h"

#include <iostream>

namespace {

using bench::Json, bench::product_of, bench::timed;

int run(const std::vector<std::string>& arguments) {
  const std::int64_t dimension = std::stoll(arguments.at(0)), rank = std::stoll(arguments.at(1));
  const std::int64_t batch = std::stoll(arguments.at(3));
  const int steps = std::stoi(arguments.at(4));
  const monge::DenseIcnnOptions network{.rank = rank, .hidden = bench::widths(arguments.at(2))};

  monge::W2gnOptions options;
  options.start = "identity";
  options.batch = batch;
  monge::Random random(1, "network");
  monge::W2gn solver(dimension, options, network, random);
  monge::Problem problem = bench::problem(dimension);
  solver.start(problem, random);
  const int warm = std::max(steps / 10, 3);
  timed(warm, [&] { solver.step(problem, 1.0); });
  Json result{{"step", timed(steps, [&] { solver.step(problem, 1.0); })}};

  result["peak"] = bench::peak_memory();

  const auto& hidden = network.hidden;
  // Of the forms or, where these are fewer multiplications, of the point's monomials.
  const auto shape = monge::kernels::icnn_shape(dimension, network);
  const bool fewer = shape.monomials() * shape.units() < dimension * shape.columns();
  result["products"].push_back(product_of("input", 13, batch,
                                          fewer ? shape.units() : shape.columns(),
                                          fewer ? shape.monomials() : dimension, steps));
  for (std::size_t k = 1; k < hidden.size(); ++k)
    result["products"].push_back(
        product_of(fmt::format("layer {}", k), 15, batch, hidden[k], hidden[k - 1], steps));
  result["products"].push_back(bench::cube());
  result["threads"] = at::get_num_threads();
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_w2gn", count, arguments, run);
}
