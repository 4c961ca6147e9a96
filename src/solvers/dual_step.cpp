#include "solvers/dual_step.h"

#include "kernels/shares.h"

#include <numeric>

namespace monge {

/// What one thread writes.
struct DualStep::Worker {
  Worker(std::int64_t dimension, std::int64_t rows, const PotentialPasses& passes)
      : potential(passes.make(rows)),
        search(dimension, rows),
        values(static_cast<std::size_t>(rows)),
        weights(values.size()) {}

  std::unique_ptr<PotentialPass> potential;
  ConjugateSearch<float> search;
  std::vector<float> values, weights;
  double source = 0, conjugate = 0;  // sums
  ConjugateCounts counts;
};

DualStep::DualStep(std::int64_t dimension, std::int64_t rows, PotentialPasses potential)
    : d_(dimension), rows_(rows), potential_(std::move(potential)) {
  workers_.push_back(std::make_unique<Worker>(d_, rows_, potential_));
}

DualStep::~DualStep() = default;

const std::vector<Tensor>& DualStep::derivatives() const {
  return workers_.front()->potential->sums.tensors();
}

/// Adds the derivatives of psi at the points by `scale` times their weights; the weighted sum of
/// its values.
double DualStep::learn(Worker& worker, const float* points, std::span<const float> weights,
                       float scale) const {
  double sum = 0;
  const std::int64_t n = std::ssize(weights);
  for (std::int64_t from = 0; from < n; from += rows_) {
    const std::int64_t count = std::min(rows_, n - from);
    worker.potential->forward(points + from * d_, count, worker.values.data());
    for (std::int64_t i = 0; i < count; ++i) {
      const float weight = weights[from + i];
      worker.weights[i] = scale * weight;
      sum += double(weight) * worker.values[i];
    }
    worker.potential->accumulate(worker.weights.data());
  }
  return sum;
}

DualTerms DualStep::run(const Tensor& x, const Tensor& y, const Tensor& found,
                        const ConjugateLimits& limits, std::span<const float> x_weights,
                        std::span<const float> y_weights) {
  constexpr std::int64_t fewest = 32;  // points of a thread
  const at::NoGradGuard no_graph;
  const std::int64_t n = x.size(0), m = y.size(0);
  equal_.resize(std::max({n, m, std::ssize(equal_)}), 1.0F);
  if (x_weights.empty()) x_weights = std::span(equal_).first(n);
  if (y_weights.empty()) y_weights = std::span(equal_).first(m);
  const std::int64_t threads =
      std::clamp<std::int64_t>(std::min(n, m) / fewest, 1, at::get_num_threads());
  while (std::ssize(workers_) < threads)
    workers_.push_back(std::make_unique<Worker>(d_, rows_, potential_));
  const float* sources = x.const_data_ptr<float>();
  const float* targets = y.const_data_ptr<float>();
  float* starts = found.data_ptr<float>();
  at::parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t thread = first; thread < last; ++thread) {
      Worker& worker = *workers_[thread];
      PotentialPass& psi = *worker.potential;
      psi.sums.reset();
      const std::int64_t from = m * thread / threads, count = m * (thread + 1) / threads - from;
      const float* goals = targets + from * d_;
      float* points = starts + from * d_;
      const auto gradient = [&](const float* at, std::int64_t rows, float* out) {
        psi.forward(at, rows, worker.values.data());
        psi.gradient(out);
      };
      worker.counts = worker.search.run(gradient, limits, box_, count, goals, points, nullptr);
      const auto own = y_weights.subspan(from, count);
      worker.conjugate = -learn(worker, points, own, -1 / static_cast<float>(m));
      for (std::int64_t i = 0; i < count; ++i)
        worker.conjugate += own[i] * std::inner_product(points + i * d_, points + (i + 1) * d_,
                                                        goals + i * d_, 0.0);
      const std::int64_t begin = n * thread / threads, end = n * (thread + 1) / threads;
      worker.source = learn(worker, sources + begin * d_, x_weights.subspan(begin, end - begin),
                            1 / static_cast<float>(n));
      psi.finish();
    }
  });
  Worker& whole = *workers_.front();
  kernels::add_shares(whole.potential->sums.tensors(), threads, [&](std::int64_t thread) {
    return workers_[thread]->potential->sums.part();
  });
  for (std::int64_t thread = 1; thread < threads; ++thread) {
    const Worker& worker = *workers_[thread];
    whole.source += worker.source;
    whole.conjugate += worker.conjugate;
    whole.counts += worker.counts;
  }
  const auto searches = static_cast<double>(m);
  return {whole.source / static_cast<double>(n), whole.conjugate / searches,
          static_cast<double>(whole.counts.evaluations) / searches,
          static_cast<double>(whole.counts.unfinished) / searches};
}

}  // namespace monge
