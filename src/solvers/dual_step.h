#pragma once

#include "conjugate_search.h"
#include "solvers/passes.h"

#include <span>

namespace monge {

/// What one step of the dual saw.
struct DualTerms {
  double source = 0;       ///< mean of psi(x)
  double conjugate = 0;    ///< mean of <x^, y> - psi(x^), the conjugate where x^ is exact
  double evaluations = 0;  ///< gradients for one search
  double unfinished = 0;   ///< share of the searches that ended above the tolerance
};

/// E psi(X) + E psi*(Y) and its derivatives in the parameters, with the maximisers x^(Y) of the
/// conjugate found by searches and held fixed: Danskin's theorem makes those the derivatives of the
/// whole. Without a graph and on all threads.
///
/// In multiplications per pair of points, with I those of the network's input weights and M those
/// of the others and s gradients for a search: 2 s (I + M) for the searches and 2 (2 I + 3 M) for
/// the derivatives.
class DualStep {
 public:
  DualStep(std::int64_t dimension, std::int64_t rows, PotentialPasses potential);
  ~DualStep();

  /// Where searches stay from now on.
  void set_box(Box<float> box) { box_ = std::move(box); }

  /// To be called whenever the parameters have changed.
  void changed() { potential_.network->changed(); }

  /// `x` [n, d], `y` [m, d] and `found` [m, d], where each search begins and then what it found;
  /// float32, contiguous. The means are weighted by `x_weights` [n] and `y_weights` [m], which add
  /// up to n and m, where they are not empty.
  DualTerms run(const Tensor& x, const Tensor& y, const Tensor& found,
                const ConjugateLimits& limits, std::span<const float> x_weights = {},
                std::span<const float> y_weights = {});

  /// Parallel to the parameters in the order of their names; overwritten by the next run().
  const std::vector<Tensor>& derivatives() const;

 private:
  struct Worker;
  double learn(Worker& worker, const float* points, std::span<const float> weights,
               float scale) const;

  std::int64_t d_, rows_;
  PotentialPasses potential_;
  Box<float> box_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<float> equal_;  // ones, the weights where none are given
};

}  // namespace monge
