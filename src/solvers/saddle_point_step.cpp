#include "solvers/saddle_point_step.h"

#include "kernels/shares.h"

#include <numeric>

namespace monge {

/// What one thread writes.
struct SaddlePointStep::Worker {
  Worker(const SaddlePointObjective& o, std::int64_t rows, const PotentialPasses& potentials,
         const MapPasses& maps)
      : potential(potentials.make(rows)), map(maps.make(rows)) {
    const auto size = [rows](std::int64_t numbers) {
      return static_cast<std::size_t>(rows * numbers);
    };
    if (o.noise_dimension > 0 || o.noise_samples > 1)
      input.resize(size(o.dimension + o.noise_dimension));
    for (auto* points : {&mapped, &slope}) points->resize(size(o.dimension));
    if (o.level_numbers > 0) seen.resize(size(o.dimension + o.level_numbers));
    for (auto* numbers : {&values, &weights}) numbers->resize(size(1));
  }

  std::unique_ptr<PotentialPass> potential;
  std::unique_ptr<MapPass> map;
  std::vector<float> input, mapped, seen, slope, values, target_values, weights;
  SaddlePointTerms terms;  // sums
};

namespace {

/// Row `at` of an array of `width` columns; null where there is none.
const float* row(const Tensor& array, std::int64_t at, std::int64_t width) {
  return array.defined() ? array.const_data_ptr<float>() + at * width : nullptr;
}

/// -mean <x, y> over the samples y [k, d]; its derivative in y is added to `derivative`.
float correlation(const float* x, const float* y, std::int64_t k, std::int64_t d,
                  float* derivative) {
  const float share = 1 / static_cast<float>(k);
  float sum = 0;
  for (std::int64_t s = 0; s < k; ++s)
    for (std::int64_t j = 0; j < d; ++j) {
      sum -= share * x[j] * y[s * d + j];
      if (derivative) derivative[s * d + j] -= share * x[j];
    }
  return sum;
}

/// body(from, count) for the points of one of `threads` threads among `n`, in blocks of at most
/// `rows`.
template <class Body>
void over_blocks(std::int64_t thread, std::int64_t threads, std::int64_t n, std::int64_t rows,
                 Body body) {
  const std::int64_t part = (n + threads - 1) / threads, end = std::min((thread + 1) * part, n);
  for (std::int64_t from = thread * part; from < end; from += rows)
    body(from, std::min(rows, end - from));
}

}  // namespace

/// The points of one pass: `n` of x with the noise of their samples and the levels they are seen
/// at.
struct SaddlePointStep::Block {
  const float* x;
  const float* z;
  const float* levels;
  std::int64_t n;
};

SaddlePointStep::SaddlePointStep(const SaddlePointObjective& objective, std::int64_t rows,
                                 PotentialPasses potential, MapPasses map)
    : objective_(objective),
      rows_(std::max(rows, objective.noise_samples)),
      potential_(std::move(potential)),
      map_(std::move(map)) {
  prepare(1);
}

SaddlePointStep::~SaddlePointStep() = default;

const std::vector<Tensor>& SaddlePointStep::map_derivatives() const {
  return workers_.front()->map->sums.tensors();
}

const std::vector<Tensor>& SaddlePointStep::potential_derivatives() const {
  return workers_.front()->potential->sums.tensors();
}

std::int64_t SaddlePointStep::threads_for(std::int64_t n) const {
  if (potential_.whole || map_.whole) return 1;
  constexpr std::int64_t fewest = 32;  // passes of a thread
  const std::int64_t passes = n * objective_.noise_samples;
  return std::min(std::clamp<std::int64_t>(passes / fewest, 1, at::get_num_threads()), n);
}

/// At least `threads` workers, all with nothing summed.
void SaddlePointStep::prepare(std::int64_t threads) {
  while (std::ssize(workers_) < threads)
    workers_.push_back(std::make_unique<Worker>(objective_, rows_, potential_, map_));
  for (const auto& worker : workers_) {
    worker->map->sums.reset();
    worker->potential->sums.reset();
    worker->terms = {};
  }
}

SaddlePointStep::Block SaddlePointStep::block_of(const Tensor& x, const Tensor& z,
                                                 const Tensor& levels, std::int64_t from,
                                                 std::int64_t n) const {
  return {row(x, from, objective_.dimension),
          row(z, from * objective_.noise_samples, objective_.noise_dimension),
          row(levels, from, objective_.level_numbers), n};
}

/// part(worker, thread) on each of `threads` threads.
template <class Part>
void SaddlePointStep::on_threads(std::int64_t threads, Part part) {
  if (potential_.whole || map_.whole)
    part(*workers_.front(), 0);  // within parallel_for nothing else runs in parallel
  else
    at::parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t thread = first; thread < last; ++thread) part(*workers_[thread], thread);
    });
}

/// T at the points of a block, every x with each of its noise samples.
void SaddlePointStep::transport(Worker& worker, const Block& block) const {
  const std::int64_t d = objective_.dimension, noise = objective_.noise_dimension;
  const std::int64_t samples = objective_.noise_samples;
  const float* input = block.x;
  if (!worker.input.empty()) {
    float* out = worker.input.data();
    for (std::int64_t i = 0; i < block.n; ++i)
      for (std::int64_t s = 0; s < samples; ++s) {
        out = std::copy_n(block.x + i * d, d, out);
        out = std::copy_n(block.z + (i * samples + s) * noise, noise, out);
      }
    input = worker.input.data();
  }
  worker.map->forward(input, block.n * samples, worker.mapped.data());
}

/// What the potential's pass takes for `n` points [n, d]: each with its levels behind it.
const float* SaddlePointStep::seen(Worker& worker, const float* points, const float* levels,
                                   std::int64_t n) const {
  if (!levels) return points;
  const std::int64_t d = objective_.dimension, numbers = objective_.level_numbers;
  float* out = worker.seen.data();
  for (std::int64_t i = 0; i < n; ++i) {
    out = std::copy_n(points + i * d, d, out);
    out = std::copy_n(levels + i * numbers, numbers, out);
  }
  return worker.seen.data();
}

kernels::WeakCostShape<float> SaddlePointStep::cost_shape() const {
  return {objective_.noise_samples, objective_.dimension, static_cast<float>(objective_.gamma),
          static_cast<float>(objective_.exponent)};
}

/// The sum of C over the block. Where `along` [n k, d] is given, it holds ∇f(T) and becomes the
/// derivative of C - mean f in T.
double SaddlePointStep::cost_of(Worker& worker, const Block& block, float* along) const {
  const std::int64_t d = objective_.dimension, samples = objective_.noise_samples;
  const std::int64_t size = samples * d;
  const float share = 1 / static_cast<float>(samples);
  const kernels::WeakCostShape<float> shape = cost_shape();
  const float sign = objective_.correlation ? 1.0f : -1.0f;
  double sum = 0;
  for (std::int64_t i = 0; i < block.n; ++i) {
    const float* x = block.x + i * d;
    const float* points = worker.mapped.data() + i * size;
    float* derivative = along ? along + i * size : nullptr;
    if (derivative)
      for (std::int64_t at = 0; at < size; ++at) derivative[at] *= sign * share;
    sum += objective_.correlation ? correlation(x, points, samples, d, derivative)
                                  : kernels::weak_cost(shape, x, points, derivative);
  }
  return sum;
}

SaddlePointTerms SaddlePointStep::for_map(const Tensor& x, const Tensor& z, const Tensor& levels) {
  const at::NoGradGuard no_graph;
  const std::int64_t n = x.size(0), d = objective_.dimension, samples = objective_.noise_samples;
  const float share = 1 / static_cast<float>(n);
  const std::int64_t threads = threads_for(n);
  prepare(threads);
  on_threads(threads, [&](Worker& worker, std::int64_t thread) {
    over_blocks(thread, threads, n, rows_ / samples, [&](std::int64_t from, std::int64_t count) {
      const Block block = block_of(x, z, levels, from, count);
      transport(worker, block);
      worker.potential->forward(seen(worker, worker.mapped.data(), block.levels, count * samples),
                                count * samples, worker.values.data());
      worker.potential->gradient(worker.slope.data());
      worker.terms.mapped +=
          std::accumulate(worker.values.begin(), worker.values.begin() + count * samples, 0.0);
      worker.terms.cost += cost_of(worker, block, worker.slope.data());
      for (std::int64_t i = 0; i < count * samples * d; ++i) worker.slope[i] *= share;
      worker.map->accumulate(worker.slope.data());
    });
    if (!worker.map->sums.empty()) worker.map->finish();
  });
  kernels::add_shares(map_derivatives(), threads,
                      [&](std::int64_t thread) { return workers_[thread]->map->sums.part(); });
  const SaddlePointTerms& sums = summed_terms(threads);
  const auto count = static_cast<double>(n);
  return {.cost = sums.cost / count,
          .mapped = sums.mapped / (count * static_cast<double>(samples))};
}

/// One pass of the potential over values whose weights are all `weight`; their sum.
double SaddlePointStep::learn(Worker& worker, const float* at, std::int64_t count, float weight) {
  worker.potential->forward(at, count, worker.values.data());
  std::fill_n(worker.weights.begin(), count, weight);
  worker.potential->accumulate(worker.weights.data());
  return std::accumulate(worker.values.begin(), worker.values.begin() + count, 0.0);
}

/// A block of the potential's objective with the regulariser. Its derivative in f(T) is that
/// without it, 1 / n, times 1 - 2 weight |tau - 1[u < 0]| u, and in f(y) the opposite.
void SaddlePointStep::learn_pairs(Worker& worker, const Block& block, const float* y,
                                  float share) const {
  const std::int64_t d = objective_.dimension, n = block.n;
  const float sign = objective_.correlation ? -1.0f : 1.0f;
  const kernels::WeakCostShape<float> shape = cost_shape();
  const auto cost = [&](const float* from, const float* to) {
    return objective_.correlation ? correlation(from, to, 1, d, nullptr)
                                  : kernels::weak_cost<float>(shape, from, to, nullptr);
  };
  worker.target_values.resize(static_cast<std::size_t>(rows_));
  worker.potential->forward(y, n, worker.target_values.data());
  worker.potential->forward(worker.mapped.data(), n, worker.values.data());
  for (std::int64_t i = 0; i < n; ++i) {
    const float* x = block.x + i * d;
    const float excess = cost(x, worker.mapped.data() + i * d) - cost(x, y + i * d) +
                         sign * (worker.target_values[i] - worker.values[i]);
    const double side = excess < 0 ? 1 - objective_.expectile : objective_.expectile;
    worker.terms.excess += side * excess * excess;
    worker.terms.mapped += worker.values[i];
    worker.terms.target += worker.target_values[i];
    worker.weights[i] =
        sign * share * static_cast<float>(1 - 2 * objective_.expectile_weight * side * excess);
  }
  worker.potential->accumulate(worker.weights.data());
  for (std::int64_t i = 0; i < n; ++i) worker.weights[i] = -worker.weights[i];
  worker.potential->forward(y, n, worker.target_values.data());
  worker.potential->accumulate(worker.weights.data());
}

SaddlePointTerms SaddlePointStep::for_potential(const Tensor& x, const Tensor& z, const Tensor& y,
                                                const Tensor& levels) {
  const at::NoGradGuard no_graph;
  const std::int64_t n = x.size(0), m = y.size(0), d = objective_.dimension;
  const std::int64_t samples = objective_.noise_samples;
  const float sign = objective_.correlation ? -1.0f : 1.0f;
  const bool paired = objective_.expectile_weight > 0;
  const std::int64_t threads = std::max(threads_for(n), threads_for(m));
  prepare(threads);
  const float mapped_weight = sign / static_cast<float>(n * samples);
  const float target_weight = -sign / static_cast<float>(m);
  on_threads(threads, [&](Worker& worker, std::int64_t thread) {
    over_blocks(thread, threads, n, rows_ / samples, [&](std::int64_t from, std::int64_t count) {
      const Block block = block_of(x, z, levels, from, count);
      transport(worker, block);
      worker.terms.cost += cost_of(worker, block, nullptr);
      if (paired)
        learn_pairs(worker, block, row(y, from, d), 1 / static_cast<float>(n));
      else
        worker.terms.mapped +=
            learn(worker, seen(worker, worker.mapped.data(), block.levels, count * samples),
                  count * samples, mapped_weight);
    });
    if (!paired)
      over_blocks(thread, threads, m, rows_, [&](std::int64_t from, std::int64_t count) {
        const float* levels_there = row(levels, from, objective_.level_numbers);
        worker.terms.target +=
            learn(worker, seen(worker, row(y, from, d), levels_there, count), count, target_weight);
      });
    if (!worker.potential->sums.empty()) worker.potential->finish();
  });
  kernels::add_shares(potential_derivatives(), threads, [&](std::int64_t thread) {
    return workers_[thread]->potential->sums.part();
  });
  const SaddlePointTerms& sums = summed_terms(threads);
  const auto count = static_cast<double>(n);
  return {sums.cost / count, sums.mapped / (count * static_cast<double>(samples)),
          sums.target / static_cast<double>(m), sums.excess / count};
}

/// The sums of the terms of the first `threads` workers, in the first one.
const SaddlePointTerms& SaddlePointStep::summed_terms(std::int64_t threads) {
  SaddlePointTerms& whole = workers_.front()->terms;
  for (std::int64_t thread = 1; thread < threads; ++thread) {
    const SaddlePointTerms& part = workers_[thread]->terms;
    whole.cost += part.cost;
    whole.mapped += part.mapped;
    whole.target += part.target;
    whole.excess += part.excess;
  }
  return whole;
}

}  // namespace monge
