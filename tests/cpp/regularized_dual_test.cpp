#include "monge/solvers/regularized_dual.h"

#include "monge/discrete.h"
#include "monge/error.h"
#include "monge/measures/gaussian.h"
#include "monge/metric.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

TEST(RegularizerValues, WeightIsTheDerivativeOfTheValue) {
  for (const Regularizer kind : {Regularizer::entropy, Regularizer::l2}) {
    const Tensor excess =
        at::tensor({-3.0, -0.1, 0.05, 0.4, 1.1, 1.3, 9.0}, at::kDouble).set_requires_grad(true);
    const RegularizerValues values = regularizer_values(kind, excess, 0.1);
    const Tensor derivative = torch::autograd::grad({values.value.sum()}, {excess}).front();
    EXPECT_TRUE(at::allclose(values.weight, derivative, 1e-12));
  }
}

TEST(RegularizerValues, AreThoseOfThePaper) {
  const Tensor excess = at::tensor({-1.0, 0.3}, at::kDouble);
  const RegularizerValues entropy = regularizer_values(Regularizer::entropy, excess, 0.5);
  EXPECT_TRUE(at::allclose(entropy.value, 0.5 * (excess / 0.5).exp()));
  const RegularizerValues square = regularizer_values(Regularizer::l2, excess, 0.5);
  EXPECT_NEAR(square.value[0].item<double>(), 0, 0);
  EXPECT_NEAR(square.value[1].item<double>(), 0.09 / 2, 1e-15);
}

TEST(RegularizerValues, AreFiniteForAnyExcess) {
  const Tensor excess = at::tensor({-1e30f, 1e30f});
  const RegularizerValues values = regularizer_values(Regularizer::entropy, excess, 1e-3);
  EXPECT_TRUE(values.value.isfinite().all().item<bool>());
  EXPECT_TRUE(values.weight.isfinite().all().item<bool>());
}

/// Centred Gaussians with diagonal covariances a and b. The entropic plan is Gaussian on each axis
/// with a covariance s of x and y for which ½ (a + b) - s - ½ epsilon log(1 - s² / (a b)) is least:
/// a b - s² = epsilon s. Its barycentric projection is x -> s / a x.
struct Axes {
  std::vector<double> a{1.0, 0.5}, b{0.7, 1.8};

  static std::shared_ptr<const Measure> gaussian(const std::vector<double>& variances) {
    return std::make_shared<GaussianMeasure>(
        Moments{at::zeros({2}, at::kDouble), at::diag(at::tensor(variances, at::kDouble))});
  }
  Problem problem(std::uint64_t seed) const { return make_problem(gaussian(a), gaussian(b), seed); }

  static double covariance(double a, double b, double epsilon) {
    return 0.5 * (std::sqrt(epsilon * epsilon + 4 * a * b) - epsilon);
  }
  double value(double epsilon) const {
    double sum = 0;
    for (int i = 0; i < 2; ++i) {
      const double s = covariance(a[i], b[i], epsilon);
      sum += 0.5 * (a[i] + b[i]) - s - 0.5 * epsilon * std::log(1 - s * s / (a[i] * b[i]));
    }
    return sum;
  }
  /// L2-UVP, %, against the barycentric projection for that epsilon.
  double error(const TransportMap& map, double epsilon, bool back = false) const {
    const auto &from = back ? b : a, &to = back ? a : b;
    Random random(33, "points");
    const Tensor x = gaussian(from)->sample(2000, random);
    const Tensor scale = at::tensor(
        {covariance(a[0], b[0], epsilon) / from[0], covariance(a[1], b[1], epsilon) / from[1]},
        at::kFloat);
    return l2_uvp(map.transport(x), x * scale, to[0] + to[1]);
  }
};

RegularizedDualOptions settings(const char* regularizer, double epsilon) {
  return {.regularizer = regularizer,
          .epsilon = epsilon,
          .residual = true,
          .map_activation = "elu",
          .batch = 128,
          .learning_rate = 3e-3};
}

const MlpOptions small{.hidden = {32, 32}, .activation = "elu"};

struct Fitted {
  Solution solution;
  double dual;  // the mean of the last 50 steps
};

Fitted fit(const Axes& axes, const RegularizedDualOptions& options, std::int64_t steps) {
  Random random(1, "network");
  RegularizedDual solver(2, options, small, random);
  Problem problem = axes.problem(3);
  solver.start(problem, random);
  double dual = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    const StepReport report =
        solver.step(problem, 1 - static_cast<double>(step) / static_cast<double>(steps));
    EXPECT_TRUE(report.finite);
    if (step >= steps - 50) dual -= report.loss / 50;
  }
  return {solver.solution(), dual};
}

TEST(RegularizedDual, FindsTheEntropicPlanOfGaussians) {
  const Axes axes;
  constexpr double epsilon = 0.4;
  const Fitted fitted = fit(axes, settings("entropy", epsilon), 1500);
  // At the optimum E exp((u + v - c) / epsilon) = 1: the dual lies epsilon below the plan's value.
  EXPECT_NEAR(fitted.dual, axes.value(epsilon) - epsilon, 0.05);
  EXPECT_LT(axes.error(*fitted.solution.map, epsilon), 1);
  EXPECT_LT(axes.error(*fitted.solution.inverse, epsilon, true), 1);
  EXPECT_GT(axes.error(*fitted.solution.map, 0), 2);  // the bias of the regulariser
}

TEST(RegularizedDual, L2ComesNearTheOptimalMap) {
  const Axes axes;
  const Fitted fitted = fit(axes, settings("l2", 0.02), 1500);
  EXPECT_LT(axes.error(*fitted.solution.map, 0), 4);
  EXPECT_LT(axes.error(*fitted.solution.inverse, 0, true), 4);
}

TEST(RegularizedDual, LearnsNothingWithoutUpdates) {
  const Axes axes;
  for (const char* regularizer : {"entropy", "l2"}) {
    RegularizedDualOptions options = settings(regularizer, 0.1);
    options.learning_rate = 1e-12;
    EXPECT_GT(axes.error(*fit(axes, options, 100).solution.map, 0), 8) << regularizer;
  }
}

TEST(RegularizedDual, ChoosesEpsilonByTheCost) {
  constexpr double cost = 2;  // ½ tr (A + B)
  for (const auto& [regularizer, share] : {std::pair("entropy", 0.02), std::pair("l2", 5e-5)}) {
    Random random(1, "network");
    RegularizedDual solver(2, {.regularizer = regularizer}, small, random);
    solver.start(Axes().problem(3), random);
    const double epsilon = solver.state().at("epsilon").item<double>();
    EXPECT_NEAR(epsilon, share * cost, 0.05 * share * cost) << regularizer;
  }
}

TEST(RegularizedDual, ARestoredSolverGoesOnWithTheSameNumbers) {
  const Axes axes;
  const auto made = [](std::uint64_t seed) {
    Random random(seed, "network");
    return RegularizedDual(2, {.potential_steps = 2, .batch = 32}, small, random);
  };
  RegularizedDual first = made(5), second = made(6);
  Problem problem = axes.problem(3), other = axes.problem(4);
  Random random(7, "start");
  first.start(problem, random);
  for (int step = 0; step < 5; ++step) first.step(problem, 1);
  State copy;
  for (const auto& [name, tensor] : first.state()) copy[name] = tensor.detach().clone();
  second.restore(copy);
  other.restore(problem.state());
  for (int step = 0; step < 5; ++step)
    ASSERT_EQ(first.step(problem, 0.5).loss, second.step(other, 0.5).loss);
  for (const auto& [name, tensor] : first.state())
    EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
  copy.erase("inverse.adam.steps");
  EXPECT_THROW(second.restore(copy), Error);
}

}  // namespace
}  // namespace monge
