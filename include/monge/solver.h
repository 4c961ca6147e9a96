#pragma once

#include "monge/options.h"
#include "monge/sampler.h"
#include "monge/tensor.h"
#include "monge/transport_map.h"

#include <c10/util/SmallVector.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace monge {

/// What one step did.
struct StepReport {
  double loss = 0;
  /// The loss's parts by name, a literal; up to four of them need no memory of their own.
  c10::SmallVector<std::pair<std::string_view, double>, 4> terms;
  double gradient_norm = 0;
  /// False where the loss or its gradient is not finite: the parameters were left as they were.
  bool finite = true;
};

/// What a solver has learned so far. The maps share parameters with the solver and go on changing
/// with it.
struct Solution {
  std::shared_ptr<const TransportMap> map;
  std::shared_ptr<const TransportMap> inverse;  ///< null where the solver has none
};

class Solver;

/// What a solver has learned of a problem, between the measures themselves: out of the span's
/// coordinates and the latent space, and where the source is smoothed the plan at the last level,
/// which has no inverse.
Solution learned(const Solver& solver, const Problem& problem);

/// Learns a transport map by steps. A solver is mathematics only: no files, flags or printing.
class Solver {
 public:
  virtual ~Solver() = default;

  /// The registered name and the options that rebuild the solver.
  virtual std::string name() const = 0;
  virtual Table options() const = 0;

  /// Prepares the parameters from samples (affine start, pretraining). Called once, before the
  /// first step of a run that is not resumed.
  virtual void start(const Problem& problem, Random& random) = 0;

  /// One update, on fresh batches from both streams; `rate` multiplies the learning rates.
  virtual StepReport step(Problem& problem, double rate) = 0;

  /// About how many multiplications one step does between two meetings of its threads, by which
  /// train() chooses how many there are; 0: unknown.
  virtual double step_work() const { return 0; }

  virtual Solution solution() const = 0;

  /// Everything that changes in training, sharing storage; restore() throws Error on a state of
  /// another solver or network.
  virtual State state() const = 0;
  virtual void restore(const State& state) = 0;
};

}  // namespace monge
