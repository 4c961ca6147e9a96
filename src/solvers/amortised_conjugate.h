#pragma once

#include "solvers/exchange.h"
#include "solvers/trained.h"

namespace monge {

/// A network G with G(y) near the maximiser x^(y) of <x, y> - psi(x), from which the searches
/// begin: amortised optimisation (Amos 2023, On amortizing convex conjugates, section 3). It learns
/// beside psi, one step a batch, by
///
///   regression:  min_G  E ½ |G(Y) - x^(Y)|²,      objective:  min_G  E psi(G(Y)) - <G(Y), Y>.
class AmortisedConjugate {
 public:
  enum class Loss { regression, objective };

  /// For batches of `batch` points; G is the identity at first.
  AmortisedConjugate(std::int64_t dimension, Loss loss, std::int64_t batch, Random& random);

  /// G at `y` [batch, d], which has to stay until learn().
  Tensor starts(const Tensor& y);
  /// One step after the searches from there have `found` [batch, d] the maximisers of psi; y and
  /// they may be a process's rows of the batch that the `exchange` is of.
  void learn(const Potential& psi, const Tensor& found, double rate, Exchange exchange);

  State state() const { return map_.state(); }
  void restore(const State& state) { map_.restore(state, "dual"); }

 private:
  Loss loss_;
  TrainedMap map_;
  Tensor y_, guess_;  // of the last starts()
};

}  // namespace monge
