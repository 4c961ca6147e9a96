// Times random numbers beside ATen's, batches of every measure, and their share of training steps,
// and counts what a step allocates.
//
//   monge_bench_sampling ROUNDS
//
// prints one line of JSON. All that is compared runs in turns, on one thread of this process.
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/gaussian_mixture.h"
#include "monge/measures/registry.h"
#include "monge/solvers/dual.h"
#include "monge/solvers/saddle_point.h"
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

bool reads_files(const MeasureRow& row) {
  return std::ranges::any_of(row.info.options,
                             [](const OptionInfo& option) { return option.name == "file"; });
}

/// One batch of each measure, as training draws it; arrays stand for what is read from files.
Json batches(int rounds) {
  std::vector<Work> works;
  const auto add = [&](const std::string& name, const Measured& measure, std::int64_t batch) {
    auto sampler = std::make_shared<Sampler>(measure, Random(4, name));
    works.push_back({fmt::format("{}, D = {}, {} points", name, measure->dimension(), batch),
                     [=] { sampler->next(batch); }, 20});
  };
  for (const MeasureRow& row : measure_rows()) {
    if (reads_files(row)) continue;
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

using Made = std::function<std::unique_ptr<Solver>(Random&)>;

struct Setting {
  std::string name;
  Measured source, target;
  std::int64_t batch;
  std::string start;
  Made make;
  int source_batches = 1;  // of a step
  std::int64_t noise = 0;  // numbers beside each of their points
};

Made w2gn(std::int64_t d, std::int64_t rank, const std::vector<std::int64_t>& hidden,
          std::int64_t batch, const std::string& start) {
  return [=](Random& random) {
    W2gnOptions options;
    options.start = start;
    options.batch = batch;
    return std::make_unique<W2gn>(d, options, DenseIcnnOptions{.rank = rank, .hidden = hidden},
                                  random);
  };
}

Setting gaussians(std::int64_t d) {
  return {fmt::format("W2GN, Gaussian, D = {}", d),
          correlated_gaussian(d, 1),
          correlated_gaussian(d, 2),
          256,
          "affine",
          w2gn(d, 1, {d, d, d}, 256, "affine")};
}

Setting minimax(std::int64_t d) {
  constexpr int inner = 15;
  const Made make = [d](Random& random) {
    return std::make_unique<SaddlePoint>(
        d, SaddlePointOptions{.inner_steps = inner, .batch = 1024, .start = "affine"}, 0.0,
        DenseIcnnOptions{.hidden = {64, 64, 32}}, random);
  };
  return {fmt::format("minimax ICNN, Gaussian, D = {}", d),
          correlated_gaussian(d, 1),
          correlated_gaussian(d, 2),
          1024,
          "affine",
          make,
          inner + 1};
}

Setting transport_toy(bool weak) {
  constexpr int inner = 10;
  const std::int64_t noise = weak ? 2 : 0, samples = weak ? 4 : 1;
  const Made make = [=](Random& random) {
    return std::make_unique<SaddlePoint>(2,
                                         SaddlePointOptions{.noise_dimension = noise,
                                                            .noise_samples = samples,
                                                            .inner_steps = inner,
                                                            .batch = 64,
                                                            .start = "identity"},
                                         weak ? 1.0 : 0.0, MlpOptions{.hidden = {100, 100, 100}},
                                         random);
  };
  return {fmt::format("NOT, {} toy", weak ? "weak" : "strong"),
          make_gaussian({}),
          make_gaussian_ring({}),
          64,
          "identity",
          make,
          inner + 1,
          noise * samples};
}

Setting dual(std::int64_t d) {
  const Made make = [d](Random& random) {
    DualOptions options;
    options.batch = 512;
    return std::make_unique<Dual>(d, options, sized_for(DenseIcnnOptions{}, d), random);
  };
  return {fmt::format("dual, arrays, D = {}", d),
          array(1 << 14, d),
          array(1 << 14, d),
          512,
          "affine",
          make};
}

std::vector<Setting> settings() {
  const Made colour = w2gn(3, 1, {128, 128, 64}, 1024, "affine");
  return {{"W2GN, colour, D = 3", weighted_colours(), weighted_colours(), 1024, "affine", colour},
          {"W2GN, colours as an array, D = 3", array(colours, 3), array(colours, 3), 1024, "affine",
           colour},
          {"W2GN, toy, D = 2", make_gaussian({}), make_gaussian_ring({}), 1024, "identity",
           w2gn(2, 3, {128, 128, 64}, 1024, "identity")},
          gaussians(16),
          gaussians(64),
          gaussians(256),
          minimax(16),
          transport_toy(false),
          transport_toy(true),
          dual(16)};
}

/// The points and the noise that a step draws.
std::function<void()> drawing_of(const Setting& setting) {
  auto problem = std::make_shared<Problem>(make_problem(setting.source, setting.target, 7));
  auto random = std::make_shared<Random>(8, "noise");
  auto noise = std::make_shared<std::vector<float>>(setting.batch * setting.noise);
  return [=, batches = setting.source_batches, batch = setting.batch] {
    for (int i = 0; i < batches; ++i) {
      problem->source.next(batch);
      random->fill_normal(*noise);
    }
    problem->target.next(batch);
  };
}

/// Both sides' points of a step into the frame.
std::function<void()> entering_of(const Setting& setting, Random& random) {
  const AffineFrame frame = setting.start == "affine"
                                ? bures_wasserstein_frame(sampled_moments(*setting.source, random),
                                                          sampled_moments(*setting.target, random))
                                : identity_frame(setting.source->dimension());
  auto entry = std::make_shared<FrameEntry>(frame.to_dtype(at::kFloat));
  return [entry, points = setting.source->sample(setting.batch, random),
          times = setting.source_batches + 1] {
    for (int i = 0; i < times; ++i) entry->enter(points);
  };
}

/// A step, the drawing of its points and their way into the frame; what 20 steps allocate.
Json step_of(const Setting& setting, int rounds) {
  Random random(5, "network");
  const auto solver = setting.make(random);
  Problem problem = make_problem(setting.source, setting.target, 6);
  solver->start(problem, random);
  const auto step = [&] { solver->step(problem, 1e-3); };
  Json result = in_turns({{"step", step},
                          {"drawing", drawing_of(setting), 10},
                          {"frame", entering_of(setting, random), 10}},
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
