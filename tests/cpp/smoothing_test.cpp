#include "monge/smoothing.h"

#include "monge/affine.h"
#include "monge/config.h"
#include "monge/experiment.h"
#include "monge/map_file.h"
#include "monge/measures/array.h"
#include "monge/measures/sheet.h"
#include "monge/sampler.h"

#include "error_text.h"
#include "temporary_folder.h"

namespace monge {
namespace {

SmoothingOptions falling(const std::string& schedule) {
  return {
      .kind = "gaussian", .level = 0.01, .start_level = 0.64, .schedule = schedule, .steps = 100};
}

TEST(Smoothing, TheLevelFallsFromTheFirstToTheLastAndStays) {
  for (const char* schedule : {"linear", "geometric", "diffusion"}) {
    const Smoothing smoothing(falling(schedule));
    EXPECT_NEAR(smoothing.first().variance, 0.64, 1e-12) << schedule;
    for (int step = 1; step <= 100; ++step)
      EXPECT_LT(smoothing.at(step).variance, smoothing.at(step - 1).variance) << schedule;
    EXPECT_NEAR(smoothing.at(100).variance, 0.01, 1e-12) << schedule;
    EXPECT_NEAR(smoothing.at(5000).variance, 0.01, 1e-12) << schedule;
  }
  EXPECT_NEAR(Smoothing(falling("linear")).at(50).variance, 0.45 * 0.45, 1e-12);
  EXPECT_NEAR(Smoothing(falling("geometric")).at(50).variance, 0.08, 1e-12);
}

TEST(Smoothing, LevelsFallInStagesByEqualFactors) {
  SmoothingOptions options = falling("levels");
  options.levels = 4;  // 0.64, 0.16, 0.04, 0.01
  const Smoothing smoothing(options);
  for (const auto& [step, variance] : std::vector<std::pair<std::int64_t, double>>{
           {0, 0.64}, {33, 0.64}, {34, 0.16}, {66, 0.16}, {67, 0.04}, {99, 0.04}, {100, 0.01}})
    EXPECT_NEAR(smoothing.at(step).variance, variance, 1e-12) << step;
}

TEST(Smoothing, TheDiffusionsTimeRunsEvenly) {
  // -log(1 - e) = 0.1 t + 9.95 t², solved for t by halving.
  const auto time = [](double level) {
    double low = 0, high = 1;
    for (int i = 0; i < 60; ++i) {
      const double t = 0.5 * (low + high);
      (0.1 * t + 9.95 * t * t < -std::log(1 - level) ? low : high) = t;
    }
    return low;
  };
  const Smoothing smoothing(falling("diffusion"));
  EXPECT_NEAR(time(smoothing.at(25).variance), 0.75 * time(0.64) + 0.25 * time(0.01), 1e-9);
}

TEST(Smoothing, LevelsCountInTheUnit) {
  SmoothingOptions options{.kind = "variance_preserving", .level = 0.19};
  const Noise noise = Smoothing(options, 100).last();
  EXPECT_NEAR(noise.keep, 0.9, 1e-12);
  EXPECT_NEAR(noise.variance, 19, 1e-12);
}

TEST(Smoothing, OptionsThatDoNotFitAreRefused) {
  EXPECT_EQ(error_text([] { Smoothing(SmoothingOptions{}); }),
            "smoothing.kind: expected gaussian or variance_preserving, got none");
  SmoothingOptions options = falling("linear");
  options.steps = 0;
  EXPECT_EQ(error_text([&] { Smoothing{options}; }),
            "smoothing.steps: expected a number of steps where no train.max_steps is set, got 0");
  options = falling("linear");
  options.start_level = 0.001;
  EXPECT_EQ(error_text([&] { Smoothing{options}; }),
            "smoothing.start_level: expected 0 or at least level = 0.01, got 0.001");
  options = falling("diffusion");
  options.start_level = 1;
  EXPECT_EQ(error_text([&] { Smoothing{options}; }), "smoothing: expected levels below 1, got 1");
}

TEST(SmoothedMeasure, ItsMomentsAreThoseOfItsSamples) {
  const auto sheet = std::make_shared<SheetMeasure>(
      SheetOptions{.dimension = 4, .low = 0, .offset = 1, .mirrored = true, .rotation = 3});
  for (const Noise& noise : {Noise{1, 0.25}, Noise{0.6, 0.64}}) {
    const SmoothedMeasure smoothed(sheet, noise);
    Random random(1, "moments");
    const Moments sampled = sampled_moments(smoothed, random), exact = *smoothed.moments();
    // 2^16 points: five standard errors of a variance near 1 are 0.03.
    EXPECT_TRUE(at::allclose(sampled.mean, exact.mean, 0, 0.03));
    EXPECT_TRUE(at::allclose(sampled.covariance, exact.covariance, 0, 0.03));
  }
}

TEST(Smoothing, AnExperimentTakesItsUnitAndStepsFromItsSourceAndRun) {
  Random random(4, "points");
  const auto wide = std::make_shared<ArrayMeasure>(10 * random.normal({4000, 3}));
  const auto built = [&](const std::string& unit) {
    const Split points{wide, wide};
    return build_experiment(parse_config(fmt::format("[smoothing]\nkind = \"gaussian\"\n"
                                                     "level = 0.01\nunit = \"{}\"\n"
                                                     "[train]\nmax_steps = 100\n",
                                                     unit),
                                         "test", "/data"),
                            points, points);
  };
  const auto variance = [](const Experiment& made) {
    return made.problem.source.noise()->variance;
  };
  const Experiment data = built("data");
  EXPECT_NEAR(variance(data), 0.01, 1e-12);
  EXPECT_NEAR(variance(built("source")), 1, 0.1);  // of 100, sampled
  EXPECT_EQ(std::get<std::int64_t>(data.config.options("smoothing").at("steps")), 70);
}

/// Points 0, 10, 20, ...: what noise of 0.01 leaves is told by the tenths.
Sampler noisy_sampler() {
  const Tensor points = 10 * at::arange(50, at::kFloat).unsqueeze(1).repeat({1, 3});
  return {std::make_shared<ArrayMeasure>(points), Random(2, "source"),
          Smoothing({.kind = "gaussian", .level = 0.01}), Random(2, "smoothing")};
}

TEST(SmoothedSampler, EveryPointIsSeenOnceAPassWithFreshNoise) {
  Sampler sampler = noisy_sampler();
  const Tensor first = sampler.next(50).clone(), second = sampler.next(50).clone();
  for (const Tensor& pass : {first, second}) {
    const Tensor seen = std::get<0>((pass.select(1, 0) / 10).round().sort());
    EXPECT_TRUE(at::equal(seen, at::arange(50, at::kFloat)));
    const Tensor noise = pass - 10 * (pass / 10).round();
    // 150 numbers: their variance is within 60 % of 0.01 but for one in 10^5.
    EXPECT_NEAR(noise.var().item<double>(), 0.01, 0.006);
    EXPECT_NEAR(noise.mean().item<double>(), 0, 0.04);
  }
  EXPECT_TRUE(sampler.indices().empty());
  EXPECT_EQ(dynamic_cast<const FiniteMeasure*>(&sampler.measure()), nullptr);
}

TEST(SmoothedSampler, ARestoredStreamGoesOnWithTheSamePointsAndNoise) {
  Sampler one = noisy_sampler(), other = noisy_sampler();
  for (int i = 0; i < 5; ++i) {
    one.next(20);
    one.advance();
  }
  other.restore(one.state());
  EXPECT_TRUE(at::equal(one.next(20), other.next(20)));
}

TEST(SmoothedMap, ThePlanOfTheIdentityIsTheNoise) {
  const auto identity = std::make_shared<AffineTransportMap>(
      AffineMap{at::eye(2, at::kFloat), at::zeros({2}, at::kFloat)});
  const SmoothedMap map(identity, {0.5, 0.09});
  EXPECT_EQ(map.noise_dimension(), 2);
  const Tensor x = at::full({10000, 2}, 4, at::kFloat);
  Random random(3, "noise");
  const Tensor mapped = map.sample(x, random);
  EXPECT_NEAR(mapped.mean().item<double>(), 2, 0.015);
  EXPECT_NEAR(mapped.std().item<double>(), 0.3, 0.01);
  EXPECT_TRUE(at::equal(map.transport(x), map.transport(x)));
  EXPECT_FALSE(at::equal(mapped, map.sample(x, random)));
}

TEST(SmoothedMap, ItsFileGivesTheSamePlan) {
  const TemporaryFolder folder;
  const auto affine = std::make_shared<AffineTransportMap>(
      AffineMap{at::tensor({2.0F}).view({1, 1}), at::tensor({1.0F})});
  const AffineSpan span{at::tensor({0.6, 0.8}, at::kDouble).view({2, 1}),
                        at::tensor({-0.8, 0.6}, at::kDouble)};
  const auto in_span = std::make_shared<SpanMap>(affine, span);
  const SmoothedMap map(in_span, {0.8, 0.36});
  save_map(folder / "map.safetensors", {std::make_shared<SmoothedMap>(map), in_span}, {});
  const Solution loaded = load_map(folder / "map.safetensors").solution;
  Random random(4, "points");
  const Tensor x = random.normal({20, 2}), z = random.normal({20, 2});
  const auto* plan = dynamic_cast<const StochasticMap*>(loaded.map.get());
  ASSERT_NE(plan, nullptr);
  EXPECT_TRUE(at::equal(plan->transport(x, z), map.transport(x, z)));
  EXPECT_TRUE(at::equal(loaded.inverse->transport(x), in_span->transport(x)));
}

}  // namespace
}  // namespace monge
