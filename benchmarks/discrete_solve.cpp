// Times discrete transport between two files of points, the matrix of costs included.
//
//   monge_bench_discrete exact SOURCE TARGET
//   monge_bench_discrete entropic SOURCE TARGET EPSILON TOLERANCE
//   monge_bench_discrete displaced SOURCE TARGET TIME SEED OUT
//
// prints one line of JSON: wall and processor seconds, the optimal cost and what certifies it. The
// last writes (1 - t) x + t y for every x, with y drawn from the exact plan at x.
#include "monge/arrays.h"
#include "monge/discrete.h"
#include "monge/random.h"

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

Json displaced(const at::Tensor& x, const at::Tensor& y, double time, std::uint64_t seed,
               const std::string& out) {
  const monge::DiscretePlan plan = monge::exact_plan(x, y, monge::QuadraticCost());
  // The entries lie one after the other in [0, 1) by their mass, row by row; each row is entered at
  // a random height.
  const at::Tensor order = plan.rows.argsort(/*stable=*/true);
  const at::Tensor ends = plan.mass.index_select(0, order).cumsum(0);
  monge::Random random(seed, "plan");
  const at::Tensor heights =
      (at::arange(x.size(0), at::kDouble) + random.uniform({x.size(0)}).to(at::kDouble)) /
      static_cast<double>(x.size(0));
  const at::Tensor entry = at::searchsorted(ends, heights).clamp_max(ends.size(0) - 1);
  const at::Tensor chosen = plan.columns.index_select(0, order).index_select(0, entry);
  const auto writer = monge::create_array(out, x.size(1), monge::Existing::replace);
  writer->append(at::lerp(x, y.index_select(0, chosen), time));
  writer->close();
  return {{"cost", plan.cost}, {"gap", plan.gap}};
}

int run(const std::vector<std::string>& arguments) {
  const at::Tensor x = monge::read_array(arguments.at(1)), y = monge::read_array(arguments.at(2));
  at::ones({64, 64}).mm(at::ones({64, 64}));  // starts the threads
  const double begin = wall(), begin_processor = processor();
  const std::string& kind = arguments.at(0);
  Json result;
  if (kind == "exact")
    result = exact(x, y);
  else if (kind == "displaced")
    result =
        displaced(x, y, std::stod(arguments.at(3)), std::stoull(arguments.at(4)), arguments.at(5));
  else
    result = entropic(x, y, std::stod(arguments.at(3)), std::stod(arguments.at(4)));
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
