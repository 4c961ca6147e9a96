#include "solvers/light_sb_step.h"

#include "kernels/product.h"
#include "kernels/transport_loops.h"

#include <ATen/Parallel.h>

#include <numbers>

namespace monge {
namespace {

constexpr std::int64_t block_rows = 128;

}  // namespace

LightSbStep::LightSbStep(PlanMixture mixture)
    : mixture_(std::move(mixture)),
      components_(mixture_.centres.size(0)),
      dimension_(mixture_.centres.size(1)),
      features_(2 * dimension_ + 1),
      zeros_(static_cast<std::size_t>(components_), 0.0) {}

/// The shares of a block and what they add to the sums.
void LightSbStep::add_block(Worker& worker, const float* points, std::int64_t rows,
                            const double* coefficients) const {
  using kernels::Transposed;
  double* feature = worker.features.data();
  for (std::int64_t i = 0; i < rows; ++i, points += dimension_, feature += features_) {
    for (std::int64_t j = 0; j < dimension_; ++j) {
      const auto coordinate = static_cast<double>(points[j]);
      feature[j] = coordinate;
      feature[dimension_ + j] = coordinate * coordinate;
    }
    feature[2 * dimension_] = 1;
  }
  kernels::product(rows, components_, features_, worker.features.data(), features_, Transposed::no,
                   coefficients, components_, Transposed::no, 0.0, worker.shares.data(),
                   components_);
  const kernels::TransportLoops& loops = kernels::transport_loops();
  for (std::int64_t i = 0; i < rows; ++i) {
    double* row = worker.shares.data() + i * components_;
    const kernels::SoftRow soft = loops.soft_row(components_, row, zeros_.data(), 1, row);
    worker.total += soft.largest + std::log(soft.sum);
    const double scale = 1 / soft.sum;
    for (std::int64_t k = 0; k < components_; ++k) row[k] *= scale;
  }
  kernels::product(components_, features_, rows, worker.shares.data(), components_, Transposed::yes,
                   worker.features.data(), features_, Transposed::no, 1.0, worker.sums.data(),
                   features_);
}

/// The mean of the logarithms at the points; `sums` becomes the mean of share times feature,
/// [K, 2d + 1]. The coefficients [2d + 1, K] are negated, as costs.
double LightSbStep::accumulate(const Tensor& points, const Tensor& coefficients, Tensor& sums) {
  const std::int64_t n = points.size(0);
  const std::int64_t threads = std::clamp<std::int64_t>(n / block_rows, 1, at::get_num_threads());
  while (std::ssize(workers_) < threads) {
    Worker worker;
    worker.features.resize(static_cast<std::size_t>(block_rows * features_));
    worker.shares.resize(static_cast<std::size_t>(block_rows * components_));
    worker.sums.resize(static_cast<std::size_t>(components_ * features_));
    workers_.push_back(std::move(worker));
  }
  const float* first = points.const_data_ptr<float>();
  const double* weights = coefficients.const_data_ptr<double>();
  const std::int64_t part = (n + threads - 1) / threads;
  at::parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t thread = begin; thread < end; ++thread) {
      Worker& worker = workers_[thread];
      worker.total = 0;
      std::ranges::fill(worker.sums, 0.0);
      const std::int64_t last = std::min((thread + 1) * part, n);
      for (std::int64_t from = thread * part; from < last; from += block_rows)
        add_block(worker, first + from * dimension_, std::min(block_rows, last - from), weights);
    }
  });
  // In the order of the threads, so that the same threads give the same bits.
  double total = 0;
  sums = at::zeros({components_, features_}, at::kDouble);
  for (std::int64_t thread = 0; thread < threads; ++thread) {
    total += workers_[thread].total;
    sums += at::from_blob(workers_[thread].sums.data(), sums.sizes(), sums.options());
  }
  sums /= static_cast<double>(n);
  return total / static_cast<double>(n);
}

LightSbTerms LightSbStep::run(const Tensor& x, const Tensor& y, double epsilon) {
  const at::NoGradGuard no_graph;
  const auto& [heights, centres, log_spreads] = mixture_;
  const std::int64_t d = dimension_;
  const Tensor spreads = log_spreads.exp(), precisions = spreads.reciprocal();
  // -log c and -log v; the quadratic form of a normal density is written out.
  const Tensor costs = at::cat({centres, 0.5 * spreads, heights.unsqueeze(1)}, 1).div_(-epsilon);
  const Tensor scaled = centres * precisions;
  const Tensor constants =
      heights - 0.5 * (centres * scaled + epsilon * log_spreads).sum(1) -
      0.5 * epsilon * static_cast<double>(d) * std::log(2 * std::numbers::pi * epsilon);
  const Tensor densities =
      at::cat({scaled, -0.5 * precisions, constants.unsqueeze(1)}, 1).div_(-epsilon);
  Tensor source, target;
  LightSbTerms terms;
  terms.log_c = accumulate(x, costs.t().contiguous(), source);
  terms.log_v = accumulate(y, densities.t().contiguous(), target);

  const auto first = [d](const Tensor& sums) { return sums.narrow(1, 0, d); };
  const auto second = [d](const Tensor& sums) { return sums.narrow(1, d, d); };
  const auto mass = [d](const Tensor& sums) { return sums.narrow(1, 2 * d, 1); };
  // Σ p (y - r) and Σ p (y - r)², p the shares of the target's points.
  const Tensor away = first(target) - centres * mass(target);
  const Tensor squares = second(target) - centres * (first(target) + away);
  derivatives_ = {(first(source) - precisions * away).div_(epsilon),
                  (mass(source) - mass(target)).squeeze(1).div_(epsilon),
                  (spreads * second(source) - precisions * squares)
                      .mul_(0.5 / epsilon)
                      .add_(mass(target), 0.5)};
  return terms;
}

}  // namespace monge
