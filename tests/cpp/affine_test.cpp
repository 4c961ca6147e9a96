#include "monge/affine.h"

#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"

namespace monge {
namespace {

const auto kDouble = at::TensorOptions(at::kDouble);

Tensor vector(std::vector<double> values) { return at::tensor(values, kDouble); }

Moments random_moments(std::int64_t d, const char* name, double low = 0.3, double high = 3) {
  Random random(7, name);
  const Tensor covariance = random_covariance(d, low, high, random);
  return {random.normal({d}).to(at::kDouble), covariance};
}

double gap(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

/// tr(S²) / tr(S), from samples and from moments, in any space that the points lie in.
TEST(EffectiveVariance, IsThatOfTheDirectionsThatAMeasureFills) {
  Random random(12, "points");
  const Tensor plane = (random.normal({20000, 2}) * vector({2, 1})).to(at::kFloat) + 100;
  const Tensor turned = std::get<0>(at::linalg_qr(random.normal({300, 300}))).narrow(0, 0, 2);
  const double truth = (16.0 + 1) / (4 + 1);
  const double flat = effective_variance(ArrayMeasure(plane), random);
  EXPECT_NEAR(flat, truth, 0.05 * truth);
  const ArrayMeasure embedded(plane.matmul(turned.to(at::kFloat)));
  EXPECT_NEAR(effective_variance(embedded, random), flat, 1e-4 * flat);
  const Moments known{at::zeros({3}, at::kDouble), at::diag(vector({4, 1, 0}))};
  EXPECT_DOUBLE_EQ(effective_variance(GaussianMeasure(known), random), truth);
}

/// White noise in as many dimensions as there are points and in more, whose plain covariance would
/// give 2 and 52; of a line of five points the variance.
TEST(EffectiveVariance, OfFewPointsIsNotThatOfTheirOwnSpace) {
  Random random(13, "points");
  EXPECT_NEAR(effective_variance(ArrayMeasure(random.normal({200, 200})), random), 1, 0.05);
  EXPECT_NEAR(effective_variance(ArrayMeasure(random.normal({5, 256})), random), 1, 0.7);
  const Tensor line = at::arange(5, at::kFloat).unsqueeze(1);
  EXPECT_NEAR(effective_variance(ArrayMeasure(line), random), 2.5, 1e-9);
}

/// One point in a thousand apart: nothing but it varies.
TEST(EffectiveVariance, OfARarePointIsItsVariance) {
  Random random(14, "points");
  Tensor rows = at::zeros({1000, 2}, at::kFloat);
  rows[0].fill_(1);
  EXPECT_NEAR(effective_variance(ArrayMeasure(rows), random), 2e-3, 2e-5);
}

TEST(EffectiveVariance, OfEqualPointsIsNothing) {
  Random random(15, "points");
  EXPECT_EQ(effective_variance(ArrayMeasure(at::ones({5, 2}, at::kFloat)), random), 0);
  EXPECT_EQ(effective_variance(ArrayMeasure(at::ones({1, 2}, at::kFloat)), random), 0);
}

TEST(Affine, EmpiricalMomentsAreThoseOfTheRowsWhateverTheOffset) {
  const Tensor rows = vector({1, 2, 3, 6, 5, 4}).view({3, 2});
  for (const double offset : {0.0, 1e6}) {
    const Moments moments = empirical_moments(rows + offset);
    EXPECT_LT(gap(moments.mean, vector({3, 4}) + offset), 1e-9);
    EXPECT_LT(gap(moments.covariance, vector({4, 2, 2, 4}).view({2, 2})), 1e-6);
  }
  EXPECT_THROW(empirical_moments(at::zeros({1, 2})), Error);
  EXPECT_THROW(empirical_moments(at::full({3, 2}, NAN)), Error);
}

TEST(Affine, EmpiricalMomentsOfManyBlocksEqualTheDirectFormula) {
  const Tensor rows = Random(1, "rows").normal({10000, 3}).to(at::kDouble);
  const Tensor centred = rows - rows.mean(0);
  const Moments moments = empirical_moments(rows);
  EXPECT_LT(gap(moments.mean, rows.mean(0)), 1e-13);
  EXPECT_LT(gap(moments.covariance, centred.t().matmul(centred) / 9999), 1e-13);
}

TEST(Affine, SampledMomentsOfAFiniteMeasureUseEveryPointOnce) {
  const Tensor rows = Random(2, "rows").normal({9000, 2});
  Random random(3, "draws");
  const Moments moments = sampled_moments(ArrayMeasure(rows), random);
  EXPECT_LT(gap(moments.covariance, empirical_moments(rows).covariance), 1e-12);
  const Moments one = sampled_moments(ArrayMeasure(rows.narrow(0, 0, 1)), random);
  EXPECT_EQ(gap(one.covariance, at::zeros({2, 2}, kDouble)), 0);
}

// 65536 draws: six standard errors, false alarm below 1e-7.
TEST(Affine, SampledMomentsOfAGaussianAreNearItsOwn) {
  const Moments truth = random_moments(3, "sampled");
  Random random(4, "draws");
  const Moments moments = sampled_moments(GaussianMeasure(truth), random);
  const double largest = truth.covariance.diagonal().max().item<double>();
  EXPECT_LT(gap(moments.mean, truth.mean), 6 * std::sqrt(largest / 65536));
  EXPECT_LT(gap(moments.covariance, truth.covariance), 6 * largest * std::sqrt(2.0 / 65536));
}

TEST(Affine, OneDimensionalMapIsTheRatioOfDeviations) {
  const Moments p{vector({1}), vector({4}).view({1, 1})}, q{vector({-2}), vector({9}).view({1, 1})};
  const AffineMap map = bures_wasserstein_map(p, q);
  EXPECT_NEAR(map.matrix.item<double>(), 1.5, 1e-12);
  EXPECT_NEAR(map.offset.item<double>(), -3.5, 1e-12);
  EXPECT_NEAR(bures_wasserstein_squared(p, q), 9 + 1, 1e-12);
}

TEST(Affine, DiagonalCovariancesAreMappedCoordinateByCoordinate) {
  const Tensor variances_p = vector({1, 4, 0.25}), variances_q = vector({9, 1, 0.25});
  const Moments p{at::zeros({3}, kDouble), at::diag(variances_p)};
  const Moments q{at::zeros({3}, kDouble), at::diag(variances_q)};
  const Tensor expected = (variances_q / variances_p).sqrt();
  EXPECT_LT(gap(bures_wasserstein_map(p, q).matrix, at::diag(expected)), 1e-12);
  EXPECT_NEAR(bures_wasserstein_squared(p, q), 4 + 1 + 0, 1e-12);
}

TEST(Affine, CommutingCovariancesGiveTheQuotientOfTheirRoots) {
  const Moments p = random_moments(5, "commuting");
  const Moments q{p.mean, p.covariance.matmul(p.covariance)};
  const AffineMap map = bures_wasserstein_map(p, q);
  EXPECT_LT(gap(map.matrix.matmul(map.matrix), p.covariance), 1e-10);  // A = Sp^½
}

TEST(Affine, TranslationAndScalingAreRecovered) {
  const Moments p = random_moments(6, "shifted");
  const Tensor shift = at::arange(6, kDouble);
  const AffineMap moved = bures_wasserstein_map(p, {p.mean + shift, p.covariance});
  EXPECT_LT(gap(moved.matrix, at::eye(6, kDouble)), 1e-11);
  EXPECT_LT(gap(moved.offset, shift), 1e-10);
  EXPECT_NEAR(bures_wasserstein_squared(p, {p.mean + shift, p.covariance}), 55, 1e-10);
  const AffineMap scaled = bures_wasserstein_map(p, {3 * p.mean, 9 * p.covariance});
  EXPECT_LT(gap(scaled.matrix, 3 * at::eye(6, kDouble)), 1e-11);
  EXPECT_LT(gap(scaled.offset, at::zeros({6}, kDouble)), 1e-10);
}

TEST(Affine, MapIsSymmetricPositiveAndPushesTheMomentsForward) {
  for (const std::int64_t d : {2, 8, 32}) {
    const Moments p = random_moments(d, "p"), q = random_moments(d, "q");
    const auto [a, b] = bures_wasserstein_map(p, q);
    EXPECT_LT(gap(a, a.t()), 1e-12);
    EXPECT_GT(at::linalg_eigvalsh(a).min().item<double>(), 0);
    EXPECT_LT(gap(a.matmul(p.covariance).matmul(a), q.covariance), 1e-9);
    EXPECT_LT(gap(a.mv(p.mean) + b, q.mean), 1e-10);
    // W2² = E|X - T(X)|² = |mp - mq|² + tr (I - A) Sp (I - A).
    const Tensor rest = at::eye(d, kDouble) - a;
    const double moved = rest.matmul(p.covariance).matmul(rest).trace().item<double>() +
                         (p.mean - q.mean).square().sum().item<double>();
    EXPECT_NEAR(bures_wasserstein_squared(p, q), moved, 1e-9 * moved);
    EXPECT_NEAR(bures_wasserstein_squared(q, p), moved, 1e-9 * moved);
  }
}

TEST(Affine, SingularSourceIsMappedOnItsRangeAlone) {
  const Tensor direction = vector({3, 4}) / 5;
  const Moments p{vector({1, 1}), 4 * at::outer(direction, direction)};
  const Moments q{vector({0, 2}), at::outer(direction, direction)};
  const auto [a, b] = bures_wasserstein_map(p, q);
  EXPECT_LT(gap(a, 0.5 * at::outer(direction, direction)), 1e-10);
  EXPECT_LT(gap(a.mv(p.mean) + b, q.mean), 1e-12);
  EXPECT_NEAR(bures_wasserstein_squared(p, q), 2 + 1, 1e-12);
  const Moments point{at::zeros({2}, kDouble), at::zeros({2, 2}, kDouble)};
  EXPECT_EQ(gap(bures_wasserstein_map(point, q).matrix, at::zeros({2, 2}, kDouble)), 0);
  EXPECT_NEAR(bures_wasserstein_squared(point, q), 4 + 1, 1e-12);
}

TEST(Affine, DistanceOfASingularMeasureToItselfIsZero) {
  const Moments p = random_moments(4, "flat");
  const Tensor flat = p.covariance.matmul(at::diag(vector({1, 1, 0, 0}))).matmul(p.covariance);
  EXPECT_NEAR(bures_wasserstein_squared({p.mean, flat}, {p.mean, flat}), 0, 1e-12);
}

TEST(Affine, WrongMomentsAreRefused) {
  const Moments p = random_moments(2, "p"), three = random_moments(3, "q");
  EXPECT_THROW(bures_wasserstein_map(p, three), Error);
  EXPECT_THROW(bures_wasserstein_frame(p, {p.mean, at::full({2, 2}, NAN, kDouble)}), Error);
}

class AffineFrameOf : public testing::TestWithParam<std::int64_t> {
 protected:
  Moments p = random_moments(GetParam(), "frame p"), q = random_moments(GetParam(), "frame q");
  AffineFrame frame = bures_wasserstein_frame(p, q);
  Tensor x = Random(5, "x").normal({50, GetParam()}).to(at::kDouble);
  Tensor y = Random(6, "y").normal({50, GetParam()}).to(at::kDouble);
};

TEST_P(AffineFrameOf, AffineMapBecomesTheIdentity) {
  const auto [a, b] = bures_wasserstein_map(p, q);
  EXPECT_LT(gap(frame.leave(frame.enter(x)), x.matmul(a.t()) + b), 1e-9);
}

TEST_P(AffineFrameOf, BothCovariancesBecomeTheSameDiagonalOfMeanOne) {
  const auto entered = [](const AffineFrame& by, const Moments& moments) {
    return by.matrix.matmul(moments.covariance).matmul(by.matrix.t()) / (by.scale * by.scale);
  };
  const Tensor source = entered(frame, p), target = entered(frame.inverse(), q);
  EXPECT_LT(gap(source, at::diag(source.diagonal())), 1e-10);
  EXPECT_LT(gap(source, target), 1e-9);
  EXPECT_NEAR(source.diagonal().mean().item<double>(), 1, 1e-12);
  EXPECT_LT(gap(frame.enter(p.mean.unsqueeze(0)), at::zeros({1, GetParam()}, kDouble)), 1e-12);
}

TEST_P(AffineFrameOf, InverseFrameInverts) {
  const AffineFrame inverse = frame.inverse();
  EXPECT_LT(gap(inverse.leave(inverse.enter(frame.leave(frame.enter(x)))), x), 1e-9);
  // A point's coordinates as an image of T are its coordinates as a start of T⁻¹.
  EXPECT_LT(gap(inverse.enter(frame.leave(x)), x), 1e-9);
  EXPECT_LT(gap(inverse.inverse().matrix, frame.matrix), 1e-9);
}

TEST_P(AffineFrameOf, DualProductKeepsItsValueUpToTheScale) {
  const Tensor before = ((x - frame.from) * (y - frame.to)).sum(1);
  const Tensor after = (frame.enter(x) * frame.inverse().enter(y)).sum(1);
  EXPECT_LT(gap(before, frame.scale * frame.scale * after), 1e-9);
}

TEST_P(AffineFrameOf, StateBringsTheSameFrameBack) {
  const AffineFrame back = frame_from_state(frame.state(), GetParam());
  EXPECT_TRUE(at::equal(back.enter(x), frame.enter(x)));
  EXPECT_TRUE(at::equal(back.leave(x), frame.leave(x)));
  EXPECT_THROW(frame_from_state(frame.state(), GetParam() + 1), Error);
  State broken = frame.state();
  broken["scale"] = at::scalar_tensor(-1.0, at::kDouble);
  EXPECT_THROW(frame_from_state(broken, GetParam()), Error);
}

INSTANTIATE_TEST_SUITE_P(Dimensions, AffineFrameOf, testing::Values(1, 2, 16));

TEST(Affine, FrameOfEqualUnitGaussiansIsTheIdentity) {
  const Moments p{at::zeros({4}, kDouble), at::eye(4, kDouble)};
  const AffineFrame frame = bures_wasserstein_frame(p, p), identity = identity_frame(4);
  EXPECT_LT(gap(frame.matrix.t().matmul(frame.matrix), identity.matrix), 1e-12);
  EXPECT_NEAR(frame.scale, identity.scale, 1e-12);
}

TEST(Affine, FramesOfDegenerateMeasuresStayFiniteAndInvertible) {
  const Tensor zero = at::zeros({3}, kDouble);
  const std::vector<Tensor> diagonals = {vector({1, 1, 1}),     vector({1, 1, 0}),
                                         vector({0, 1, 1}),     vector({0, 0, 0}),
                                         vector({1e-30, 0, 0}), vector({1e6, 1, 1e-16})};
  for (const Tensor& source : diagonals)
    for (const Tensor& target : diagonals) {
      const AffineFrame frame =
          bures_wasserstein_frame({zero, at::diag(source)}, {zero, at::diag(target)});
      const Tensor stretches = at::linalg_svdvals(frame.matrix);
      EXPECT_LE((stretches.max() / stretches.min()).item<double>(), 1.001e4);
      EXPECT_TRUE(std::isfinite(frame.scale) && frame.scale > 0);
      const Tensor x = at::eye(3, kDouble);
      EXPECT_LT(gap(frame.inverse().enter(frame.leave(x)), x), 1e-7);
      const Tensor entered = frame.matrix.matmul(at::diag(source)).matmul(frame.matrix.t());
      EXPECT_LT(entered.diagonal().max().item<double>(), 3.001 * frame.scale * frame.scale);
    }
}

}  // namespace
}  // namespace monge
