#pragma once

#include "monge/solvers/dual.h"

namespace monge {

/// Several dual solvers that learn apart, from other weights and other batches, in one affine
/// frame; the solution is the mean of their potentials, which is convex. What they get wrong by
/// chance, of weights, batches and the order of both, goes with the number of them; what they have
/// in common, as the samples' noise, stays (bagging without resampling, Breiman 1996). Their units
/// bend from as smoothly as the network's `celu_alpha` says to ten times as sharply: smooth ones
/// miss where the map is steep, sharp ones learn more noise, and the two have little in common.
///
/// A step is one of each. Where one of them is not finite, the others have moved all the same.
class DualEnsemble final : public Solver {
 public:
  /// `options.members` of them. Throws Error where that is less than two.
  DualEnsemble(std::int64_t dimension, const DualOptions& options, const DenseIcnnOptions& network,
               Random& random);

  std::string name() const override { return "dual"; }
  Table options() const override { return members_.front()->options(); }
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  double step_work() const override { return members_.front()->step_work(); }
  /// Its potential is a copy that does not go on changing.
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

 private:
  std::vector<std::unique_ptr<Dual>> members_;
};

/// CELU's alpha of member i: from the network's `own`, of the first, in even steps of its logarithm
/// to 0.1, of the last, where it is not sharper from the start.
double member_alpha(std::int64_t i, std::int64_t members, double own);

/// What there is time for: how many members, how wide a network where its width is free, and
/// whether it learns to give its share of the first map, which random weights give badly at first.
struct DualBudget {
  std::int64_t members = 1;
  bool live = true;                       ///< false: better begun at the affine map alone
  std::vector<std::int64_t> hidden = {};  ///< empty: as the dimension has it
};

/// That for so many seconds of all cores together, by a nominal speed of a core, so that the choice
/// does not depend on the machine's load. `network` with `hidden` empty where it may be chosen.
DualBudget dual_budget(std::int64_t dimension, double processor_seconds, const DualOptions& options,
                       const DenseIcnnOptions& network);

}  // namespace monge
