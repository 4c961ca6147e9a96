#include "solvers/amortised_conjugate.h"

#include "monge/conjugate.h"

namespace monge {
namespace {

using Loss = AmortisedConjugate::Loss;

struct Guessing {
  ProcessGroup alone;
  Random random{81, "points"};
  DenseIcnn psi{3, {.hidden = {16, 16, 8}}, DenseIcnn::Initial::paper, random};

  Tensor targets(std::int64_t n) {
    return psi.gradient(0.7 * random.normal({n, psi.dimension()}), Graph::none);
  }
  /// Root mean square of what guesses for fresh points miss, after so many steps.
  double error(Loss loss, int steps, double rate) {
    Random init(82, "network");
    AmortisedConjugate guesses(psi.dimension(), loss, 64, init);
    const auto maximisers = [&](const Tensor& y) {
      return conjugate(psi, y, {.tolerance = 1e-4, .evaluations = 200}).argmax;
    };
    for (int step = 0; step < steps; ++step) {
      const Tensor y = targets(64);
      guesses.starts(y);
      guesses.learn(psi, maximisers(y), rate, Exchange(alone, 64));
    }
    const Tensor y = targets(64);
    return (guesses.starts(y) - maximisers(y)).square().mean().sqrt().item().toDouble();
  }
};

TEST(AmortisedConjugate, IsTheIdentityAtFirst) {
  Random random(83, "network");
  AmortisedConjugate guesses(3, Loss::regression, 20, random);
  const Tensor y = random.normal({20, 3});
  EXPECT_TRUE(at::equal(guesses.starts(y), y));
}

TEST(AmortisedConjugate, BothLossesLearnTheMaximisers) {
  const double before = Guessing().error(Loss::regression, 0, 1);
  ASSERT_GT(before, 0.1);
  for (const Loss loss : {Loss::regression, Loss::objective}) {
    EXPECT_LT(Guessing().error(loss, 300, 3), 0.35 * before);
    EXPECT_NEAR(Guessing().error(loss, 30, 0), before, 0.3 * before);  // nothing is learned
  }
}

TEST(AmortisedConjugate, ARestoredOneGoesOnAlike) {
  Guessing one;
  Random first_random(84, "network"), second_random(85, "network");
  AmortisedConjugate first(3, Loss::regression, 16, first_random);
  AmortisedConjugate second(3, Loss::regression, 16, second_random);
  const Tensor y = one.random.normal({16, 3}), found = one.random.normal({16, 3});
  const auto step = [&](AmortisedConjugate& guesses) {
    guesses.starts(y);
    guesses.learn(one.psi, found, 1, Exchange(one.alone, 16));
  };
  step(first);
  second.restore(first.state());
  step(first);
  step(second);
  EXPECT_TRUE(at::equal(first.starts(y), second.starts(y)));
}

}  // namespace
}  // namespace monge
