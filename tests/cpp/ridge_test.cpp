#include "solvers/ridge.h"

#include "monge/affine.h"
#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/metric.h"
#include "monge/random.h"
#include "monge/solvers/dual.h"
#include "monge/transport_map.h"

#include "error_text.h"

#include <gtest/gtest.h>

namespace monge {
namespace {

State parameters() {
  Random random(1, "parameters");
  return {{"a", random.normal({3, 2})}, {"b", random.normal({4})}};
}

std::vector<Tensor> ones() { return {at::ones({3, 2}), at::ones({4})}; }

TEST(Ridge, AddsThePullToWhereItBegan) {
  const State theta = parameters();
  Ridge ridge(theta);
  std::vector<Tensor> derivatives = ones();
  ridge.add_to(derivatives);
  EXPECT_TRUE(at::equal(derivatives[0], ones()[0]));  // nothing has begun

  const State began = {{"a", theta.at("a").clone()}, {"b", theta.at("b").clone()}};
  ridge.begin(0.3);
  ridge.add_to(derivatives);
  EXPECT_TRUE(at::equal(derivatives[1], ones()[1]));  // nothing has moved

  theta.at("a").mul_(2);
  theta.at("b").sub_(1);
  ridge.add_to(derivatives);
  EXPECT_TRUE(at::allclose(derivatives[0], 1 + 0.3 * began.at("a")));
  EXPECT_TRUE(at::allclose(derivatives[1], at::full({4}, 0.7)));
}

TEST(Ridge, ARestoredOneGoesOn) {
  const State theta = parameters();
  Ridge first(theta);
  first.begin(0.3);
  theta.at("a").mul_(2);
  Ridge second(theta);
  second.restore(first.state());
  std::vector<Tensor> expected = ones(), derivatives = ones();
  first.add_to(expected);
  second.add_to(derivatives);
  EXPECT_TRUE(at::equal(derivatives[0], expected[0]));
  EXPECT_FALSE(at::equal(derivatives[0], ones()[0]));

  Ridge other(State{{"a", at::zeros({3, 3})}, {"b", at::zeros({4})}});
  expect_message(error_text([&] { other.restore(first.state()); }), "[3, 3]");
  State damaged = first.state();
  damaged.erase("strength");
  expect_message(error_text([&] { second.restore(damaged); }), "strength");
}

/// How far training leaves the affine map, in % of the variance, where the measures are Gaussians
/// and all that it can learn beside that map is the noise of 2000 points.
double learned_noise(double strength) {
  constexpr std::int64_t d = 16, n = 2000;
  Random random(2, "points");
  const Tensor stretch = at::linspace(0.5, 2, d, at::kDouble).to(at::kFloat);
  const auto source = std::make_shared<ArrayMeasure>(random.normal({n, d}));
  const auto target = std::make_shared<ArrayMeasure>(random.normal({n, d}) * stretch);
  const AffineTransportMap affine(bures_wasserstein_map(*source->moments(), *target->moments()));
  Dual solver(d, {.batch = 128, .ridge = strength}, {.hidden = {32, 32, 16}}, random);
  Problem problem = make_problem(source, target, 3);
  solver.start(problem, random);
  for (int step = 0; step < 400; ++step) solver.step(problem, 1 - step / 400.0);
  const Tensor x = random.normal({1000, d});
  return l2_uvp(solver.solution().map->transport(x), affine.transport(x),
                stretch.square().sum().item<double>());
}

TEST(Ridge, KeepsTheDualFromLearningTheNoiseOfTheSample) {
  const double plain = learned_noise(0);
  EXPECT_LT(learned_noise(DualOptions().ridge), plain);
  EXPECT_LT(learned_noise(0.2), 0.7 * plain);
  EXPECT_LT(learned_noise(2), 0.4 * plain);
}

}  // namespace
}  // namespace monge
