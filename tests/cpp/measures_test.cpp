#include "monge/affine.h"
#include "monge/discrete.h"
#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/gaussian_mixture.h"
#include "monge/measures/pushforward.h"
#include "monge/measures/registry.h"
#include "monge/measures/shapes.h"
#include "monge/measures/sheet.h"
#include "monge/measures/uniform.h"
#include "monge/transport_map.h"

#include <algorithm>
#include <numbers>

namespace monge {
namespace {

using std::numbers::pi;

constexpr std::int64_t kDraws = 200000;

Tensor vector(std::vector<double> values) { return at::tensor(values, at::kDouble); }

Tensor draw(const Measure& measure, std::int64_t n = kDraws) {
  Random random(17, "draw");
  const Tensor points = measure.sample(n, random);
  EXPECT_EQ(points.sizes(), (at::IntArrayRef{n, measure.dimension()}));
  EXPECT_EQ(points.scalar_type(), at::kFloat);
  return points.to(at::kDouble);
}

/// Whether a measure needs a file, and has tests of its own.
bool from_files(const MeasureRow& row) {
  return std::ranges::any_of(row.info.options,
                             [](const OptionInfo& option) { return option.name == "file"; });
}

/// Every mean of `terms` [n, ...] within six of its standard errors (and float32 rounding) of
/// `truth`: a false alarm is rarer than 2e-9 an entry, 1e-6 for all entries of this file together.
void expect_mean(const Tensor& terms, const Tensor& truth, const std::string& what) {
  const Tensor error = (terms.mean(0) - truth).abs();
  const Tensor bound = 6 * terms.std(0, /*unbiased=*/true) / std::sqrt(terms.size(0)) +
                       1e-6 * (1 + truth.abs().max());
  EXPECT_TRUE(error.le(bound).all().item<bool>())
      << what << ": " << (error / bound).max().item<double>();
}

void expect_moments(const Measure& measure, const std::string& what) {
  const std::optional<Moments> truth = measure.moments();
  ASSERT_TRUE(truth.has_value()) << what;
  EXPECT_EQ(truth->mean.scalar_type(), at::kDouble);
  const Tensor centred = draw(measure) - truth->mean;
  expect_mean(centred, at::zeros_like(truth->mean), what + " mean");
  expect_mean(centred.unsqueeze(2) * centred.unsqueeze(1), truth->covariance, what + " covariance");
}

Tensor random_factors(std::int64_t k, std::int64_t d) {
  return Random(3, "factors").normal({k, d, d}).to(at::kDouble);
}

TEST(ArrayMeasure, RowsMayBeImages) {
  const ArrayMeasure flat(at::zeros({3, 8})), images(at::zeros({3, 8}), {2, 2, 2});
  EXPECT_EQ(flat.shape(), std::vector<std::int64_t>{8});
  EXPECT_EQ(images.shape(), (std::vector<std::int64_t>{2, 2, 2}));
  EXPECT_EQ(images.dimension(), 8);
  EXPECT_THROW(ArrayMeasure(at::zeros({3, 8}), {3, 2, 2}), Error);
}

TEST(Measures, ExactMomentsAgreeWithSamples) {
  Random random(1, "covariance");
  expect_moments(GaussianMeasure({vector({1, -2, 3}), random_covariance(3, 0.5, 2, random)}),
                 "gaussian");
  expect_moments(GaussianMixture(random_factors(4, 2).select(1, 0), random_factors(4, 2),
                                 vector({1, 2, 0, 4})),
                 "mixture of factors");
  expect_moments(GaussianMixture(random_factors(4, 3).select(1, 0), vector({0.1, 1, 2, 0.5}),
                                 vector({1, 1, 3, 1})),
                 "mixture of round components");
  for (const MeasureRow& row : measure_rows()) {
    if (from_files(row)) continue;
    Table table;
    if (row.info.name == "gaussian_mixture")
      table["centers"] = std::vector<double>{0, 1, 2, 3, 4, 9};
    expect_moments(*row.make(table, "test"), row.info.name);
  }
}

TEST(Measures, ExactMomentsAgreeWithSamplesAwayFromTheDefaults) {
  expect_moments(*make_swiss_roll({.noise = 0, .scale = 2}), "swiss roll");
  expect_moments(*make_moons({.noise = 0.5, .scale = 3}), "moons");
  expect_moments(*make_circles({.factor = 0.1, .noise = 0.2, .scale = 2}), "circles");
  for (const std::int64_t rotation : {-1, 5}) {
    expect_moments(*make_swiss_roll({.dimension = 4, .rotation = rotation}), "swiss roll in space");
    expect_moments(*make_moons({.dimension = 3, .rotation = rotation}), "moons in space");
    expect_moments(*make_circles({.dimension = 5, .rotation = rotation}), "circles in space");
  }
  expect_moments(*make_circles({.rotation = 5}), "circles turned");
  expect_moments(*make_checkerboard({.count = 2, .width = 1}), "checkerboard 2");
  expect_moments(*make_checkerboard({.count = 6, .width = 3}), "checkerboard 6");
  for (const std::int64_t count : {2, 3, 5, 6})
    expect_moments(*make_checkerboard({.count = count, .width = 3, .cells = "odd"}), "odd cells");
  expect_moments(*make_checkerboard({.count = 3, .width = 3}), "checkerboard 3");
  expect_moments(BoxMeasure(vector({-1, 0, 5}), vector({1, 0, 9})), "box");
  expect_moments(SegmentMeasure(vector({1, 2, 3}), vector({-1, 2, 0})), "segment");
  for (const std::int64_t rotation : {-1, 7})
    expect_moments(SheetMeasure({.dimension = 5,
                                 .free = 2,
                                 .side = "last",
                                 .low = 1,
                                 .high = 3,
                                 .offset = 2,
                                 .mirrored = true,
                                 .rotation = rotation}),
                   "sheet");
  expect_moments(*make_gaussian_ring({.count = 3, .radius = 1, .std = 0.5}), "ring");
}

TEST(Measures, SameStreamSamePoints) {
  for (const MeasureRow& row : measure_rows()) {
    if (from_files(row)) continue;
    if (row.info.name == "gaussian_mixture") continue;  // has no default centres
    const auto measure = row.make({}, "test");
    EXPECT_TRUE(at::equal(draw(*measure, 100), draw(*measure, 100))) << row.info.name;
  }
}

class Doubling final : public TransportMap {
 public:
  std::int64_t dimension() const override { return 2; }
  Tensor transport(const Tensor& x) const override { return 2 * x; }
};

TEST(Measures, SampleIntoMemoryGivesTheSamePoints) {
  const auto check = [](const Measure& measure, const std::string& name) {
    for (const std::int64_t n : {1, 255, 600}) {
      Random one(8, "draw"), other = one;
      std::vector<float> points(static_cast<std::size_t>(n * measure.dimension()));
      measure.sample_into(points, one);
      EXPECT_TRUE(at::equal(at::tensor(points), measure.sample(n, other).flatten())) << name;
      EXPECT_TRUE(at::equal(one.state(), other.state())) << name;
    }
  };
  for (const MeasureRow& row : measure_rows()) {
    if (from_files(row)) continue;
    if (row.info.name == "gaussian_mixture") continue;
    check(*row.make({}, "test"), row.info.name);
  }
  check(GaussianMixture(random_factors(4, 2).select(1, 0), random_factors(4, 2), at::ones({4})),
        "mixture of factors");
  check(ArrayMeasure(at::arange(12).view({4, 3})), "array");
  check(WeightedMeasure(at::eye(6), at::arange(6)), "weighted");
  check(PushforwardMeasure(make_moons({}), std::make_shared<Doubling>()), "pushforward");
}

TEST(ArrayMeasure, GathersRowsOfAnyLength) {
  for (const std::int64_t d : {1, 2, 3, 4, 70}) {
    const Tensor rows = at::arange(50 * d, at::kFloat).view({50, d});
    const Tensor indices = Random(9, "indices").integers(50, 33);
    EXPECT_TRUE(at::equal(ArrayMeasure(rows).points(indices), rows.index_select(0, indices)));
  }
  EXPECT_THROW(ArrayMeasure(at::ones({3, 2})).points(at::tensor({3})), Error);
  EXPECT_THROW(ArrayMeasure(at::ones({3, 2})).points(at::tensor({-1})), Error);
  EXPECT_THROW(ArrayMeasure(at::ones({3, 2})).points(at::ones({2})), Error);
}

TEST(ArrayMeasure, KeepsRowsAndTheirExactMoments) {
  const ArrayMeasure measure(vector({0, 0, 2, 4}).view({2, 2}));
  EXPECT_EQ(measure.size(), 2);
  EXPECT_TRUE(at::equal(measure.points(at::tensor({1, 0}, at::kLong)),
                        at::tensor({2.0f, 4.0f, 0.0f, 0.0f}).view({2, 2})));
  EXPECT_TRUE(at::allclose(measure.moments()->covariance, vector({1, 2, 2, 4}).view({2, 2})));
  EXPECT_TRUE(at::equal(ArrayMeasure(at::ones({1, 2})).moments()->covariance,
                        at::zeros({2, 2}, at::kDouble)));
}

TEST(ArrayMeasure, NamesTheRowThatIsNotFinite) {
  Tensor rows = at::zeros({4, 2});
  rows[2][1] = INFINITY;
  try {
    ArrayMeasure measure(rows);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("row 2"), std::string::npos) << error.what();
  }
  EXPECT_THROW(ArrayMeasure(at::zeros({4})), Error);
  EXPECT_THROW(ArrayMeasure(at::zeros({0, 2})), Error);
}

TEST(WeightedMeasure, DrawsPointsInProportionToTheirWeights) {
  const Tensor weights = vector({0, 3, 1, 0, 4, 0});
  const WeightedMeasure measure(at::eye(6), weights);
  expect_mean(draw(measure), weights / 8, "shares");  // coordinate i counts point i
  EXPECT_EQ(draw(measure).sum(0).index_select(0, at::tensor({0, 3, 5})).sum().item<double>(), 0);
  EXPECT_TRUE(at::allclose(measure.moments()->mean, weights / 8));
  expect_moments(measure, "weighted");
  EXPECT_THROW(WeightedMeasure(at::eye(2), vector({1, -1})), Error);
  EXPECT_THROW(WeightedMeasure(at::eye(2), vector({0, 0})), Error);
  EXPECT_THROW(WeightedMeasure(at::eye(2), vector({1})), Error);
}

TEST(GaussianMeasure, SingularCovarianceStaysOnItsRange) {
  const Tensor direction = vector({3, 4}) / 5;
  const GaussianMeasure measure({vector({1, 1}), at::outer(direction, direction)});
  const Tensor across = (draw(measure, 1000) - 1).mv(vector({-4, 3}) / 5);
  EXPECT_LT(across.abs().max().item<double>(), 1e-6);
}

TEST(GaussianMeasure, RefusesWhatIsNoCovariance) {
  EXPECT_THROW(GaussianMeasure({vector({0, 0}), vector({1, 2, 2, 1}).view({2, 2})}), Error);
  EXPECT_THROW(GaussianMeasure({vector({0, 0}), vector({1, 1, 0, 1}).view({2, 2})}), Error);
  EXPECT_THROW(make_gaussian({.dimension = 3, .mean = {0, 0}, .covariance = {}, .std = 1}), Error);
  EXPECT_EQ(
      make_gaussian({.dimension = 0, .mean = {0, 0, 1}, .covariance = {}, .std = 1})->dimension(),
      3);
}

TEST(RandomCovariance, HasTheGeometricSpectrumInRandomDirections) {
  Random random(4, "covariance");
  const Tensor covariance = random_covariance(9, 0.5, 2, random);
  const Tensor roots = at::linalg_eigvalsh(covariance).sqrt();
  for (std::int64_t k = 0; k < 9; ++k)
    EXPECT_NEAR(roots[k].item<double>(), 0.5 * std::pow(4, static_cast<double>(k) / 8), 1e-10);
  EXPECT_FALSE(at::allclose(covariance, random_covariance(9, 0.5, 2, random)));
  EXPECT_NEAR(random_covariance(1, 0.5, 2, random).item<double>(), 1, 1e-12);
}

// The mean of S^T L^2 S over uniform rotations S is tr(L^2) / d times the identity.
TEST(RandomCovariance, RotatesUniformly) {
  Random random(5, "covariance");
  std::vector<Tensor> drawn;
  for (int i = 0; i < 2000; ++i) drawn.push_back(random_covariance(3, 0.5, 2, random));
  expect_mean(at::stack(drawn), at::eye(3, at::kDouble) * ((0.25 + 1 + 4) / 3), "covariance");
}

TEST(GaussianMixture, ModesGetTheirShareOfMassWithinTheirSpread) {
  const auto check = [](const Measure& measure, const Tensor& centers, double std) {
    const auto [distance, mode] = at::cdist(draw(measure, 50000), centers).min(1);
    const std::int64_t k = centers.size(0);
    expect_mean(at::one_hot(mode, k).to(at::kDouble),
                at::full({k}, 1 / static_cast<double>(k), at::kDouble), "share");
    // |noise|² / std² is chi-squared with 2 degrees of freedom, mean 2.
    expect_mean(distance.square() / (std * std), at::scalar_tensor(2.0, at::kDouble), "spread");
  };
  const Tensor angle = at::arange(8, at::kDouble) * (pi / 4);
  check(*make_gaussian_ring({}), at::stack({angle.cos(), angle.sin()}, 1) * std::sqrt(2.0),
        0.02 / std::sqrt(2.0));
  for (const std::int64_t side : {5, 7, 10}) {
    const Tensor line = at::arange(side, at::kDouble) - 0.5 * static_cast<double>(side - 1);
    const auto axes = at::meshgrid({line, line}, "ij");
    check(*make_gaussian_grid({.count = side * side, .spacing = 1, .std = 0.05}),
          at::stack({axes[0].flatten(), axes[1].flatten()}, 1), 0.05);
  }
}

TEST(GaussianMixture, RefusesPartsThatDoNotFit) {
  EXPECT_THROW(make_gaussian_grid({.count = 24, .spacing = 1, .std = 0.1}), Error);
  EXPECT_THROW(
      make_gaussian_mixture({.dimension = 2, .centers = {1, 2, 3}, .std = {1}, .weights = {}}),
      Error);
  EXPECT_THROW(
      make_gaussian_mixture({.dimension = 1, .centers = {1, 2, 3}, .std = {1, 2}, .weights = {}}),
      Error);
  EXPECT_THROW(GaussianMixture(at::zeros({2, 2}), at::ones({2, 2}), at::ones({2})), Error);
}

TEST(Shapes, PointsWithoutNoiseLieOnTheirCurves) {
  const Tensor roll = draw(*make_swiss_roll({.noise = 0, .scale = 1}), 10000);
  const Tensor radius = roll.norm(2, {1});  // = t
  EXPECT_TRUE(
      at::allclose(roll, at::stack({radius * radius.cos(), radius * radius.sin()}, 1), 0, 1e-3));
  EXPECT_GE(radius.min().item<double>(), 1.5 * pi - 1e-4);
  EXPECT_LE(radius.max().item<double>(), 4.5 * pi + 1e-4);

  const Tensor moons = draw(*make_moons({.noise = 0, .scale = 1}), 10000);
  const Tensor x = moons.select(1, 0), y = moons.select(1, 1);
  const Tensor on_upper = ((x.square() + y.square() - 1).abs() < 1e-5) & (y > -1e-6);
  const Tensor on_lower =
      (((1 - x).square() + (0.5 - y).square() - 1).abs() < 1e-5) & (y < 0.5 + 1e-6);
  EXPECT_TRUE((on_upper | on_lower).all().item<bool>());

  const Tensor circle = draw(*make_circles({.factor = 0.3, .noise = 0, .scale = 1})).norm(2, {1});
  const Tensor outer = (circle - 1).abs() < 1e-5;
  EXPECT_TRUE((outer | ((circle - 0.3).abs() < 1e-5)).all().item<bool>());
  expect_mean(outer.to(at::kDouble).unsqueeze(1), vector({0.5}), "outer circle");
}

TEST(Shapes, NoiseHasItsStandardDeviation) {
  const Tensor radius = draw(*make_circles({.factor = 1, .noise = 0.1, .scale = 1})).norm(2, {1});
  EXPECT_NEAR((radius - 1).square().mean().sqrt().item<double>(), 0.1, 0.002);
}

TEST(Shapes, CheckerboardFillsEverySecondCellEvenly) {
  for (const std::int64_t count : {3, 4})
    for (const std::int64_t parity : {0, 1}) {
      const auto board = make_checkerboard({.count = count,
                                            .width = static_cast<double>(count),
                                            .cells = parity == 0 ? "even" : "odd"});
      const Tensor points = draw(*board);
      const Tensor cell =
          (points + 0.5 * static_cast<double>(count)).floor().clamp(0, count - 1).to(at::kLong);
      const Tensor share =
          at::one_hot(cell.select(1, 0) * count + cell.select(1, 1), count * count).to(at::kDouble);
      const Tensor line = at::arange(count);
      const Tensor filled =
          at::remainder(line.unsqueeze(1) + line, 2).eq(parity).flatten().to(at::kDouble);
      expect_mean(share, filled / filled.sum(), "cell");
    }
}

TEST(Shapes, InSpaceAreThoseOfThePlaneTurned) {
  const auto at_rings = [](std::int64_t d, std::int64_t rotation) {
    return draw(*make_circles({.noise = 0, .scale = 3, .dimension = d, .rotation = rotation}), 300);
  };
  const Tensor plane = at_rings(2, -1), space = at_rings(7, -1), turned = at_rings(7, 4);
  EXPECT_TRUE(at::equal(space.narrow(1, 0, 2), plane));
  EXPECT_TRUE(space.narrow(1, 2, 5).eq(0).all().item<bool>());
  EXPECT_TRUE(at::allclose(at::cdist(turned, turned), at::cdist(plane, plane), 0, 1e-2));
  EXPECT_TRUE(turned.abs().amax(0).gt(0.1).all().item<bool>());
  // Measures of one rotation lie in one plane.
  const Tensor other = draw(*make_swiss_roll({.noise = 0, .dimension = 7, .rotation = 4}), 300);
  const Tensor singular = at::linalg_svdvals(at::cat({turned, other}));
  EXPECT_LT(singular[2].item<double>(), 1e-4 * singular[0].item<double>());
}

TEST(Sheet, HasItsSupportAndTurnsAsAWhole) {
  const auto sheet = [](SheetOptions options) {
    options.dimension = 4;
    options.low = 0;
    options.offset = 3;
    return draw(SheetMeasure(options), 400);
  };
  const Tensor last = sheet({.side = "last", .mirrored = true});
  EXPECT_TRUE(last.narrow(1, 0, 2).abs().eq(3).all().item<bool>());
  EXPECT_TRUE(at::equal(last.select(1, 0), last.select(1, 1)));
  EXPECT_NEAR(last.select(1, 0).gt(0).to(at::kFloat).mean().item<double>(), 0.5, 0.1);
  const Tensor first = sheet({}), turned = sheet({.rotation = 2});
  EXPECT_TRUE(at::equal(first.narrow(1, 2, 2), at::full_like(first.narrow(1, 2, 2), 3)));
  EXPECT_TRUE(at::allclose(at::cdist(first, first), at::cdist(turned, turned), 0, 1e-2));
  EXPECT_FALSE(at::allclose(first, turned, 0, 0.1));
  EXPECT_THROW(make_sheet({.dimension = 2, .free = 3}), Error);
  EXPECT_THROW(make_sheet({.low = 1, .high = 0}), Error);
}

TEST(Sheet, TheMapOfASmoothedSheetIsMonotoneAndReachesTheTarget) {
  const SheetOptions plain{.dimension = 4, .low = 0, .rotation = 3};
  std::vector<SheetOptions> targets(4, plain);
  targets[1].offset = 2;
  targets[2].mirrored = true;
  targets[2].offset = -1.5;
  targets[3].side = "last";
  targets[3].high = 3;
  for (const SheetOptions& target : targets)
    for (const Noise& noise : {Noise{1, 0.04}, Noise{0.8, 0.36}}) {
      const SheetMeasure from(plain), to(target);
      Random random(4, "points");
      const Tensor seen =
          SmoothedMeasure(std::make_shared<SheetMeasure>(from), noise).sample(500, random);
      const Tensor mapped = *smoothed_sheet_transport(from, to, noise, seen);
      // A cyclically monotone map that reaches the target is the optimal one.
      const double paired = (seen - mapped).square().sum(1).mean().item<double>();
      EXPECT_NEAR(exact_w2_squared(seen.to(at::kDouble), mapped), paired, 1e-6);
      const Tensor y = to.sample(500, random), other = to.sample(500, random);
      EXPECT_LT(exact_w2_squared(mapped, y.to(at::kDouble)), 1.3 * exact_w2_squared(other, y));
    }
  const Tensor x = at::zeros({1, 4}, at::kFloat);
  EXPECT_FALSE(smoothed_sheet_transport(SheetMeasure(targets[2]), SheetMeasure(plain), {1, 1}, x));
  EXPECT_FALSE(
      smoothed_sheet_transport(SheetMeasure({.dimension = 4}), SheetMeasure(plain), {1, 1}, x));
}

TEST(Uniform, BoxAndSegmentHaveTheirSupport) {
  const Tensor box = draw(BoxMeasure(vector({-1, 2}), vector({3, 2})));
  EXPECT_GE(box.select(1, 0).min().item<double>(), -1);
  EXPECT_LE(box.select(1, 0).max().item<double>(), 3);
  EXPECT_TRUE(box.select(1, 1).eq(2).all().item<bool>());
  const Tensor segment = draw(SegmentMeasure(vector({0, 0}), vector({2, 4})));
  EXPECT_TRUE(at::allclose(segment.select(1, 1), 2 * segment.select(1, 0)));
  EXPECT_EQ(make_box({.dimension = 0, .low = {0}, .high = {1, 2, 3}})->dimension(), 3);
  EXPECT_THROW(make_box({.dimension = 2, .low = {0}, .high = {1, 2, 3}}), Error);
  EXPECT_THROW(make_box({.dimension = 2, .low = {1}, .high = {0}}), Error);
  EXPECT_THROW(make_segment({.from = {0}, .to = {1, 2}}), Error);
}

TEST(Pushforward, MovesTheSamplesOfTheSameStream) {
  const auto base = make_moons({});
  const PushforwardMeasure measure(base, std::make_shared<Doubling>());
  EXPECT_TRUE(at::equal(draw(measure, 100), 2 * draw(*base, 100)));
  EXPECT_THROW(
      PushforwardMeasure(make_gaussian({.dimension = 3, .mean = {}, .covariance = {}, .std = 1}),
                         std::make_shared<Doubling>()),
      Error);
}

TEST(MeasureRegistry, MakesWhatItsOptionsSay) {
  const auto measure =
      make_measure("gaussian", {{"dimension", std::int64_t{5}}, {"std", 2.0}}, "source");
  EXPECT_TRUE(at::allclose(measure->moments()->covariance, 4 * at::eye(5, at::kDouble)));
  const Table seed{{"dimension", std::int64_t{4}}, {"seed", std::int64_t{1}}};
  const auto covariance = [](const Table& table) {
    return make_measure("random_gaussian", table, "source")->moments()->covariance;
  };
  EXPECT_TRUE(at::equal(covariance(seed), covariance(seed)));
  EXPECT_FALSE(at::allclose(covariance(seed), covariance({{"dimension", std::int64_t{4}}})));
}

TEST(MeasureRegistry, ErrorsNameThePlaceAndTheNearestName) {
  const auto message = [](std::string_view name, const Table& table) -> std::string {
    try {
      make_measure(name, table, "source");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string unknown = message("swiss_rol", {});
  EXPECT_NE(unknown.find("source"), std::string::npos);
  EXPECT_NE(unknown.find("did you mean 'swiss_roll'"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("checkerboard"), std::string::npos);
  EXPECT_NE(message("moons", {{"nois", 0.1}}).find("'noise'"), std::string::npos);
  EXPECT_NE(message("moons", {{"noise", -0.1}}).find("source.noise"), std::string::npos);
  EXPECT_NE(message("checkerboard", {{"count", std::int64_t{1}}}).find("source.count"),
            std::string::npos);
}

}  // namespace
}  // namespace monge
