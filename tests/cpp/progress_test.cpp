#include "monge/progress.h"

#include "columns.h"

namespace monge {
namespace {

ProgressState running() {
  return {.name = "w2gn",
          .step = 2100,
          .steps = 5000,
          .steps_per_second = 310,
          .quality = "energy distance",
          .latest = 0.0031,
          .best = 0.0029};
}

TEST(ProgressText, ShowsEverythingWhereThereIsRoom) {
  EXPECT_EQ(
      progress_text(running(), 100),
      "w2gn  42 %  step 2100/5000  310 step/s  0:09 left  energy distance 0.0031 (best 0.0029)");
}

TEST(ProgressText, NeverExceedsTheWidthAndFillsNoMoreThanItNeeds) {
  ProgressState state = running();
  state.name = "météo → carte";
  const int full = columns(progress_text(state, 1000));
  for (int width = 0; width <= full; ++width)
    EXPECT_LE(columns(progress_text(state, width)), width) << width;
  EXPECT_EQ(columns(progress_text(state, full)), full);
}

TEST(ProgressText, DropsWholePartsTheLeastNeededFirst) {
  const ProgressState state = running();
  EXPECT_EQ(progress_text(state, 80),
            "w2gn  42 %  step 2100/5000  310 step/s  0:09 left  energy distance 0.0031");
  EXPECT_EQ(progress_text(state, 65),
            "w2gn  42 %  step 2100/5000  0:09 left  energy distance 0.0031");
  EXPECT_EQ(progress_text(state, 50), "w2gn  42 %  0:09 left  energy distance 0.0031");
  EXPECT_EQ(progress_text(state, 30), "w2gn  42 %  0:09 left");
  EXPECT_EQ(progress_text(state, 12), "w2gn  42 %");
  EXPECT_EQ(progress_text(state, 5), "w2gn");
  EXPECT_EQ(progress_text(state, 3), "w2…");
}

TEST(ProgressText, ACutNeverSplitsACharacter) {
  EXPECT_EQ(progress_text({.name = "éééé", .step = 1}, 3), "éé…");
  EXPECT_EQ(progress_text({.name = "éééé", .step = 1}, 4), "éééé");
}

TEST(ProgressText, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(progress_text({.name = "otp", .step = 7}, 80), "otp  step 7");
  EXPECT_EQ(progress_text({.name = "otp", .step = 0, .steps = 10}, 80), "otp  0 %  step 0/10");
  // A hundred per cent is said at the last step only.
  EXPECT_EQ(progress_text({.name = "otp", .step = 9999, .steps = 10000}, 9), "otp  99 %");
}

TEST(ProgressText, RatesAndTimesAreReadableAtEveryScale) {
  const auto text = [](std::int64_t steps, double rate) {
    return progress_text({.name = "n", .step = 0, .steps = steps, .steps_per_second = rate}, 200);
  };
  EXPECT_EQ(text(10, 0.25), "n  0 %  step 0/10  4 s/step  0:40 left");
  EXPECT_EQ(text(100, 2.5), "n  0 %  step 0/100  2.5 step/s  0:40 left");
  EXPECT_EQ(text(3723, 1), "n  0 %  step 0/3723  1.0 step/s  1:02:03 left");
  EXPECT_EQ(text(180000, 1), "n  0 %  step 0/180000  1.0 step/s  2 d 2 h left");
  EXPECT_EQ(text(1000, 1e-9), "n  0 %  step 0/1000  1e+09 s/step");
}

TEST(SmoothRate, IsExactForASteadyRunAndUnknownBeforeOneInterval) {
  SmoothRate rate;
  EXPECT_FALSE(rate.value());
  rate.add(800, 100.0);  // a resumed run
  EXPECT_FALSE(rate.value());
  for (int i = 1; i <= 50; ++i) {
    rate.add(800 + 31 * i, 100.0 + 0.1 * i);
    ASSERT_TRUE(rate.value());
    EXPECT_NEAR(*rate.value(), 310, 1e-6);
  }
}

TEST(SmoothRate, ForgetsASlowStartExponentially) {
  SmoothRate rate(5.0);
  rate.add(0, 0.0);
  rate.add(10, 10.0);                                             // 1 step/s for 10 s
  for (int i = 1; i <= 50; ++i) rate.add(10 + 10 * i, 10.0 + i);  // 10 step/s for 50 s
  // 10 - 9 (1 - e^-2) e^-10 / (1 - e^-12), the solution of the recursion.
  const double expected = 10 - 9 * (1 - std::exp(-2.0)) * std::exp(-10.0) / (1 - std::exp(-12.0));
  EXPECT_NEAR(*rate.value(), expected, 1e-9);
}

TEST(SmoothRate, ClockThatStandsStillIsIgnored) {
  SmoothRate rate;
  rate.add(0, 1.0);
  rate.add(5, 1.0);
  EXPECT_FALSE(rate.value());
  rate.add(10, 2.0);
  EXPECT_NEAR(*rate.value(), 10, 1e-12);
}

}  // namespace
}  // namespace monge
