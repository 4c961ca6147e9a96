// Networks of the caller's in the max-min solver.
#include "monge/map_file.h"
#include "monge/measures/gaussian.h"
#include "monge/networks/mlp.h"
#include "monge/solvers/saddle_point.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

/// A perceptron that says of itself no more than a caller's network has to. In training it counts
/// its calls in a buffer.
class Brought final : public AutogradNetwork {
 public:
  Brought(std::int64_t inputs, std::int64_t outputs, const MlpOptions& options)
      : options_(options),
        random_(5, "network"),
        network_(inputs, outputs, options, random_),
        calls_(at::zeros({}, at::kLong)) {}

  std::int64_t inputs() const override { return network_.inputs(); }
  std::int64_t outputs() const override { return network_.outputs(); }
  Tensor forward(const Tensor& x, Graph graph) const override { return network_.forward(x, graph); }
  Tensor train_forward(const Tensor& x) const override {
    Tensor(calls_).add_(1);
    return network_.forward(x, Graph::create);
  }
  State parameters() const override { return network_.parameters(); }
  State buffers() const override { return {{"calls", calls_}}; }
  std::shared_ptr<AutogradNetwork> clone() const override {
    auto copy = std::make_shared<Brought>(inputs(), outputs(), options_);
    copy_parameters(copy->parameters(), parameters(), "clone");
    return copy;
  }
  std::int64_t calls() const { return calls_.item<std::int64_t>(); }

 private:
  MlpOptions options_;
  Random random_;
  Mlp network_;
  Tensor calls_;
};

std::shared_ptr<const Measure> gaussian(double mean, double variance) {
  return std::make_shared<GaussianMeasure>(
      Moments{at::full({2}, mean, at::kDouble), variance * at::eye(2, at::kDouble)});
}

Problem problem() { return make_problem(gaussian(0, 1), gaussian(0.5, 0.3), 3); }

const MlpOptions critic{.hidden = {17, 12}, .activation = "silu"};
const MlpOptions mover{.hidden = {19, 13}, .activation = "celu"};

SaddlePointOptions options_of(std::int64_t noise) {
  return {.residual = noise == 0,
          .map_hidden = mover.hidden,
          .map_activation = mover.activation,
          .noise_dimension = noise,
          .noise_samples = 3,
          .inner_steps = 2,
          .batch = 70,
          .learning_rate = 2e-3,
          .average = 0.9,
          .expectile_weight = noise == 0 ? 0.3 : 0};
}

struct Given {
  std::shared_ptr<Brought> potential, map;
};

/// Networks with the parameters of a solver's own.
Given copies_of(const SaddlePoint& solver, std::int64_t noise) {
  Given given{std::make_shared<Brought>(2, 1, critic),
              std::make_shared<Brought>(2 + noise, 2, mover)};
  const State state = solver.state();
  copy_parameters(given.potential->parameters(), extract_state(state, "potential"), "copy");
  copy_parameters(given.map->parameters(), extract_state(state, "map"), "copy");
  return given;
}

/// But for the constant of f, which cancels: its derivative is rounding, of which Adam makes steps.
void expect_same(const State& given, const State& own, const std::string& prefix) {
  const State theirs = extract_state(own, prefix);
  ASSERT_FALSE(theirs.empty());
  for (const auto& [name, tensor] : extract_state(given, prefix)) {
    if (prefix == "potential" && name == "layer.2.bias") continue;
    EXPECT_TRUE(at::allclose(tensor, theirs.at(name), 1e-3, 1e-4)) << prefix << " " << name;
  }
}

/// Autograd of the caller's networks and the fused passes of Monge's own take the same steps.
TEST(GivenNetworks, AreTrainedAsTheSolversOwn) {
  for (const std::int64_t noise : {0, 2})
    for (const std::string which : {"both", "potential", "map"}) {
      const SaddlePointOptions options = options_of(noise);
      const WeakCost cost(noise == 0 ? 0.0 : 0.6);
      Random random(1, "network"), again(1, "network");
      SaddlePoint own(2, options, cost, critic, random);
      const Given given = copies_of(own, noise);
      const auto map = which == "potential" ? nullptr : given.map;
      const auto solver =
          which == "map"
              ? std::make_unique<SaddlePoint>(2, options, cost, critic, again, map)
              : std::make_unique<SaddlePoint>(2, options, cost, given.potential, again, map);
      State start = own.state();
      for (const auto& [name, tensor] : solver->state()) start.emplace(name, tensor);  // buffers
      for (auto& [name, tensor] : start) tensor = tensor.clone();
      Problem mine = problem(), theirs = problem();
      Random one(2, "start"), other(2, "start");
      own.start(mine, one);
      solver->start(theirs, other);
      start["noise"] = own.state().at("noise").clone();
      solver->restore(start);
      for (int step = 0; step < 4; ++step) {
        const StepReport expected = own.step(mine, 1), report = solver->step(theirs, 1);
        EXPECT_NEAR(report.loss, expected.loss, 1e-4) << which << " " << noise;
        EXPECT_NEAR(report.gradient_norm, expected.gradient_norm, 1e-3) << which << " " << noise;
      }
      const State state = solver->state(), expected = own.state();
      for (const char* prefix : {"potential", "map", "average"})
        expect_same(state, expected, prefix);
    }
}

TEST(GivenNetworks, HoldTheSolution) {
  Random random(1, "network");
  for (const double average : {0.0, 0.9}) {
    SaddlePointOptions options = options_of(0);
    options.average = average;
    const auto potential = std::make_shared<Brought>(2, 1, critic);
    const auto map = std::make_shared<Brought>(2, 2, mover);
    const Tensor x = random.normal({5, 2});
    const Tensor before = map->forward(x, Graph::none);
    SaddlePoint solver(2, options, WeakCost(0.0), potential, random, map);
    Problem learned = problem();
    solver.start(learned, random);
    for (int step = 0; step < 3; ++step) solver.step(learned, 1);
    const Solution solution = solver.solution();
    EXPECT_TRUE(at::equal(solution.map->transport(x), x + map->forward(x, Graph::none)));
    EXPECT_FALSE(at::allclose(map->forward(x, Graph::none), before));
    EXPECT_EQ(map->calls(), 3 * (options.inner_steps + 1));
    EXPECT_EQ(potential->calls(), 3 * (options.inner_steps + 3));  // the regulariser sees y twice
  }
}

TEST(GivenNetworks, RestoreWithTheirBuffers) {
  Random random(1, "network");
  const auto potential = std::make_shared<Brought>(2, 1, critic);
  const auto map = std::make_shared<Brought>(2, 2, mover);
  SaddlePoint solver(2, options_of(0), WeakCost(0.0), potential, random, map);
  Problem learned = problem();
  solver.start(learned, random);
  solver.step(learned, 1);
  State kept;
  for (const auto& [name, tensor] : solver.state()) kept[name] = tensor.detach().clone();
  solver.step(learned, 1);
  solver.restore(kept);
  for (const auto& [name, tensor] : solver.state())
    EXPECT_TRUE(at::equal(tensor, kept.at(name))) << name;
  EXPECT_EQ(potential->calls(), 5);
}

TEST(GivenNetworks, RefuseWhatDoesNotFit) {
  Random random(1, "network");
  const auto narrow = std::make_shared<Brought>(2, 2, mover);
  const auto scalar = std::make_shared<Brought>(2, 1, critic);
  const auto build = [&](SaddlePointOptions options, const auto& potential, const auto& map) {
    return error_text([&] { SaddlePoint(2, options, WeakCost(0.0), potential, random, map); });
  };
  expect_message(build({}, narrow, nullptr),
                 "potential: expected a network from 2 to 1 dimensions");
  expect_message(build({.noise_dimension = 1}, scalar, narrow),
                 "map: expected a network from 3 to 2 dimensions, got one from 2 to 2");
  expect_message(build({.map = "gradient"}, critic, narrow),
                 "solver.map: expected network, since the map is a network that was given");
  expect_message(build({.map = "gradient"}, scalar, nullptr), "since the potential is a network");
}

TEST(GivenNetworks, AreFoundAgainInMapFiles) {
  Random random(1, "network");
  const TemporaryFolder folder;
  const auto path = folder / "map.safetensors";
  const auto map = std::make_shared<Brought>(2, 2, mover);
  const SaddlePoint solver(2, options_of(0), WeakCost(0.0), critic, random, map);
  {
    const at::NoGradGuard no_graph;
    for (const auto& [name, tensor] : map->parameters()) Tensor(tensor).mul_(2);
  }
  save_map(path, solver.solution(), {{"seed", "7"}});
  const auto loaded = [&](const MlpOptions& options) {
    return load_map(path, [&](std::int64_t inputs, std::int64_t outputs, const auto& notes) {
      EXPECT_EQ(notes.at("seed"), "7");
      return std::make_shared<Brought>(inputs, outputs, options);
    });
  };
  const Tensor x = random.normal({9, 2});
  EXPECT_TRUE(
      at::equal(loaded(mover).solution.map->transport(x), solver.solution().map->transport(x)));
  expect_message(error_text([&] { loaded(critic); }),
                 "map.safetensors: tensor 'layer.0.bias': expected [17], got [19]");
  expect_message(error_text([&] { loaded({.hidden = {19}}); }),
                 "expected a module of 7 parameters and buffers, got one of 5");
  expect_message(error_text([&] { load_map(path); }),
                 "expected the torch.nn.Module that its map was trained with");
}

/// Of a potential that autograd differentiates, the derivatives are those of Monge's own.
TEST(GivenNetworks, ArePotentials) {
  const auto network = std::make_shared<Brought>(2, 1, critic);
  const NetworkPotential given(network);
  Random random(5, "network");
  const MlpPotential own(2, critic, random);
  copy_parameters(own.parameters(), given.parameters(), "copy");
  const Tensor x = random.normal({9, 2}), v = random.normal({9, 2});
  EXPECT_TRUE(at::allclose(given.value(x, Graph::none), own.value(x, Graph::none), 1e-5, 1e-5));
  EXPECT_TRUE(
      at::allclose(given.gradient(x, Graph::none), own.gradient(x, Graph::none), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(given.hessian_product(x, v), own.hessian_product(x, v), 1e-4, 1e-5));
  expect_message(error_text([] { NetworkPotential(std::make_shared<Brought>(2, 3, critic)); }),
                 "potential: expected a network with one output, got 3");
}

}  // namespace
}  // namespace monge
