// Whether training steps ask the heap for memory. This program's malloc is one that counts.
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/solvers/dual.h"
#include "monge/solvers/saddle_point.h"
#include "monge/solvers/w2gn.h"

#include "allocations.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace monge {
namespace {

using Measured = std::shared_ptr<const Measure>;
using Made = std::function<std::unique_ptr<Solver>(Random&)>;

/// A solver between two measures.
struct Setting {
  std::string name;
  Measured source, target;
  Made make;
};

Measured array(std::int64_t n, std::int64_t d, std::uint64_t seed) {
  return std::make_shared<ArrayMeasure>(Random(seed, "array").normal({n, d}));
}

Measured gaussian(std::int64_t d, std::int64_t seed) {
  return make_random_gaussian({.dimension = d, .seed = seed});
}

Setting w2gn(std::int64_t d, std::int64_t rank, const W2gnOptions& options) {
  return {fmt::format("W2GN, D = {}", d), array(5000, d, 1), gaussian(d, 2), [=](Random& random) {
            return std::make_unique<W2gn>(
                d, options, DenseIcnnOptions{.rank = rank, .hidden = {64, 64, 32}}, random);
          }};
}

Setting input_convex(std::int64_t d, const SaddlePointOptions& options) {
  return {fmt::format("input-convex, D = {}", d), gaussian(d, 1), gaussian(d, 2),
          [=](Random& random) {
            return std::make_unique<SaddlePoint>(d, options, 0.0,
                                                 DenseIcnnOptions{.hidden = {64, 64, 32}}, random);
          }};
}

Setting free_networks(const std::string& name, const WeakCost& cost,
                      const SaddlePointOptions& options) {
  return {name, gaussian(3, 1), array(5000, 3, 2), [=](Random& random) {
            return std::make_unique<SaddlePoint>(3, options, cost, MlpOptions{.hidden = {100, 100}},
                                                 random);
          }};
}

Setting dual(const std::string& batches, std::int64_t d) {
  return {fmt::format("dual, {}", batches), array(1 << 14, d, 1), array(1 << 14, d, 2),
          [=](Random& random) {
            return std::make_unique<Dual>(d, DualOptions{.batch = 512, .batches = batches},
                                          DenseIcnnOptions{.hidden = {64, 64, 32}}, random);
          }};
}

std::vector<Setting> settings() {
  return {w2gn(3, 3, {.batch = 256}),
          w2gn(16, 1, {.source_cycle_weight = 0.5, .detach = false, .batch = 256}),
          input_convex(3, {.inner_steps = 2, .batch = 256}),
          input_convex(16, {.inner_steps = 2, .batch = 256}),
          free_networks("strong", 0.0, {.inner_steps = 2, .batch = 64}),
          free_networks("weak", 1.0,
                        {.noise_dimension = 2, .inner_steps = 2, .batch = 64, .start = "identity"}),
          free_networks("expectile", 0.0, {.inner_steps = 2, .batch = 64, .expectile_weight = 1}),
          dual("independent", 16),
          dual("calibrated", 16),
          dual("coupled", 2)};
}

TEST(Allocations, AreCounted) {
  const std::int64_t before = allocations();
  const Tensor memory = at::empty({1000});
  EXPECT_GT(allocations(), before) << memory.numel();
}

/// The steps that are counted lie before the 50th, at which the dual takes the means of its layers
/// anew, and before its next order of the points for coupled batches.
TEST(Allocations, AStepHasNoneAfterTheFirst) {
  constexpr int first = 5, last = 45;
  for (const int threads : {1, 2})
    for (const Setting& setting : settings()) {
      at::set_num_threads(threads);
      Random random(5, "network");
      const auto solver = setting.make(random);
      Problem problem = make_problem(setting.source, setting.target, 6);
      solver->start(problem, random);
      for (int step = 0; step < first; ++step) solver->step(problem, 1e-2);
      const std::int64_t before = allocations();
      for (int step = first; step < last; ++step) solver->step(problem, 1e-2);
      EXPECT_EQ(allocations() - before, 0) << setting.name << ", threads: " << threads;
    }
}

}  // namespace
}  // namespace monge
