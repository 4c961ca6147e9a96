#pragma once

#include "monge/options.h"
#include "monge/solver.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace monge {

struct TrainOptions {
  std::int64_t max_steps = 0;
  double max_seconds = 0;
  std::string schedule = "cosine";
  std::int64_t warmup_steps = 20;
  std::int64_t evaluate_every = 0;
  double checkpoint_seconds = 15;
  std::int64_t max_rollbacks = 5;
  double collapse_factor = 10;
  std::int64_t image_every = 0;
};

const Declaration<TrainOptions>& train_declaration();

/// The options with `evaluate_every` chosen from max_steps where it is 0; it stays 0 where only the
/// clock ends the run, which is then evaluated at equal shares of its time.
TrainOptions sized_for(TrainOptions options);

/// How good a solution is on held-out points.
struct Quality {
  double value = 0;  ///< lower is better
  double noise = 0;  ///< how much `value` varies by the sampling of the points alone
  std::vector<std::pair<std::string, double>> figures;
};

using Evaluator = std::function<Quality(const Solution&)>;

/// Where a training run stands; with the solver's and the streams' state, all that a checkpoint
/// needs.
struct TrainState {
  std::int64_t step = 0;
  double seconds = 0;        ///< of training, resumed runs included
  double smoothed_loss = 0;  ///< exponential average over about 50 steps
  std::int64_t rollbacks = 0;
  double rate_factor = 1;  ///< halved at every rollback
  double best_quality = 0;
  std::int64_t best_step = -1;
  State best;                   ///< the solver's state at best_step
  std::int64_t kept_step = -1;  ///< of the solution that a finished run kept; -1 before its end

  State state() const;
  void restore(const State& state);
};

/// What callbacks see.
struct Training {
  const Solver& solver;
  const Problem& problem;
  const TrainOptions& options;
  const TrainState& state;
  double progress = 0;  ///< share of the budget (steps or seconds) that is used, 0 to 1
  double rate = 0;      ///< the last step's learning-rate factor

  /// Solver, streams and trainer: what resume() continues from, bit by bit.
  State checkpoint() const;
};

enum class Next { go_on, stop };

enum class StopReason { budget, interrupted, diverged };

struct TrainSummary {
  StopReason reason = StopReason::budget;
  std::int64_t steps = 0;
  double seconds = 0;
  Quality quality;             ///< of the solution that was kept
  std::int64_t kept_step = 0;  ///< the step whose parameters were kept
  std::string message;         ///< one sentence: why it stopped and what was kept
};

/// Watches a training run. Every method may be left out.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_start(const Training&) {}
  virtual Next on_step(const Training&, const StepReport&) { return Next::go_on; }
  /// `improved`: this is the best solution so far.
  virtual void on_evaluation(const Training&, const Quality&, bool /*improved*/) {}
  virtual void on_rollback(const Training&, const std::string& /*why*/) {}
  virtual void on_end(const Training&, const TrainSummary&) {}
};

/// The training loop: steps the solver until the budget is used up, watches its quality on
/// held-out points, and rolls back to the best state when a loss, a gradient or the quality goes
/// wrong. On return the solver holds the solution that was kept: the last one, or the best one
/// where the last is clearly worse.
///
/// `resumed` is a checkpoint of the same solver and problem, or null for a fresh start, for which
/// the caller has called Solver::start. Throws Error where no budget is set.
///
/// The processes of the problem's group train one map together: all begin from what the first one
/// has, which alone needs `resumed`, a started solver and an evaluator, and decides for all by its
/// clock and its evaluations. Callbacks are each process's own; all stop where one of them stops.
TrainSummary train(Solver& solver, Problem& problem, const TrainOptions& options,
                   const Evaluator& evaluator, std::span<Callback* const> callbacks = {},
                   const State* resumed = nullptr);

}  // namespace monge
