// Times discrete transport between two files of points, the matrix of costs included.
//
//   monge_bench_discrete exact SOURCE TARGET
//   monge_bench_discrete entropic SOURCE TARGET EPSILON TOLERANCE
//
// prints one line of JSON: wall and processor seconds, the optimal cost and what certifies it.
#include "monge/arrays.h"
#include "monge/discrete.h"

#include "timing.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include <chrono>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;

double wall() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Json exact(const at::Tensor& x, const at::Tensor& y) {
  const monge::DiscretePlan plan = monge::exact_plan(x, y, monge::QuadraticCost());
  return {{"cost", plan.cost}, {"gap", plan.gap}};
}

Json entropic(const at::Tensor& x, const at::Tensor& y, double epsilon, double tolerance) {
  const monge::EntropicPlan plan = monge::entropic_plan(
      x, y, monge::QuadraticCost(), {.epsilon = epsilon, .tolerance = tolerance});
  return {{"cost", plan.cost},
          {"marginal_error", plan.marginal_error},
          {"iterations", plan.iterations}};
}

int run(const std::vector<std::string>& arguments) {
  const at::Tensor x = monge::read_array(arguments.at(1)), y = monge::read_array(arguments.at(2));
  at::ones({64, 64}).mm(at::ones({64, 64}));  // starts the threads
  const double begin = wall(), begin_processor = processor();
  Json result = arguments.at(0) == "exact"
                    ? exact(x, y)
                    : entropic(x, y, std::stod(arguments.at(3)), std::stod(arguments.at(4)));
  result["wall"] = wall() - begin;
  result["cpu"] = processor() - begin_processor;
  result["threads"] = at::get_num_threads();
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_discrete", count, arguments, run);
}
