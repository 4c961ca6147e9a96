#include "monge/solvers/dual_ensemble.h"

#include "monge/config.h"
#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/measures/array.h"
#include "monge/metric.h"

#include "error_text.h"

#include <ATen/Parallel.h>

#include <gtest/gtest.h>

namespace monge {
namespace {

/// Networks of one shape, each twice as sharp as the one before, with arbitrary parameters, biases
/// and skips included.
std::vector<std::shared_ptr<DenseIcnn>> networks(std::int64_t count, DenseIcnnOptions shape,
                                                 at::ScalarType dtype) {
  Random random(5, "network");
  std::vector<std::shared_ptr<DenseIcnn>> made;
  for (std::int64_t i = 0; i < count; ++i, shape.celu_alpha /= 2) {
    made.push_back(std::make_shared<DenseIcnn>(3, shape, DenseIcnn::Initial::paper, random, dtype));
    const at::NoGradGuard no_graph;
    for (const auto& [name, parameter] : made.back()->parameters())
      if (parameter.dim() == 1) parameter.add_(random.uniform(parameter.sizes()).to(dtype));
  }
  return made;
}

std::vector<const DenseIcnn*> pointers(const std::vector<std::shared_ptr<DenseIcnn>>& networks) {
  std::vector<const DenseIcnn*> pointers;
  for (const auto& network : networks) pointers.push_back(network.get());
  return pointers;
}

TEST(MeanNetwork, HasTheMeanOfValuesGradientsAndHessians) {
  Random random(6, "points");
  const Tensor x = random.normal({17, 3}).to(at::kDouble);
  for (const DenseIcnnOptions& shape : {DenseIcnnOptions{.rank = 1, .hidden = {5}},
                                        {.rank = 1, .hidden = {6, 4, 3}},
                                        {.rank = 3, .hidden = {4, 5}},
                                        {.rank = 2, .hidden = {3, 7}, .skip = false}}) {
    const auto made = networks(3, shape, at::kDouble);
    const auto mean = mean_network(pointers(made));
    Tensor value = at::zeros({17}, at::kDouble), gradient = at::zeros_like(x),
           hessian = at::zeros({17, 3, 3}, at::kDouble);
    for (const auto& network : made) {
      value += network->value(x, Graph::none) / 3;
      gradient += network->gradient(x, Graph::none) / 3;
      hessian += network->hessian(x) / 3;
    }
    EXPECT_TRUE(at::allclose(mean->value(x, Graph::none), value, 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(mean->gradient(x, Graph::none), gradient, 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(mean->hessian(x), hessian, 1e-11, 1e-11));
    EXPECT_EQ(mean->settings().hidden.front(), 3 * shape.hidden.front());
    EXPECT_EQ(mean->settings().celu_alpha, shape.celu_alpha);
  }
}

TEST(MeanNetwork, RefusesNetworksOfTwoShapes) {
  const auto some = networks(1, {.hidden = {4, 4}}, at::kFloat);
  const auto others = networks(1, {.hidden = {4, 5}}, at::kFloat);
  const std::vector<const DenseIcnn*> both{some[0].get(), others[0].get()};
  expect_message(error_text([&] { mean_network(both); }), "networks of one shape");
}

/// Gaussian clouds of 2000 points each, whose optimal map is nearly the affine one.
struct Clouds {
  static constexpr std::int64_t d = 8, n = 2000;
  Random random{2, "points"};
  Tensor stretch = at::linspace(0.5, 2, d, at::kDouble).to(at::kFloat);
  std::shared_ptr<const ArrayMeasure> source =
      std::make_shared<ArrayMeasure>(random.normal({n, d}));
  std::shared_ptr<const ArrayMeasure> target =
      std::make_shared<ArrayMeasure>(random.normal({n, d}) * stretch);
  Tensor x = random.normal({1000, d});

  /// L2-UVP of a map from the affine one, %.
  double error(const TransportMap& map) const {
    const AffineTransportMap affine(bures_wasserstein_map(*source->moments(), *target->moments()));
    return l2_uvp(map.transport(x), affine.transport(x), stretch.square().sum().item<double>());
  }
};

const DenseIcnnOptions small{.hidden = {32, 32, 16}};

void run(Solver& solver, Problem& problem, int steps) {
  for (int step = 0; step < steps; ++step)
    ASSERT_TRUE(solver.step(problem, 1 - step / double(steps)).finite);
}

TEST(DualEnsemble, IsNearerToTheMapThanItsMembers) {
  const Clouds clouds;
  const DualOptions options{.batch = 128, .ridge = 0, .members = 4};
  Random random(3, "network");
  DualEnsemble ensemble(Clouds::d, options, small, random);
  Problem problem = make_problem(clouds.source, clouds.target, 4);
  ensemble.start(problem, random);
  run(ensemble, problem, 300);
  double alone = 0;
  Tensor mean = at::zeros_like(clouds.x);
  for (int i = 0; i < 4; ++i) {
    DenseIcnnOptions network = small;
    network.celu_alpha = member_alpha(i, 4, small.celu_alpha);
    Dual one(Clouds::d, options, network, random);
    one.restore(extract_state(ensemble.state(), fmt::format("member.{}", i)));
    const auto map = one.solution().map;
    alone += clouds.error(*map) / 4;
    mean += map->transport(clouds.x) / 4;
  }
  const Solution solution = ensemble.solution();
  EXPECT_TRUE(at::allclose(solution.map->transport(clouds.x), mean, 1e-4, 1e-4));
  EXPECT_LT(clouds.error(*solution.map), 0.8 * alone);
  const Tensor y = solution.map->transport(clouds.x);
  EXPECT_LT((solution.inverse->transport(y) - clouds.x).abs().mean().item<double>(), 2e-3);
}

TEST(DualEnsemble, ARestoredOneGoesOnWithTheSameNumbers) {
  const Clouds clouds;
  const auto made = [](std::uint64_t seed) {
    Random random(seed, "network");
    return DualEnsemble(Clouds::d, {.batch = 64, .members = 2}, small, random);
  };
  DualEnsemble first = made(1), second = made(2);
  Problem problem = make_problem(clouds.source, clouds.target, 4),
          other = make_problem(clouds.source, clouds.target, 5);
  Random random(7, "start");
  first.start(problem, random);
  run(first, problem, 10);
  State copy, copied_problem;
  for (const auto& [name, tensor] : first.state()) copy[name] = tensor.detach().clone();
  for (const auto& [name, tensor] : problem.state()) copied_problem[name] = tensor.clone();
  second.restore(copy);
  other.restore(copied_problem);
  for (int step = 0; step < 10; ++step)
    ASSERT_EQ(first.step(problem, 0.7).loss, second.step(other, 0.7).loss) << step;
  for (const auto& [name, tensor] : first.state())
    EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
  State damaged = copy;
  std::erase_if(damaged, [](const auto& entry) { return entry.first.starts_with("member.1"); });
  EXPECT_NE(error_text([&] { second.restore(damaged); }), "");
}

TEST(DualEnsemble, HasMembersFromSmoothToSharp) {
  EXPECT_EQ(member_alpha(0, 2, 1), 1);
  EXPECT_NEAR(member_alpha(1, 2, 1), 0.1, 1e-12);
  EXPECT_NEAR(member_alpha(1, 3, 1), std::sqrt(0.1), 1e-12);
  EXPECT_NEAR(member_alpha(2, 3, 1), 0.1, 1e-12);
  EXPECT_EQ(member_alpha(1, 2, 0.05), 0.05);
}

TEST(DualEnsemble, WantsTwoMembers) {
  Random random(1, "network");
  expect_message(error_text([&] { DualEnsemble(2, {.members = 1}, small, random); }),
                 "at least two members");
}

TEST(DualBudget, GivesTimeToWidthAndMembers) {
  const auto budget = [](std::int64_t d, double seconds, const DenseIcnnOptions& network = {}) {
    return dual_budget(d, seconds, {}, network);
  };
  using Widths = std::vector<std::int64_t>;
  EXPECT_EQ(budget(16, 15).members, 1);
  EXPECT_EQ(budget(16, 15).hidden, Widths());
  EXPECT_EQ(budget(16, 60).members, 1);
  EXPECT_EQ(budget(16, 60).hidden, (Widths{128, 128, 64}));
  EXPECT_EQ(budget(16, 240).members, 2);
  EXPECT_EQ(budget(16, 1e6).members, 8);
  EXPECT_EQ(budget(16, 240, {.hidden = {64, 64, 32}}).hidden, Widths());
  EXPECT_GT(budget(16, 240, {.hidden = {64, 64, 32}}).members, 3);
  EXPECT_EQ(budget(64, 240).members, 1);
  EXPECT_EQ(budget(64, 2400).hidden, Widths());
  EXPECT_EQ(budget(4, 60).members, 1);
  EXPECT_TRUE(budget(64, 60).live);
  EXPECT_TRUE(budget(256, 60).live);
  EXPECT_FALSE(budget(1024, 60).live);
  EXPECT_TRUE(budget(1024, 1200).live);
  EXPECT_FALSE(dual_budget(64, 20, {.members = 8}, {}).live);
}

/// What is open is chosen where the budget is one of time, and kept in the resolved config.
TEST(DualBudget, IsThatOfTheExperiment) {
  Random random(1, "points");
  const auto measure = std::make_shared<ArrayMeasure>(random.normal({200, 16}));
  const auto options_of = [&](const std::string& text) {
    const Split points{measure, measure};
    return build_experiment(parse_config(text, "test", "/data"), points, points).solver->options();
  };
  const auto members = [&](const std::string& text) {
    return std::get<std::int64_t>(options_of(text).at("members"));
  };
  const auto share = [&](const std::string& text) {
    return std::get<double>(options_of(text).at("network_share"));
  };
  const double seconds = 240.0 / at::get_num_threads();
  EXPECT_EQ(share(fmt::format("[train]\nmax_seconds = {:.1f}\n", seconds)), 0.5);
  EXPECT_EQ(share("[train]\nmax_seconds = 0.1\n"), 0);
  EXPECT_EQ(share("[train]\nmax_seconds = 0.1\n[solver]\nname = \"dual\"\nnetwork_share = 0.4\n"),
            0.4);
  EXPECT_EQ(members("[train]\nmax_steps = 10\n"), 1);
  EXPECT_EQ(members(fmt::format("[train]\nmax_seconds = {:.1f}\n", seconds)), 2);
  EXPECT_EQ(members(fmt::format("[train]\nmax_seconds = {:.1f}\n[solver]\nname = \"dual\"\n"
                                "members = 5\n",
                                seconds)),
            5);
}

}  // namespace
}  // namespace monge
