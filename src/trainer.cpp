#include "monge/trainer.h"

#include "monge/error.h"
#include "monge/log.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <numbers>

namespace monge {
namespace {

constexpr std::int64_t evaluations = 40;  // in a run, about

Tensor number(double value) { return at::scalar_tensor(value, at::kDouble); }
Tensor number(std::int64_t value) { return at::scalar_tensor(value, at::kLong); }

State copied(const State& state) {
  State copy;
  for (const auto& [name, tensor] : state) copy[name] = tensor.detach().clone();
  return copy;
}

/// One thread for small steps while it lives: where one thread has to wait for a core all wait.
/// Steps above 3e6 multiplications, a twentieth of a millisecond, gain from more.
class StepThreads {
 public:
  explicit StepThreads(double work) : before_(at::get_num_threads()) {
    if (work > 0 && work < 3e6) at::set_num_threads(1);
  }
  ~StepThreads() { at::set_num_threads(before_); }
  StepThreads(const StepThreads&) = delete;
  StepThreads& operator=(const StepThreads&) = delete;

 private:
  int before_;
};

/// One run of train(): the loop's variables, so that each of its parts is a short function.
class Loop {
 public:
  Loop(Solver& solver, Problem& problem, const TrainOptions& options, const Evaluator& evaluator,
       std::span<Callback* const> callbacks)
      : solver_(solver),
        problem_(problem),
        options_(options),
        evaluator_(evaluator),
        callbacks_(callbacks),
        group_(*problem.group),
        view_{solver_, problem_, options_, state_} {}

  void resume(const State& checkpoint) {
    solver_.restore(extract_state(checkpoint, "solver"));
    problem_.restore(extract_state(checkpoint, "problem"));
    state_.restore(extract_state(checkpoint, "trainer"));
  }

  /// All processes go on from where the first one stands.
  void follow() {
    if (group_.alone()) return;
    const State whole = broadcast(group_, group_.leads() ? view_.checkpoint() : State());
    if (!group_.leads()) resume(whole);
  }

  TrainSummary run() {
    begin_ = Clock::now() - std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(state_.seconds));
    view_.progress = progress();
    evaluated_at_ = state_.seconds;
    for (Callback* callback : callbacks_) callback->on_start(view_);
    if (state_.kept_step >= 0 && view_.progress >= 1) return finish_again();
    state_.kept_step = -1;
    if (state_.best_step < 0) evaluate();
    StopReason reason = StopReason::budget;
    while (view_.progress < 1) {
      const Next next = step();
      if (state_.rollbacks > options_.max_rollbacks) {
        reason = StopReason::diverged;
        break;
      }
      // After the last step nothing is left to interrupt: the run ends as it would have.
      if (next == Next::stop && view_.progress < 1) {
        reason = StopReason::interrupted;
        break;
      }
    }
    return finish(reason);
  }

 private:
  using Clock = std::chrono::steady_clock;

  double progress() const {
    double share = 0;
    if (options_.max_steps > 0)
      share = static_cast<double>(state_.step) / static_cast<double>(options_.max_steps);
    if (options_.max_seconds > 0) share = std::max(share, state_.seconds / options_.max_seconds);
    return std::min(share, 1.0);
  }

  double rate() const {
    double rate = state_.rate_factor;
    if (options_.schedule == "cosine")
      rate *= 0.5 * (1 + std::cos(std::numbers::pi * view_.progress));
    if (state_.step < options_.warmup_steps)
      rate *= static_cast<double>(state_.step + 1) / static_cast<double>(options_.warmup_steps);
    return rate;
  }

  Next step() {
    view_.rate = rate();
    const StepReport report = solver_.step(problem_, view_.rate);
    problem_.source.advance();
    ++state_.step;
    state_.seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    view_.progress = progress();
    if (!report.finite) {
      roll_back(std::isfinite(report.loss) ? "the gradient is not finite"
                                           : "the loss is not finite");
      return agreed(Next::go_on);
    }
    constexpr double memory = 0.98;
    state_.smoothed_loss =
        state_.step == 1 ? report.loss : memory * state_.smoothed_loss + (1 - memory) * report.loss;
    Next next = Next::go_on;
    for (Callback* callback : callbacks_)
      if (callback->on_step(view_, report) == Next::stop) next = Next::stop;
    next = agreed(next);
    if (evaluation_due() && view_.progress < 1) evaluate();
    return next;
  }

  /// Of all processes, which stop where one would, by the clock of the first one.
  Next agreed(Next mine) {
    if (group_.alone()) return mine;
    const Tensor seen = at::zeros({2}, at::kDouble);
    double* numbers = seen.data_ptr<double>();
    if (group_.leads()) numbers[0] = state_.seconds;
    if (mine == Next::stop) numbers[1] = 1;
    group_.sum(seen);
    state_.seconds = numbers[0];
    view_.progress = progress();
    return numbers[1] > 0 ? Next::stop : Next::go_on;
  }

  /// Processors of different kinds round differently, and their processes come apart by that.
  void align() {
    if (is_same(group_, solver_.state())) return;
    log::info(
        fmt::format("step {}: the processes had come apart by rounding; all go on from the "
                    "first one's state",
                    state_.step));
    follow();
  }

  /// The quality of the solution as it is now, which the first process finds for all.
  Quality judged() {
    const auto before = Clock::now();
    Quality quality;
    if (group_.leads()) quality = evaluator_(learned(solver_, problem_));
    evaluation_seconds_ = std::chrono::duration<double>(Clock::now() - before).count();
    broadcast(group_, {&quality.value, &quality.noise, &evaluation_seconds_});
    return quality;
  }

  /// Every so many steps, or, where only the clock ends the run, at equal shares of it and so that
  /// the evaluations take at most a twentieth.
  bool evaluation_due() {
    if (options_.evaluate_every > 0) return state_.step % options_.evaluate_every == 0;
    const double since = state_.seconds - evaluated_at_;
    return since >= std::max(options_.max_seconds / evaluations, 19 * evaluation_seconds_);
  }

  bool collapsed(const Quality& quality) const {
    if (!std::isfinite(quality.value)) return true;
    const double best = std::max(state_.best_quality, 0.0);
    return quality.value > options_.collapse_factor * (best + 3 * quality.noise);
  }

  void evaluate() {
    align();
    quality_ = judged();
    evaluated_at_ = state_.seconds + evaluation_seconds_;
    const bool first = state_.best_step < 0;
    if (first && !std::isfinite(quality_.value))  // there is nothing to go back to
      fail("the map before training", "one that gives finite points",
           fmt::format("a quality of {}", quality_.value));
    if (!first && collapsed(quality_)) {
      roll_back(fmt::format("the quality collapsed from {:.4g} to {:.4g}", state_.best_quality,
                            quality_.value));
      return;
    }
    const bool improved = first || quality_.value < state_.best_quality;
    if (improved) {
      state_.best_quality = quality_.value;
      state_.best_step = state_.step;
      state_.best = copied(solver_.state());
    }
    for (Callback* callback : callbacks_) callback->on_evaluation(view_, quality_, improved);
  }

  void roll_back(const std::string& why) {
    ++state_.rollbacks;
    state_.rate_factor *= 0.5;
    const std::string message = fmt::format(
        "step {}: {}; back to the best state (step {}) with half the learning rate "
        "({} of {} rollbacks)",
        state_.step, why, state_.best_step, std::min(state_.rollbacks, options_.max_rollbacks),
        options_.max_rollbacks);
    solver_.restore(state_.best);
    for (Callback* callback : callbacks_) callback->on_rollback(view_, message);
  }

  TrainSummary finish(StopReason reason) {
    TrainSummary summary{.reason = reason, .steps = state_.step, .seconds = state_.seconds};
    if (reason == StopReason::diverged) {
      solver_.restore(state_.best);
      summary.kept_step = state_.best_step;
      summary.message = fmt::format(
          "stopped at step {}: training went wrong more than {} times; the best map (step {}) was "
          "kept",
          state_.step, options_.max_rollbacks, state_.best_step);
      quality_ = judged();
    } else if (reason == StopReason::interrupted) {
      quality_ = judged();
      summary.kept_step = state_.step;
      summary.message = fmt::format("interrupted at step {}", state_.step);
    } else {
      keep_better(summary);
    }
    summary.quality = quality_;
    for (Callback* callback : callbacks_) callback->on_end(view_, summary);
    return summary;
  }

  /// The end of a run that had ended before, from its checkpoint, which holds the kept solution.
  TrainSummary finish_again() {
    quality_ = judged();
    TrainSummary summary{.reason = StopReason::budget,
                         .steps = state_.step,
                         .seconds = state_.seconds,
                         .quality = quality_,
                         .kept_step = state_.kept_step,
                         .message = finished_text()};
    for (Callback* callback : callbacks_) callback->on_end(view_, summary);
    return summary;
  }

  std::string finished_text() const {
    std::string text = fmt::format("finished after {} steps", state_.step);
    if (state_.kept_step != state_.step)
      text += fmt::format("; the map of step {} was better and was kept", state_.kept_step);
    return text;
  }

  /// The last solution, unless the best one is better by more than sampling explains.
  void keep_better(TrainSummary& summary) {
    evaluate();
    const double best = std::max(state_.best_quality, 0.0);
    const bool last =
        state_.best_step == state_.step || quality_.value <= 1.5 * best + 3 * quality_.noise;
    state_.kept_step = last ? state_.step : state_.best_step;
    if (!last) {
      solver_.restore(state_.best);
      quality_ = judged();
    }
    summary.kept_step = state_.kept_step;
    summary.message = finished_text();
  }

  Solver& solver_;
  Problem& problem_;
  const TrainOptions& options_;
  const Evaluator& evaluator_;
  std::span<Callback* const> callbacks_;
  ProcessGroup& group_;
  TrainState state_;
  Training view_;
  Quality quality_;
  Clock::time_point begin_;
  double evaluated_at_ = 0, evaluation_seconds_ = 0;  // of the last evaluation
};

}  // namespace

const Declaration<TrainOptions>& train_declaration() {
  using O = TrainOptions;
  static const auto declaration =
      Declaration<O>("section", "train", "The training loop's budget, schedule and guards.", "")
          .option(
              "max_steps", &O::max_steps,
              "Steps at most; 0: the solver's usual number, or no bound where max_seconds is set.",
              at_least(0))
          .option("max_seconds", &O::max_seconds,
                  "Seconds of training at most; 0: no bound. A run that ends by time is not "
                  "reproducible to the bit.",
                  at_least(0))
          .option(
              "schedule", &O::schedule,
              "The learning rate over the budget: falling to 0 along a half cosine, or constant.",
              one_of({"cosine", "constant"}))
          .option("warmup_steps", &O::warmup_steps,
                  "Steps over which the learning rate rises from 0.", at_least(0))
          .option("evaluate_every", &O::evaluate_every,
                  "Steps between evaluations on held-out points; 0: about 40 in a run.",
                  at_least(0))
          .option("checkpoint_seconds", &O::checkpoint_seconds,
                  "Seconds between checkpoints, each written after an evaluation.", at_least(0))
          .option("max_rollbacks", &O::max_rollbacks,
                  "How often training may go back to its best state before it stops.",
                  between(0, 1000))
          .option("collapse_factor", &O::collapse_factor,
                  "Quality this many times worse than the best counts as collapsed.", above(1))
          .option(
              "image_every", &O::image_every,
              "Steps between grids of held-out images in the events of runs on images; 0: one at "
              "every evaluation.",
              at_least(0));
  return declaration;
}

TrainOptions sized_for(TrainOptions options) {
  if (options.evaluate_every <= 0 && options.max_steps > 0)
    options.evaluate_every = std::max<std::int64_t>(options.max_steps / evaluations, 1);
  return options;
}

State TrainState::state() const {
  State whole{{"step", number(step)},
              {"seconds", number(seconds)},
              {"smoothed_loss", number(smoothed_loss)},
              {"rollbacks", number(rollbacks)},
              {"rate_factor", number(rate_factor)},
              {"best_quality", number(best_quality)},
              {"best_step", number(best_step)},
              {"kept_step", number(kept_step)}};
  insert_state(whole, "best", best);
  return whole;
}

void TrainState::restore(const State& state) {
  const auto integer = [&](const char* name) {
    return require_tensor(state, name, "trainer").item<std::int64_t>();
  };
  const auto real = [&](const char* name) {
    return require_tensor(state, name, "trainer").item<double>();
  };
  step = integer("step");
  seconds = real("seconds");
  smoothed_loss = real("smoothed_loss");
  rollbacks = integer("rollbacks");
  rate_factor = real("rate_factor");
  best_quality = real("best_quality");
  best_step = integer("best_step");
  kept_step = integer("kept_step");
  best = copied(extract_state(state, "best"));
}

State Training::checkpoint() const {
  State whole;
  insert_state(whole, "solver", solver.state());
  insert_state(whole, "problem", problem.state());
  insert_state(whole, "trainer", state.state());
  return whole;
}

TrainSummary train(Solver& solver, Problem& problem, const TrainOptions& options,
                   const Evaluator& evaluator, std::span<Callback* const> callbacks,
                   const State* resumed) {
  if (options.max_steps <= 0 && options.max_seconds <= 0)
    throw Error("train: expected max_steps or max_seconds above 0, got neither");
  const TrainOptions sized = sized_for(options);
  const StepThreads threads(solver.step_work() / static_cast<double>(problem.group->size()));
  Loop loop(solver, problem, sized, evaluator, callbacks);
  if (resumed) loop.resume(*resumed);
  loop.follow();
  return loop.run();
}

}  // namespace monge
