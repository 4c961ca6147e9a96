#include "monge/solvers/adversarial.h"

#include "monge/error.h"
#include "monge/measures/gaussian.h"
#include "monge/metric.h"

namespace monge {
namespace {

std::shared_ptr<const Measure> gaussian(const Tensor& mean, const Tensor& covariance) {
  return std::make_shared<GaussianMeasure>(
      Moments{mean.to(at::kDouble), covariance.to(at::kDouble)});
}

struct Pair {
  std::shared_ptr<const Measure> source =
      gaussian(at::zeros({2}), at::tensor({1.0, 0.0, 0.0, 0.5}).view({2, 2}));
  std::shared_ptr<const Measure> target =
      gaussian(at::tensor({0.5, -0.3}), at::tensor({0.7, 0.3, 0.3, 1.8}).view({2, 2}));

  Problem problem(std::uint64_t seed) const { return make_problem(source, target, seed); }

  /// L2-UVP against the optimal map, %.
  double error(const TransportMap& map) const {
    Random random(33, "points");
    const Tensor x = source->sample(2000, random);
    const AffineMap truth = bures_wasserstein_map(*source->moments(), *target->moments());
    return l2_uvp(map.transport(x), AffineTransportMap(truth).transport(x),
                  target->moments()->covariance.trace().item<double>());
  }
  /// How far the mapped points are from the target.
  double distance(const TransportMap& map) const {
    Random random(34, "points");
    const Tensor x = source->sample(2000, random), y = target->sample(2000, random);
    return energy_distance(map.transport(x), y);
  }
};

Pair shifted() {
  return {gaussian(at::zeros({2}), at::eye(2)), gaussian(at::tensor({0.8, -0.6}), at::eye(2))};
}

AdversarialOptions settings(const char* divergence, const char* start = "identity") {
  return {.divergence = divergence,
          .start = start,
          .map_activation = "elu",
          .batch = 128,
          .learning_rate = 2e-3};
}

const MlpOptions small{.hidden = {32, 32}, .activation = "elu"};

struct Fitted {
  std::shared_ptr<const TransportMap> map;
  double loss;  // the mean of the last 50 steps
};

Fitted fit(const Pair& pair, const AdversarialOptions& options, std::int64_t steps) {
  Random random(1, "network");
  Adversarial solver(2, options, small, random);
  Problem problem = pair.problem(3);
  solver.start(problem, random);
  double loss = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    const StepReport report =
        solver.step(problem, 1 - static_cast<double>(step) / static_cast<double>(steps));
    EXPECT_TRUE(report.finite);
    if (step >= steps - 50) loss += report.loss / 50;
  }
  return {solver.solution().map, loss};
}

/// With a map that stays, the potential's objective is W1 plus what the soft constraint gives away:
/// a slope about 1 + W1 / (2 penalty) is the best one, and the value about W1 + W1² / (4 penalty).
TEST(Adversarial, ThePotentialOfW1FindsTheDistanceOfATranslation) {
  AdversarialOptions options = settings("w1");
  options.map_learning_rate = 1e-12;
  EXPECT_NEAR(fit(shifted(), options, 300).loss, 1 + 1.0 / 40, 0.05);
}

/// Likewise for W2: ½ |shift|² and what the soft constraint gives away, less for a larger penalty.
TEST(Adversarial, ThePotentialsOfW2FindTheDistanceOfATranslation) {
  AdversarialOptions options = settings("w2");
  options.map_learning_rate = 1e-12;
  const auto excess = [&](double penalty) {
    options.penalty = penalty;
    return fit(shifted(), options, 500).loss - 0.5;
  };
  const double soft = excess(20), hard = excess(500);
  EXPECT_GT(hard, -0.03);
  EXPECT_LT(hard, 0.06);
  EXPECT_GT(soft, hard);
}

/// Steps in the parameters are steps along the geodesic only where the source is white: from
/// another source the target is reached by another map.
TEST(Adversarial, W2ganLearnsTheOptimalMapOfAWhiteSource) {
  Pair pair;
  EXPECT_LT(pair.distance(*fit(pair, settings("w2"), 500).map), 0.01);
  pair.source = gaussian(at::zeros({2}), at::eye(2));
  EXPECT_LT(pair.error(*fit(pair, settings("w2"), 500).map), 3);
}

TEST(Adversarial, W1lpReachesTheTarget) {
  const Pair pair;
  for (const char* start : {"identity", "random"})
    EXPECT_LT(pair.distance(*fit(pair, settings("w1", start), 600).map), 0.02) << start;
}

TEST(Adversarial, LearnsNothingWithoutUpdates) {
  const Pair pair;
  for (const char* divergence : {"w1", "w2"}) {
    AdversarialOptions options = settings(divergence);
    options.learning_rate = 1e-12;
    const Fitted fitted = fit(pair, options, 100);
    EXPECT_GT(pair.error(*fitted.map), 8) << divergence;
    EXPECT_GT(pair.distance(*fitted.map), 0.06) << divergence;
  }
}

TEST(Adversarial, StartsAtTheIdentityWhereAsked) {
  Random random(1, "network");
  const Tensor x = random.normal({50, 2});
  const Adversarial identity(2, settings("w2"), small, random);
  EXPECT_TRUE(at::equal(identity.solution().map->transport(x), x));
  const Adversarial drawn(2, settings("w2", "random"), small, random);
  EXPECT_FALSE(at::allclose(drawn.solution().map->transport(x), x, 0, 0.1));
}

TEST(Adversarial, ARestoredSolverGoesOnWithTheSameNumbers) {
  const Pair pair;
  for (const char* divergence : {"w1", "w2"}) {
    const auto made = [&](std::uint64_t seed) {
      Random random(seed, "network");
      AdversarialOptions options = settings(divergence);
      options.batch = 32;
      return Adversarial(2, options, small, random);
    };
    Adversarial first = made(5), second = made(6);
    Problem problem = pair.problem(3), other = pair.problem(4);
    Random random(7, "start");
    first.start(problem, random);
    for (int step = 0; step < 5; ++step) first.step(problem, 1);
    State copy;
    for (const auto& [name, tensor] : first.state()) copy[name] = tensor.detach().clone();
    second.restore(copy);
    other.restore(problem.state());
    for (int step = 0; step < 5; ++step)
      ASSERT_EQ(first.step(problem, 0.5).loss, second.step(other, 0.5).loss) << divergence;
    for (const auto& [name, tensor] : first.state())
      EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
    copy.erase("between");
    EXPECT_THROW(second.restore(copy), Error);
  }
}

}  // namespace
}  // namespace monge
