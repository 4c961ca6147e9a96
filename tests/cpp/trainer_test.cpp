#include "monge/trainer.h"

#include "monge/error.h"
#include "monge/measures/gaussian.h"

#include "error_text.h"
#include "kernel_fixture.h"

#include <chrono>
#include <thread>

namespace monge {
namespace {

/// A solver of one number that walks towards 1, and goes wrong where the test tells it to.
class Walker final : public Solver {
 public:
  std::string name() const override { return "walker"; }
  Table options() const override { return {}; }
  void start(const Problem&, Random&) override {}
  StepReport step(Problem& problem, double rate) override {
    ++calls;
    threads = at::get_num_threads();
    problem.source.next(1);
    if (calls == not_finite_at) return {.loss = std::nan(""), .finite = false};
    const double noise = problem.target.next(1).item<double>();
    at_.add_((1 - at_) * 0.1 * rate + 0.001 * noise * rate);
    if (calls == jumps_at) at_.fill_(1000);
    return {.loss = std::abs(1 - at_.item<double>())};
  }
  Solution solution() const override {
    return {std::make_shared<AffineTransportMap>(AffineMap{at::eye(1), at_.clone()}), nullptr};
  }
  double step_work() const override { return work; }
  State state() const override { return {{"at", at_}}; }
  void restore(const State& state) override { at_.copy_(state.at("at")); }

  double at() const { return at_.item<double>(); }
  int calls = 0, not_finite_at = -1, jumps_at = -1, threads = 0;
  double work = 0;  // 0: not said

 private:
  Tensor at_ = at::zeros({1});
};

Quality distance_to_one(const Solution& solution) {
  const double off = solution.map->transport(at::zeros({1, 1})).item<double>() - 1;
  return {.value = std::abs(off), .noise = 1e-3};
}

Problem problem() {
  const auto gaussian = std::make_shared<GaussianMeasure>(
      Moments{at::zeros({1}, at::kDouble), at::eye(1, at::kDouble)});
  return make_problem(gaussian, gaussian, 7);
}

/// Remembers what the loop told it; stops at a step if asked to.
class Witness final : public Callback {
 public:
  Next on_step(const Training& training, const StepReport&) override {
    rates.push_back(training.rate);
    return training.state.step == stop_at ? Next::stop : Next::go_on;
  }
  void on_evaluation(const Training& training, const Quality& quality, bool improved) override {
    evaluations.emplace_back(training.state.step, quality.value);
    improvements += improved;
    last = training.checkpoint();
    for (auto& [name, tensor] : last) tensor = tensor.clone();
  }
  void on_rollback(const Training&, const std::string& why) override { messages.push_back(why); }
  void on_end(const Training& training, const TrainSummary&) override {
    last = training.checkpoint();
    for (auto& [name, tensor] : last) tensor = tensor.clone();
  }

  std::int64_t stop_at = -1;
  std::vector<double> rates;
  std::vector<std::pair<std::int64_t, double>> evaluations;
  std::vector<std::string> messages;
  int improvements = 0;
  State last;
};

struct Outcome {
  TrainSummary summary;
  Witness witness;
  double at;
};

Outcome run(Walker& walker, TrainOptions options, std::int64_t stop_at = -1,
            const State* resumed = nullptr) {
  Outcome outcome;
  outcome.witness.stop_at = stop_at;
  Problem data = problem();
  Callback* const callbacks[] = {&outcome.witness};
  outcome.summary = train(walker, data, options, distance_to_one, callbacks, resumed);
  outcome.at = walker.at();
  return outcome;
}

TEST(Trainer, TakesTheStepsItIsGivenAndLearns) {
  Walker walker;
  const Outcome outcome = run(walker, {.max_steps = 200, .evaluate_every = 50});
  EXPECT_EQ(outcome.summary.steps, 200);
  EXPECT_EQ(walker.calls, 200);
  EXPECT_LT(outcome.summary.quality.value, 0.01);
  ASSERT_EQ(outcome.witness.evaluations.size(), 5u);  // steps 0, 50, 100, 150, 200
  EXPECT_EQ(outcome.witness.evaluations.front().first, 0);
  EXPECT_EQ(outcome.witness.evaluations.back().first, 200);
}

TEST(Trainer, ScheduleFallsAlongACosineAfterTheWarmUp) {
  Walker walker;
  const auto rates = run(walker, {.max_steps = 100, .warmup_steps = 10}).witness.rates;
  EXPECT_NEAR(rates[0], 0.1, 1e-9);
  EXPECT_NEAR(rates[50], 0.5, 1e-9);
  EXPECT_LT(rates[99], 1e-3);
  Walker other;
  for (const double rate :
       run(other, {.max_steps = 30, .schedule = "constant", .warmup_steps = 0}).witness.rates)
    EXPECT_EQ(rate, 1.0);
}

TEST(Trainer, SmallStepsHaveOneThreadAndOthersAllThereAre) {
  for (const auto& [work, threads] : {std::pair{2e6, 1}, {4e6, 2}, {0.0, 2}}) {
    Walker walker;
    walker.work = work;
    const int after = on_threads(2, [&] {
      run(walker, {.max_steps = 3});
      return at::get_num_threads();
    });
    EXPECT_EQ(walker.threads, threads) << work;
    EXPECT_EQ(after, 2) << work;
  }
}

TEST(Trainer, StopsByTime) {
  Walker walker;
  const Outcome outcome = run(walker, {.max_seconds = 0.2, .evaluate_every = 1000000});
  EXPECT_GE(outcome.summary.seconds, 0.2);
  EXPECT_LT(outcome.summary.seconds, 5);
  EXPECT_GT(outcome.summary.steps, 0);
}

/// Evaluations of a run that only the clock ends, each of which takes a while.
std::size_t evaluations_by_time(double max_seconds, std::chrono::milliseconds each) {
  Walker walker;
  Witness witness;
  Problem data = problem();
  Callback* const callbacks[] = {&witness};
  const Evaluator evaluator = [each](const Solution& solution) {
    if (each.count() > 0) std::this_thread::sleep_for(each);
    return distance_to_one(solution);
  };
  train(walker, data, {.max_seconds = max_seconds, .schedule = "constant"}, evaluator, callbacks);
  return witness.evaluations.size();
}

TEST(Trainer, ARunByTimeIsEvaluatedAtEqualShares) {
  const std::size_t count = evaluations_by_time(0.6, std::chrono::milliseconds(0));
  EXPECT_LE(count, 42u);  // 40 apart by a fortieth, the first and the last
  EXPECT_GE(count, 5u);   // 42 where nothing else runs
}

TEST(Trainer, SlowEvaluationsTakeAtMostATwentiethOfARunByTime) {
  const std::size_t count = evaluations_by_time(1, std::chrono::milliseconds(10));
  EXPECT_LE(count, 7u);  // 5 of at least 10 ms in a second, the first and the last
}

TEST(Trainer, NeedsABudget) {
  Walker walker;
  EXPECT_THROW(run(walker, {}), Error);
}

TEST(Trainer, RollsBackWhenALossIsNotFinite) {
  Walker walker;
  walker.not_finite_at = 120;
  const Outcome outcome =
      run(walker, {.max_steps = 200, .schedule = "constant", .evaluate_every = 50});
  ASSERT_EQ(outcome.witness.messages.size(), 1u);
  EXPECT_TRUE(outcome.witness.messages[0].starts_with("step 120: the loss is not finite"));
  EXPECT_EQ(outcome.witness.rates.back(), 0.5);
  EXPECT_EQ(outcome.summary.reason, StopReason::budget);
  EXPECT_LT(std::abs(outcome.at - 1), 0.01);
}

TEST(Trainer, RollsBackWhenTheQualityCollapses) {
  Walker walker;
  walker.jumps_at = 149;
  const Outcome outcome = run(walker, {.max_steps = 400, .evaluate_every = 50});
  ASSERT_EQ(outcome.witness.messages.size(), 1u);
  EXPECT_TRUE(outcome.witness.messages[0].starts_with("step 150: the quality collapsed from"));
  EXPECT_LT(std::abs(outcome.at - 1), 0.01);
}

TEST(Trainer, RefusesAMapThatHasNoQualityBeforeTheFirstStep) {
  Walker walker;
  Problem both = problem();
  const Evaluator never = [](const Solution&) { return Quality{.value = std::nan("")}; };
  EXPECT_EQ(error_text([&] { train(walker, both, {.max_steps = 5}, never, {}); }),
            "the map before training: expected one that gives finite points, got a quality of nan");
  EXPECT_EQ(walker.calls, 0);
}

TEST(Trainer, StopsWithTheBestStateWhenItKeepsGoingWrong) {
  class Broken final : public Callback {
   public:
    explicit Broken(Walker& walker) : walker_(walker) {}
    Next on_step(const Training& training, const StepReport&) override {
      if (training.state.step >= 100) walker_.not_finite_at = walker_.calls + 1;
      return Next::go_on;
    }
    void on_rollback(const Training&, const std::string&) override {
      walker_.not_finite_at = walker_.calls + 1;
    }

   private:
    Walker& walker_;
  };
  Walker walker;
  Broken broken(walker);
  Problem data = problem();
  Callback* const callbacks[] = {&broken};
  const TrainSummary summary =
      train(walker, data, {.max_steps = 1000, .evaluate_every = 50, .max_rollbacks = 3},
            distance_to_one, callbacks);
  EXPECT_EQ(summary.reason, StopReason::diverged);
  EXPECT_EQ(summary.steps, 104);
  EXPECT_LT(summary.quality.value, 0.05);
  EXPECT_NEAR(std::abs(walker.at() - 1), summary.quality.value, 1e-6);
}

TEST(Trainer, KeepsTheBestSolutionWhereTheLastIsClearlyWorse) {
  Walker walker;
  walker.jumps_at = 200;
  const Outcome outcome =
      run(walker, {.max_steps = 200, .evaluate_every = 50, .collapse_factor = 1e9});
  EXPECT_EQ(outcome.summary.kept_step, 150);
  EXPECT_LT(std::abs(outcome.at - 1), 0.01);
}

TEST(Trainer, AResumedRunIsTheUninterruptedOneBitByBit) {
  const TrainOptions options{.max_steps = 300, .evaluate_every = 37};
  Walker whole;
  const Outcome uninterrupted = run(whole, options);
  for (const std::int64_t stop_at : {1, 74, 75, 299}) {
    Walker first, second;
    const Outcome stopped = run(first, options, stop_at);
    EXPECT_EQ(stopped.summary.reason, StopReason::interrupted);
    const Outcome resumed = run(second, options, -1, &stopped.witness.last);
    EXPECT_EQ(resumed.at, uninterrupted.at) << "stopped at " << stop_at;
    EXPECT_EQ(resumed.summary.quality.value, uninterrupted.summary.quality.value);
  }
}

}  // namespace
}  // namespace monge
