// Times a DenseICNN's gradient at many points and the matrix products it cannot do without.
//
//   monge_bench_apply DIMENSION WIDTH,WIDTH,... POINTS REPETITIONS
#include "monge/networks/dense_icnn.h"

#include "timing.h"

#include <iostream>

namespace {

using bench::Json, bench::product_of, bench::timed;

int run(const std::vector<std::string>& arguments) {
  const std::int64_t dimension = std::stoll(arguments.at(0)), points = std::stoll(arguments.at(2));
  const auto hidden = bench::widths(arguments.at(1));
  const int repetitions = std::stoi(arguments.at(3));
  monge::Random random(1, "network");
  const monge::DenseIcnn network(dimension, {.hidden = hidden}, monge::DenseIcnn::Initial::paper,
                                 random);
  const at::Tensor x = random.normal({points, dimension});
  const auto evaluate = [&] { network.gradient(x, monge::Graph::none); };
  evaluate();
  Json result{{"step", timed(repetitions, evaluate)}, {"peak", bench::peak_memory()}};

  // Up and down once: 2 I + 2 M, in batches whose rows fit the cache.
  constexpr std::int64_t batch = 1024;
  const int batches = static_cast<int>((points + batch - 1) / batch);
  std::int64_t units = 0;
  for (const std::int64_t width : hidden) units += width;
  result["products"].push_back(product_of("input", 2 * batches, batch, 2 * units, dimension, 40));
  for (std::size_t k = 1; k < hidden.size(); ++k)
    result["products"].push_back(
        product_of(fmt::format("layer {}", k), 2 * batches, batch, hidden[k], hidden[k - 1], 40));
  result["products"].push_back(bench::cube());
  result["threads"] = at::get_num_threads();
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_apply", count, arguments, run);
}
