// Times random numbers beside ATen's, batches of every measure, and their share of a step of W2GN,
// and counts what a step allocates.
//
//   monge_bench_sampling ROUNDS
//
// prints one line of JSON. All that is compared runs in turns, on one thread of this process.
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/gaussian_mixture.h"
#include "monge/measures/registry.h"
#include "monge/solvers/w2gn.h"

#include "allocations.h"
#include "solvers/frame_entry.h"
#include "timing.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <functional>
#include <iostream>

namespace {

using namespace monge;
using Json = nlohmann::json;
using Measured = std::shared_ptr<const Measure>;

/// Something that is timed: how often it is called for one figure, and how many things it makes.
struct Work {
  std::string name;
  std::function<void()> call;
  int calls = 1;
  double items = 1;
};

/// Processor seconds of this thread, which other programs on the machine hardly change.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Seconds an item, the median over rounds in which all works take turns.
Json in_turns(const std::vector<Work>& works, int rounds) {
  std::vector<std::vector<double>> seconds(works.size());
  for (int round = -1; round < rounds; ++round)
    for (std::size_t i = 0; i < works.size(); ++i) {
      const double begin = now();
      for (int call = 0; call < works[i].calls; ++call) works[i].call();
      if (round >= 0) seconds[i].push_back((now() - begin) / (works[i].calls * works[i].items));
    }
  Json medians;
  for (std::size_t i = 0; i < works.size(); ++i) {
    std::ranges::nth_element(seconds[i], seconds[i].begin() + rounds / 2);
    medians[works[i].name] = seconds[i][rounds / 2];
  }
  return medians;
}

Json numbers(int rounds) {
  constexpr std::int64_t count = 1 << 14;
  const at::Tensor memory = at::empty({count}), integers = at::empty({count}, at::kLong);
  const std::span<float> floats(memory.data_ptr<float>(), count);
  const std::span<std::int64_t> longs(integers.data_ptr<std::int64_t>(), count);
  auto random = std::make_shared<Random>(1, "numbers");
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
  return in_turns(
      {{"normal", [=] { random->fill_normal(floats); }, 20, count},
       {"normal, ATen", [=] { at::Tensor(memory).normal_(0, 1, generator); }, 5, count},
       {"uniform", [=] { random->fill_uniform(floats); }, 20, count},
       {"uniform, ATen", [=] { at::Tensor(memory).uniform_(0, 1, generator); }, 5, count},
       {"integers", [=] { random->fill_integers(1000003, longs); }, 5, count},
       {"integers, ATen", [=] { at::Tensor(integers).random_(0, 1000003, generator); }, 5, count},
       {"permutation", [=] { random->fill_permutation(longs); }, 5, count},
       {"permutation, ATen", [=] { at::randperm(count, generator, at::kLong); }, 5, count}},
      rounds);
}

constexpr std::int64_t colours = 300000;

Measured weighted_colours() {
  Random random(2, "colours");
  return std::make_shared<WeightedMeasure>(random.uniform({colours, 3}),
                                           random.integers(50, colours) + 1);
}

Measured array(std::int64_t n, std::int64_t d) {
  return std::make_shared<ArrayMeasure>(Random(3, "array").normal({n, d}));
}

Measured correlated_gaussian(std::int64_t d, std::int64_t seed) {
  return make_random_gaussian({.dimension = d, .seed = seed});
}

/// One batch of each measure, as training draws it.
Json batches(int rounds) {
  std::vector<Work> works;
  const auto add = [&](const std::string& name, const Measured& measure, std::int64_t batch) {
    auto sampler = std::make_shared<Sampler>(measure, Random(4, name));
    works.push_back({fmt::format("{}, D = {}, {} points", name, measure->dimension(), batch),
                     [=] { sampler->next(batch); }, 20});
  };
  for (const MeasureRow& row : measure_rows()) {
    if (row.info.name == "array" || row.info.name == "pixels") continue;
    Table options;
    if (row.info.name == "gaussian_mixture")
      options["centers"] = std::vector<double>{0, 1, 2, 3, 4, 9};
    add(row.info.name, row.make(options, "benchmark"), 1024);
  }
  add("pixels, 300000 colours", weighted_colours(), 1024);
  add("array, 300000 rows in passes", array(300000, 3), 1024);
  add("array, 100000 rows in passes", array(100000, 64), 256);
  for (const std::int64_t d : {16, 64, 256}) add("random_gaussian", correlated_gaussian(d, 1), 256);
  return in_turns(works, rounds);
}

struct Setting {
  std::string name;
  Measured source, target;
  std::vector<std::int64_t> hidden;
  std::int64_t rank, batch;
  std::string start;
};

std::vector<Setting> settings() {
  std::vector<Setting> all{
      {"colour, D = 3", weighted_colours(), weighted_colours(), {128, 128, 64}, 1, 1024, "affine"},
      {"colours as an array, D = 3",
       array(colours, 3),
       array(colours, 3),
       {128, 128, 64},
       1,
       1024,
       "affine"},
      {"toy, D = 2",
       make_gaussian({}),
       make_gaussian_ring({}),
       {128, 128, 64},
       3,
       1024,
       "identity"}};
  for (const std::int64_t d : {16, 64, 256})
    all.push_back({fmt::format("Gaussian, D = {}", d),
                   correlated_gaussian(d, 1),
                   correlated_gaussian(d, 2),
                   {d, d, d},
                   1,
                   256,
                   "affine"});
  return all;
}

/// A step, the drawing of its points and their way into the frame; what 20 steps allocate.
Json step_of(const Setting& setting, int rounds) {
  W2gnOptions options;
  options.start = setting.start;
  options.batch = setting.batch;
  Random random(5, "network");
  const std::int64_t d = setting.source->dimension();
  W2gn solver(d, options, {.rank = setting.rank, .hidden = setting.hidden}, random);
  Problem problem = make_problem(setting.source, setting.target, 6);
  solver.start(problem, random);
  Problem drawn = make_problem(setting.source, setting.target, 7);
  const AffineFrame frame = setting.start == "affine"
                                ? bures_wasserstein_frame(sampled_moments(*setting.source, random),
                                                          sampled_moments(*setting.target, random))
                                : identity_frame(d);
  FrameEntry entry(frame.to_dtype(at::kFloat));
  const Tensor points = drawn.source.next(setting.batch);
  const auto step = [&] { solver.step(problem, 1e-3); };
  const auto draw = [&] {
    drawn.source.next(setting.batch);
    drawn.target.next(setting.batch);
  };
  Json result = in_turns({{"step", step},
                          {"drawing", draw, 10},
                          {"frame", [&] { entry.enter(points), entry.enter(points); }, 10}},
                         rounds);
  constexpr int counted = 20;
  const std::int64_t before = allocations();
  for (int i = 0; i < counted; ++i) step();
  result["allocations"] = static_cast<double>(allocations() - before) / counted;
  result["batch"] = setting.batch;
  result["name"] = setting.name;
  return result;
}

int run(const std::vector<std::string>& arguments) {
  const int rounds = std::stoi(arguments.at(0));
  at::set_num_threads(1);
  Json result{{"numbers", numbers(rounds)}, {"batches", batches(rounds)}};
  for (const Setting& setting : settings()) result["steps"].push_back(step_of(setting, rounds));
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_sampling", count, arguments, run);
}
