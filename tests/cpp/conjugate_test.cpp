#include "monge/conjugate.h"

#include "monge/networks/dense_icnn.h"

#include "error_text.h"
#include "kernel_fixture.h"

#include <ATen/Parallel.h>

#include <functional>

namespace monge {
namespace {

/// A potential of a test's own, from formulas of its value and its gradient.
class Formula final : public Potential {
 public:
  using Of = std::function<Tensor(const Tensor& x)>;
  Formula(std::int64_t dimension, Of value, Of gradient)
      : dimension_(dimension), value_(std::move(value)), gradient_(std::move(gradient)) {}

  std::int64_t dimension() const override { return dimension_; }
  Tensor value(const Tensor& x, Graph) const override { return value_(x); }
  ValueAndGradient value_and_gradient(const Tensor& x, Graph) const override {
    points_ += x.size(0);
    return {value_(x), gradient_(x)};
  }
  State parameters() const override { return {}; }
  std::string name() const override { return "formula"; }
  Table options() const override { return {}; }

  /// Points that a gradient was asked of.
  std::int64_t points() const { return points_; }

 private:
  std::int64_t dimension_;
  Of value_, gradient_;
  mutable std::int64_t points_ = 0;
};

/// ½ xᵀ A x + bᵀ x.
Formula quadratic(const Tensor& a, const Tensor& b) {
  return {a.size(0), [=](const Tensor& x) { return 0.5 * (x.mm(a) * x).sum(1) + x.mv(b); },
          [=](const Tensor& x) { return x.mm(a) + b; }};
}

/// A symmetric matrix with the given eigenvalues, float64.
Tensor with_eigenvalues(const Tensor& values, Random& random) {
  const std::int64_t d = values.size(0);
  const Tensor basis = std::get<0>(at::linalg_qr(random.normal({d, d}).to(at::kDouble)));
  return (basis * values).mm(basis.t());
}

Tensor spread_eigenvalues(std::int64_t d, double low, double high) {
  return at::logspace(std::log10(low), std::log10(high), d, 10, at::kDouble);
}

DenseIcnn network(std::int64_t dimension, at::ScalarType dtype) {
  Random random(51, "network");
  DenseIcnn psi(dimension, {.rank = 2, .hidden = {24, 16}, .input_scale = 1},
                DenseIcnn::Initial::paper, random, dtype);
  const at::NoGradGuard no_graph;
  psi.parameters().at("skip.quadratic").fill_(0.3);
  psi.parameters().at("input.bias").copy_(random.normal({40}));
  return psi;
}

double largest(const Tensor& tensor) { return tensor.abs().max().item<double>(); }

template <class T>
class ConjugateOf : public KernelTest<T> {
 public:
  // What the searches are held to, and with it the answers of a potential of curvature about 1.
  static constexpr double tolerance = std::is_same_v<T, float> ? 1e-4 : 1e-11;
  Random random{52, "conjugate"};
  Tensor draw(at::IntArrayRef shape) { return random.normal(shape).to(this->dtype); }
};
TYPED_TEST_SUITE(ConjugateOf, Numbers);

TYPED_TEST(ConjugateOf, AQuadraticIsItsClosedForm) {
  for (const std::int64_t d : {1, 2, 5, 17}) {
    const Tensor exact = with_eigenvalues(spread_eigenvalues(d, 0.5, 4), this->random);
    const Tensor a = exact.to(this->dtype), b = this->draw({d}), y = 2 * this->draw({300, d});
    const Conjugate found = conjugate(quadratic(a, b), y, {.tolerance = this->tolerance});
    const Tensor gap = (y - b).to(at::kDouble);
    const Tensor argmax = gap.mm(at::linalg_inv(exact));
    EXPECT_LT(largest(found.argmax - argmax), 20 * this->tolerance) << d;
    const Tensor value = 0.5 * (argmax * gap).sum(1);
    EXPECT_LT(largest((found.value - value) / (1 + value)), 1e-5) << d;
    const Tensor r = y - found.argmax.mm(a) - b;
    EXPECT_LE(largest(found.residual), this->tolerance) << d;
    EXPECT_LT(largest(found.residual - r.square().mean(1).sqrt()), 0.1 * this->tolerance) << d;
    EXPECT_EQ(found.value.scalar_type(), this->dtype);
  }
}

TYPED_TEST(ConjugateOf, CountsTheGradientsOfAPoint) {
  const Formula psi = quadratic(at::eye(3, this->dtype), at::zeros({3}, this->dtype));
  const Tensor y = this->draw({100, 3});
  EXPECT_EQ(conjugate(psi, y).evaluations, 1);  // it begins at y, which is the answer
  EXPECT_EQ(psi.points(), 100);
  const Conjugate far = conjugate(psi, y, {}, y + 1);
  EXPECT_EQ(far.evaluations, 2);
  EXPECT_EQ(psi.points(), 300);
}

TYPED_TEST(ConjugateOf, ManyPointsTogetherFindWhatEachFindsAlone) {
  const std::int64_t d = 3, n = 1000;
  const DenseIcnn psi = network(d, this->dtype);
  const Tensor y = psi.gradient(2 * this->draw({n, d}), Graph::none);
  const ConjugateOptions options{.tolerance = this->tolerance, .evaluations = 200};
  const Conjugate together = conjugate(psi, y, options);
  for (std::int64_t i = 0; i < n; i += 37) {
    const Conjugate alone = conjugate(psi, y.narrow(0, i, 1), options);
    EXPECT_LT(largest(together.argmax[i] - alone.argmax[0]), 20 * this->tolerance) << i;
    EXPECT_NEAR(together.value[i].template item<double>(), alone.value[0].template item<double>(),
                1e-4);
  }
}

TYPED_TEST(ConjugateOf, AStiffQuadraticNeedsWhatTheRingRemembers) {
  const std::int64_t d = 20;
  const Tensor a = with_eigenvalues(spread_eigenvalues(d, 1e-2, 1e2), this->random);
  const Tensor b = at::zeros({d}, this->dtype), x = this->draw({50, d});
  const Formula psi = quadratic(a.to(this->dtype), b);
  const Conjugate found =
      conjugate(psi, x.mm(a.to(this->dtype)), {.tolerance = 1e-3, .evaluations = 400});
  EXPECT_LE(largest(found.residual), 1e-3);
  EXPECT_LT(found.evaluations, 220);  // 172; 260 where only the last step is remembered
}

/// A trial that goes too far is not taken and shortens the next one.
TYPED_TEST(ConjugateOf, AGradientThatGrowsFastIsReached) {
  const Formula psi(
      2, [](const Tensor& x) { return 0.25 * x.pow(4).sum(1); },
      [](const Tensor& x) { return x.pow(3); });
  const Tensor x = 2 * this->draw({500, 2});
  const Tensor y = x.pow(3);
  const Conjugate found = conjugate(psi, y, {.tolerance = 1e-3, .evaluations = 100});
  EXPECT_LE(largest(found.residual), 1e-3);
  EXPECT_LT(largest(found.argmax.pow(3) - y), 3e-3);
}

/// Of -(1 - x²)^½, whose gradient is no number where |x| > 1.
TYPED_TEST(ConjugateOf, ATrialWithoutAGradientIsTakenBack) {
  const Formula psi(
      2, [](const Tensor& x) { return -(1 - x.square()).sqrt().sum(1); },
      [](const Tensor& x) { return x / (1 - x.square()).sqrt(); });
  const Tensor y = 1 + 3 * this->draw({300, 2}).abs();
  const Conjugate found = conjugate(psi, y, {.tolerance = 1e-3}, at::zeros_like(y));
  EXPECT_LE(largest(found.residual), 1e-3);
  EXPECT_LT(largest(found.argmax - y / (1 + y.square()).sqrt()), 1e-3);
}

TYPED_TEST(ConjugateOf, EndsInTheBoxWhereTheMaximiserIsOutside) {
  for (const std::int64_t d : {1, 2, 6, 20}) {
    const Tensor exact = with_eigenvalues(spread_eigenvalues(d, 0.2, 5), this->random);
    const Tensor a = exact.to(this->dtype), b = this->draw({d}), y = 3 * this->draw({400, d});
    const Tensor low = at::full({d}, -0.8, y.options()), high = at::full({d}, 0.5, y.options());
    const Conjugate found =
        conjugate(quadratic(a, b), y,
                  {.tolerance = this->tolerance, .evaluations = 300, .low = low, .high = high});
    const Tensor inside = (found.argmax >= low).logical_and(found.argmax <= high);
    EXPECT_TRUE(inside.all().template item<bool>()) << d;
    EXPECT_LE(largest(found.residual), this->tolerance) << d;
    // Projected gradients, which find the same slowly.
    const Tensor gap = (y - b).to(at::kDouble);
    Tensor plain = at::zeros_like(gap);
    for (int i = 0; i < 1000; ++i) plain = (plain + 0.2 * (gap - plain.mm(exact))).clamp(-0.8, 0.5);
    EXPECT_LT(largest(found.argmax - plain), 20 * this->tolerance + 1e-6) << d;
    EXPECT_GT((plain == 0.5).sum().template item<std::int64_t>(), 20) << d;
  }
}

TYPED_TEST(ConjugateOf, AGradientOutOfReachEndsAboveTheTolerance) {
  const Formula softplus(
      2, [](const Tensor& x) { return at::softplus(x).sum(1); },
      [](const Tensor& x) { return at::sigmoid(x); });
  const Tensor y = at::tensor({0.5, 0.25, 2.0, 0.5, -1.0, 3.0}).view({3, 2}).to(this->dtype);
  const Conjugate found = conjugate(softplus, y);
  EXPECT_LE(found.residual[0].template item<double>(), 1e-4);
  EXPECT_GT(found.residual[1].template item<double>(), 0.5);
  EXPECT_GT(found.residual[2].template item<double>(), 0.5);
  // psi* is infinite at the last two; in a box it is finite everywhere.
  EXPECT_TRUE(at::equal(found.unbounded.to(at::kLong), at::tensor({0, 1, 1}, at::kLong)));
  EXPECT_FALSE(found.not_convex.any().template item<bool>());
  const Tensor side = at::full({2}, 5.0, this->dtype);
  const Conjugate boxed = conjugate(softplus, y, {.low = -side, .high = side});
  EXPECT_FALSE(boxed.unbounded.any().template item<bool>());
  EXPECT_TRUE(found.argmax.isfinite().all().template item<bool>());
  EXPECT_TRUE(found.value.isfinite().all().template item<bool>());
}

TYPED_TEST(ConjugateOf, AConcaveFunctionEndsAboveTheTolerance) {
  const Formula concave = quadratic(-at::eye(3, this->dtype), at::zeros({3}, this->dtype));
  const Tensor y = 1 + this->draw({40, 3}).abs();
  const Conjugate found = conjugate(concave, y);
  EXPECT_GT(found.residual.min().template item<double>(), 0.1);
  EXPECT_TRUE(found.not_convex.all().template item<bool>());
  EXPECT_FALSE(found.unbounded.any().template item<bool>());
  EXPECT_TRUE(found.argmax.isfinite().all().template item<bool>());
}

TYPED_TEST(ConjugateOf, APointThatIsNotANumberLeavesTheOthersAlone) {
  const Formula psi = quadratic(2 * at::eye(2, this->dtype), at::zeros({2}, this->dtype));
  const Tensor y = at::ones({3, 2}, this->dtype);
  y[1][0] = NAN;
  const Conjugate found = conjugate(psi, y);
  EXPECT_LT(largest(found.argmax[0] - 0.5), 1e-3);
  EXPECT_LT(largest(found.argmax[2] - 0.5), 1e-3);
  EXPECT_TRUE(found.residual[1].isnan().template item<bool>());
}

TEST(Conjugate, OfANetworkIsExactInFloat64) {
  Random random(53, "points");
  for (const std::int64_t d : {1, 2, 9}) {
    const DenseIcnn psi = network(d, at::kDouble);
    const Tensor x = random.normal({200, d}).to(at::kDouble), other = random.normal({200, d});
    const auto [value, y] = psi.value_and_gradient(x, Graph::none);
    const Conjugate found = conjugate(psi, y, {.tolerance = 1e-11, .evaluations = 500});
    EXPECT_LT(largest(found.argmax - x), 1e-10) << d;
    // Fenchel's inequality, an equality at the gradient.
    EXPECT_LT(largest(value + found.value - (x * y).sum(1)), 1e-10) << d;
    const Tensor elsewhere = other.to(at::kDouble);
    const Tensor gap = psi.value(elsewhere, Graph::none) + found.value - (elsewhere * y).sum(1);
    EXPECT_GE(gap.min().item<double>(), -1e-10) << d;
  }
}

/// The search of a network in float32 has loops of its own; behind a formula the network takes
/// those of any potential.
TEST(Conjugate, OfANetworkInFloat32IsThatOfAnyPotential) {
  Random random(54, "points");
  const int before = at::get_num_threads();
  for (const std::int64_t d : {2, 17}) {
    const DenseIcnn psi = network(d, at::kFloat);
    const Formula same(
        d, [&](const Tensor& x) { return psi.value(x, Graph::none); },
        [&](const Tensor& x) { return psi.gradient(x, Graph::none); });
    const Tensor y = psi.gradient(random.normal({777, d}), Graph::none);
    const Conjugate plain = conjugate(same, y);
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      const Conjugate fast = conjugate(psi, y);
      at::set_num_threads(before);
      EXPECT_LE(largest(fast.residual), 1e-4) << d;
      EXPECT_FALSE(fast.not_convex.logical_or(fast.unbounded).any().item<bool>()) << d;
      EXPECT_LT(largest(fast.argmax - plain.argmax), 5e-3) << d;
      EXPECT_LT(largest(fast.value - plain.value), 1e-3) << d;
      EXPECT_NEAR(fast.evaluations, plain.evaluations, 0.2) << d;
    }
  }
}

TEST(Conjugate, BeginsAtTheStart) {
  Random random(55, "points");
  const DenseIcnn psi = network(2, at::kFloat);
  const Tensor x = random.normal({100, 2}), y = psi.gradient(x, Graph::none);
  EXPECT_EQ(conjugate(psi, y, {}, x).evaluations, 1);
  EXPECT_GT(conjugate(psi, y).evaluations, 2);
  const Tensor start = at::zeros({100, 2});
  conjugate(psi, y, {}, start);
  EXPECT_EQ(largest(start), 0);  // the caller's own is not written to
}

TEST(Conjugate, OfNoPointIsEmpty) {
  const DenseIcnn psi = network(2, at::kFloat);
  const Conjugate found = conjugate(psi, at::empty({0, 2}));
  EXPECT_EQ(found.value.sizes(), at::IntArrayRef{0});
  EXPECT_EQ(found.argmax.sizes(), (at::IntArrayRef{0, 2}));
  EXPECT_EQ(found.residual.sizes(), at::IntArrayRef{0});
  EXPECT_EQ(found.evaluations, 0);
}

TEST(Conjugate, RefusesWhatItCannotSearch) {
  const DenseIcnn psi = network(2, at::kFloat);
  const Tensor y = at::zeros({3, 2}), side = at::zeros({2});
  const auto refusal = [&](const Tensor& points, const ConjugateOptions& options = {},
                           const Tensor& start = {}) {
    return error_text([&] { conjugate(psi, points, options, start); });
  };
  expect_message(refusal(at::zeros({3, 4})), "conjugate: expected points [n, 2], got [3, 4]");
  expect_message(refusal(at::zeros({2})), "conjugate: expected points [n, 2], got [2]");
  expect_message(refusal(y, {}, at::zeros({4, 2})),
                 "conjugate: expected starts [3, 2], got [4, 2]");
  expect_message(refusal(y, {.tolerance = 0}), "conjugate: tolerance");
  expect_message(refusal(y, {.tolerance = -1}), "got -1");
  expect_message(refusal(y, {.tolerance = NAN}), "got nan");
  expect_message(refusal(y, {.evaluations = 0}), "conjugate: evaluations: expected at least 1");
  expect_message(refusal(y, {.low = side}), "both sides of a box");
  expect_message(refusal(y, {.high = side}), "both sides of a box");
  expect_message(refusal(y, {.low = at::zeros({3}), .high = at::ones({3})}),
                 "expected a box [2], got [3]");
  expect_message(refusal(y, {.low = side + 1, .high = side}), "low side");
  expect_message(refusal(y, {.low = at::full({2}, NAN), .high = side}), "low side");
  expect_message(refusal(y.to(at::kDouble)), "conjugate");
  expect_message(refusal(y.to(at::kLong)), "conjugate");
  EXPECT_EQ(refusal(y, {.low = side, .high = side}), "");
}

TEST(ConjugateMap, InvertsABrenierMapInItsFrame) {
  Random random(56, "points");
  for (const std::int64_t d : {2, 5}) {
    const auto psi = std::make_shared<DenseIcnn>(network(d, at::kFloat));
    const auto moments = [&](double low, double high) {
      return Moments{3 * random.normal({d}).to(at::kDouble),
                     with_eigenvalues(spread_eigenvalues(d, low, high), random)};
    };
    const AffineFrame frame = bures_wasserstein_frame(moments(0.2, 3), moments(1, 20));
    const BrenierMap forward(psi, frame.to_dtype(at::kFloat));
    const ConjugateMap inverse(psi, frame.inverse().to_dtype(at::kFloat), {.tolerance = 1e-5});
    EXPECT_EQ(inverse.dimension(), d);
    // More than one block of the map.
    const Tensor x = frame.from.to(at::kFloat) + random.normal({20000, d});
    const Tensor back = inverse.transport(forward.transport(x));
    const double spread = (x - x.mean(0)).norm().item<double>();
    EXPECT_LT((back - x).norm().item<double>() / spread, 1e-3) << d;
    EXPECT_EQ(inverse.transport(x.narrow(0, 0, 0)).size(0), 0);
    const ConjugateMap::Unfinished searches = inverse.unfinished(forward.transport(x));
    EXPECT_LT(searches.share, 0.05) << d;
    EXPECT_EQ(searches.not_convex + searches.unbounded, 0) << d;
  }
}

TEST(ConjugateMap, RefusesABoxOfAnotherDimension) {
  const auto psi = std::make_shared<DenseIcnn>(network(2, at::kFloat));
  const AffineFrame frame = identity_frame(2).to_dtype(at::kFloat);
  expect_message(
      error_text([&] { ConjugateMap(psi, frame, {.low = at::zeros({3}), .high = at::ones({3})}); }),
      "expected a box [2], got [3]");
}

}  // namespace
}  // namespace monge
