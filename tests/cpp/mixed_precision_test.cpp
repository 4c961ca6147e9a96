#include "solvers/mixed_precision.h"

#include "monge/adam.h"

#include "error_text.h"
#include "image_game.h"
#include "networks/recorded.h"

#include <ATen/autocast_mode.h>

namespace monge {
namespace {

using namespace image_game;

TEST(LossScale, HalvesWhereDerivativesOverflowAndDoublesAfterManyThatDoNot) {
  LossScale scale(at::kHalf);
  EXPECT_EQ(scale.value(), 65536);
  EXPECT_FALSE(scale.take(false));
  EXPECT_FALSE(scale.take(false));
  EXPECT_EQ(scale.value(), 16384);
  for (int update = 0; update < 1999; ++update) EXPECT_TRUE(scale.take(true));
  EXPECT_EQ(scale.value(), 16384);
  EXPECT_TRUE(scale.take(true));
  EXPECT_EQ(scale.value(), 32768);
}

TEST(LossScale, StartsToCountAnewAfterAnOverflow) {
  LossScale scale(at::kHalf);
  for (int update = 0; update < 1999; ++update) scale.take(true);
  scale.take(false);
  scale.take(true);
  EXPECT_EQ(scale.value(), 32768);
}

/// Then the loss itself has no finite derivatives, which no scale mends.
TEST(LossScale, NeverFallsBelowOne) {
  LossScale scale(at::kHalf);
  for (int halving = 0; halving < 16; ++halving) EXPECT_FALSE(scale.take(false));
  EXPECT_EQ(scale.value(), 1);
  EXPECT_TRUE(scale.take(false));
  EXPECT_EQ(scale.value(), 1);
}

TEST(LossScale, IsOneInOtherPrecisions) {
  for (const at::ScalarType precision : {at::kFloat, at::kBFloat16}) {
    LossScale scale(precision);
    EXPECT_TRUE(scale.take(false));
    EXPECT_EQ(scale.value(), 1);
    EXPECT_TRUE(scale.state().empty());
  }
}

TEST(LossScale, GoesOnFromItsState) {
  LossScale first(at::kHalf), second(at::kHalf);
  first.take(false);
  for (int update = 0; update < 1500; ++update) first.take(true);
  copy_parameters(second.state(), first.state(), "test");
  for (int update = 0; update < 500; ++update) second.take(true);
  EXPECT_EQ(second.value(), 65536);
}

TEST(Computation, RefusesWhatIsNotThere) {
  EXPECT_EQ(error_text([] { computation_of("cpu", "float16"); }),
            "solver.precision: expected float32 or bfloat16, since the device is cpu, got float16");
  if (at::hasCUDA()) return;
  EXPECT_EQ(error_text([] { computation_of("cuda", "float32"); }),
            "solver.device: expected cpu, since PyTorch finds no CUDA device here, got cuda");
}

TEST(MixedPrecision, LeavesTheThreadAsItWas) {
  const at::ScalarType before = at::autocast::get_autocast_dtype(at::kCPU);
  {
    const MixedPrecision mixed({.precision = at::kBFloat16});
    EXPECT_TRUE(at::autocast::is_autocast_enabled(at::kCPU));
    EXPECT_FALSE(networks::by_own_passes(at::ones({1})));
    const MixedPrecision none({.precision = at::kFloat});
    EXPECT_TRUE(at::autocast::is_autocast_enabled(at::kCPU));
  }
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  EXPECT_TRUE(networks::by_own_passes(at::ones({1})));
  EXPECT_EQ(at::autocast::get_autocast_dtype(at::kCPU), before);
}

/// |a - b| / |b| of all numbers together.
double gap_of(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i].cpu() - b[i].cpu()).to(at::kDouble).square().sum().item<double>();
    size += b[i].cpu().to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(difference / size);
}

struct StepResult {
  std::vector<Tensor> map, potential;
  SaddlePointTerms terms;
};

StepResult step_result(const Case& one, at::ScalarType dtype, const Computation& computation,
                       std::int64_t n = 6) {
  const Networks networks = networks_of(one, dtype);
  for (const State& tensors :
       {networks.map.parameters(), networks.map.statistics(), networks.potential.parameters()})
    move_to(computation.device, tensors);
  const Points points = points_of(one, n, n + 3);
  const auto placed = [&](const Tensor& rows) {
    return rows.defined() ? rows.to(computation.device, dtype) : rows;
  };
  const Tensor x = placed(points.x), y = placed(points.y), z = placed(points.z);
  ImageSaddlePointStep step = step_of(one, networks, computation);
  do step.for_map(x, z);
  while (!step.map_scale().take(std::isfinite(norm_of(step.map_derivatives()))));
  SaddlePointTerms terms;
  do terms = step.for_potential(x, z, y);
  while (!step.potential_scale().take(std::isfinite(norm_of(step.potential_derivatives()))));
  return {step.map_derivatives(), step.potential_derivatives(), terms};
}

/// All of a batch of 32 together.
const Case many{"strong", 0, 1, 0, false, 0, 32};

/// In the precision, steps from the same numbers as in float32 up to its rounding: relative gaps of
/// all derivatives up to `tolerance`, which is large, since ReLUs switch in networks of two
/// channels.
void expect_near_float32(const Computation& computation, double tolerance) {
  const StepResult plain = step_result(many, at::kFloat, {}, 32);
  const StepResult mixed = step_result(many, at::kFloat, computation, 32);
  for (const std::vector<Tensor>* found : {&mixed.map, &mixed.potential})
    for (const Tensor& derivative : *found) EXPECT_EQ(derivative.scalar_type(), at::kFloat);
  for (const double gap :
       {gap_of(mixed.map, plain.map), gap_of(mixed.potential, plain.potential)}) {
    EXPECT_LT(gap, tolerance);
    EXPECT_GT(gap, 1e-4);  // it is the other precision
  }
  EXPECT_NEAR(mixed.terms.cost, plain.terms.cost, 0.1 * tolerance * plain.terms.cost);
}

SaddlePointOptions options_on(const std::string& device, const std::string& precision) {
  SaddlePointOptions options = small_options();
  options.device = device;
  options.precision = precision;
  return options;
}

/// The part of the affine map's error that training leaves.
double error_after_training(const std::string& device, const std::string& precision,
                            std::int64_t steps) {
  const Contrast truth;
  Problem problem = truth.problem();
  const auto solver = started(options_on(device, precision), 0, problem);
  run(*solver, problem, steps);
  return truth.error(*solver->solution().map) / truth.affine_error();
}

/// The same with noise of all sizes and by Song's network.
double error_after_noised_training(const std::string& device, const std::string& precision) {
  const Contrast truth;
  Problem problem = truth.problem();
  const auto solver =
      started(by_song(options_on(device, precision)), 0, problem, small_noised_critic);
  run(*solver, problem, 60);
  return truth.error(*solver->solution().map) / truth.affine_error();
}

TEST(MixedPrecision, StepsFromTheSameNumbersInBfloat16) {
  expect_near_float32({.precision = at::kBFloat16}, 0.4);
}

/// A few steps of few images, which processors without bfloat16 take long for.
TEST(MixedPrecision, LearnsAMapOfImagesInBfloat16) {
  const Contrast truth;
  SaddlePointOptions options = by_song(options_on("cpu", "bfloat16"));
  options.map_width = 4;
  options.inner_steps = 1;
  options.batch = 8;
  options.average = 0;
  Problem problem = truth.problem();
  const auto solver = started(options, 0, problem, {.channels = 1, .size = size, .width = 8});
  run(*solver, problem, 20);
  EXPECT_LT(truth.error(*solver->solution().map), 0.75 * truth.error(truth.unseen));
}

/// The tests below need a GPU.
class Cuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device";
  }
};

TEST_F(Cuda, StepsFromTheSameNumbers) {
  for (const Case& one : cases) {
    const StepResult here = step_result(one, at::kDouble, {});
    const StepResult there = step_result(one, at::kDouble, {.device = at::kCUDA});
    EXPECT_LT(gap_of(there.map, here.map), 1e-9) << one.name;
    EXPECT_LT(gap_of(there.potential, here.potential), 1e-9) << one.name;
    EXPECT_NEAR(there.terms.cost, here.terms.cost, 1e-9 * here.terms.cost) << one.name;
    EXPECT_NEAR(there.terms.target, here.terms.target, 1e-9 * std::abs(here.terms.target));
  }
}

/// Of a recipe's critic, the derivatives of its values in each parameter and in the images.
std::vector<Tensor> derivatives_on(at::Device device) {
  Random random(5, "critic");
  const ResNetCritic critic({.channels = 1, .size = 32, .width = 12, .max_width = 96}, random);
  move_to(device, critic.parameters());
  const Tensor x = random.normal({8, 32 * 32}).to(device).set_requires_grad(true);
  std::vector<Tensor> inputs = tensors_of(critic.parameters());
  inputs.push_back(x);
  return torch::autograd::grad({critic.value(x, Graph::create).sum()}, inputs);
}

/// Each by itself: those of the last layers are so large that they hide the others.
TEST_F(Cuda, DifferentiatesACriticAsTheProcessorDoes) {
  computation_of("cuda", "float32");  // without TF32
  const std::vector<Tensor> here = derivatives_on(at::kCPU), there = derivatives_on(at::kCUDA);
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_LT(gap_of({there[i]}, {here[i]}), 1e-3) << i;
}

TEST_F(Cuda, StepsFromTheSameNumbersInFloat32) {
  const StepResult here = step_result(many, at::kFloat, {}, 32);
  const StepResult there = step_result(many, at::kFloat, computation_of("cuda", "float32"), 32);
  EXPECT_LT(gap_of(there.map, here.map), 1e-2);  // a ReLU may switch
  EXPECT_LT(gap_of(there.potential, here.potential), 1e-4);
}

TEST_F(Cuda, StepsFromTheSameNumbersInBfloat16) {
  expect_near_float32({.device = at::kCUDA, .precision = at::kBFloat16}, 0.4);
}

TEST_F(Cuda, StepsFromTheSameNumbersInFloat16) {
  expect_near_float32({.device = at::kCUDA, .precision = at::kHalf}, 0.1);
}

TEST_F(Cuda, LearnsAMapOfImagesInEveryPrecision) {
  for (const char* precision : {"float32", "bfloat16"})
    EXPECT_LT(error_after_training("cuda", precision, 100), 0.8) << precision;
  // The first updates are left out until the scales fit.
  EXPECT_LT(error_after_training("cuda", "float16", 200), 0.8);
}

TEST_F(Cuda, LearnsWithNoiseOfAllSizesAndBySongsNetworkInFloat16) {
  EXPECT_LT(error_after_noised_training("cuda", "float16"), 0.8);
}

/// Scaled by 2^40 the derivatives overflow: the updates are left out until the scale is less.
TEST_F(Cuda, LeavesUpdatesOutWhereDerivativesOverflow) {
  const Contrast truth;
  const SaddlePointOptions options = options_on("cuda", "float16");
  Problem problem = truth.problem();
  const auto solver = started(options, 0, problem);
  for (const char* scale : {"map_scale.value", "potential_scale.value"})
    Tensor(solver->state().at(scale)).fill_(std::pow(2.0, 40));
  const Tensor weight = solver->state().at("map.final.weight").detach().clone();
  EXPECT_TRUE(solver->step(problem, 1).finite);
  EXPECT_TRUE(at::equal(weight, solver->state().at("map.final.weight")));
  EXPECT_LT(solver->state().at("map_scale.value").item<double>(), std::pow(2.0, 40));
  run(*solver, problem, 30);
  EXPECT_FALSE(at::equal(weight, solver->state().at("map.final.weight")));
}

TEST_F(Cuda, GoesOnFromAStateAndMapsPointsOnTheProcessor) {
  const Contrast truth;
  const SaddlePointOptions options = options_on("cuda", "float16");
  Problem problem = truth.problem();
  const auto solver = started(options, 0, problem);
  run(*solver, problem, 5);
  State stored;
  for (const auto& [name, tensor] : solver->state()) stored[name] = tensor.detach().cpu().clone();
  Random random(99, "network");
  ImageSaddlePoint resumed(small_critic, options, 0, random);
  resumed.restore(stored);
  const Tensor x = truth.unseen.narrow(0, 0, 5);
  const Tensor before = solver->solution().map->transport(x);
  EXPECT_TRUE(before.is_cpu());
  EXPECT_TRUE(at::allclose(before, resumed.solution().map->transport(x), 1e-4, 1e-5));
}

TEST_F(Cuda, AdamIsThatOfTheProcessor) {
  Random random(1, "test");
  const State here{{"a", random.normal({3, 7})}, {"b", random.normal({1001})}};
  State there, averages_here, averages_there;
  for (const auto& [name, parameter] : here) {
    there[name] = parameter.to(at::kCUDA);
    averages_here[name] = parameter.clone();
    averages_there[name] = there[name].clone();
  }
  const AdamOptions options{.learning_rate = 0.1, .beta1 = 0.8, .beta2 = 0.95, .average = 0.9};
  const std::map<std::string, double> bounds{{"b", 0.0}};
  Adam adam(here, options, bounds, averages_here), other(there, options, bounds, averages_there);
  for (int step = 0; step < 7; ++step) {
    std::vector<Tensor> gradients, copies;
    for (const auto& [name, parameter] : here) {
      gradients.push_back(random.normal(parameter.sizes()));
      copies.push_back(gradients.back().to(at::kCUDA));
    }
    EXPECT_NEAR(norm_of(copies), norm_of(gradients), 1e-4);
    adam.step(gradients, 1.0 / (step + 1));
    other.step(copies, 1.0 / (step + 1));
  }
  for (std::size_t i = 0; i < here.size(); ++i) {
    EXPECT_TRUE(at::allclose(other.parameters()[i].cpu(), adam.parameters()[i], 1e-4, 1e-5));
    EXPECT_TRUE(at::allclose(other.averages()[i].cpu(), adam.averages()[i], 1e-4, 1e-5));
  }
  EXPECT_EQ(other.parameters()[1].min().item<float>(), 0);
}

}  // namespace
}  // namespace monge
