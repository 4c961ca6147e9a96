#include "solvers/w2gn_step.h"

#include "kernels/shares.h"

#include <ATen/Parallel.h>

namespace monge {

using kernels::IcnnBlock;
using kernels::IcnnShape;
using kernels::IcnnTensors;
using kernels::IcnnWeights;
using kernels::Sums;

namespace {

/// to[i] += from[i], in one thread.
void add_all(const std::vector<Tensor>& from, const std::vector<Tensor>& to) {
  for (std::size_t i = 0; i < from.size(); ++i)
    kernels::adam_loops<float>().add(from[i].numel(), from[i].const_data_ptr<float>(),
                                     to[i].data_ptr<float>());
}

}  // namespace

/// What one thread writes: the derivatives of its points, and the blocks that hold them.
struct W2gnStep::Worker {
  Worker(const IcnnShape& shape, std::int64_t rows, const State& psi_state,
         const State& omega_state)
      : psi(shape, rows), omega(shape, rows) {
    const auto sides = {std::pair("omega", &omega_state), std::pair("psi", &psi_state)};
    State named;
    for (const auto& [side, state] : sides) {
      State zeros;
      for (const auto& [name, parameter] : *state) zeros[name] = at::zeros_like(parameter).detach();
      insert_state(named, side, zeros);
      (side == std::string_view("psi") ? psi_derivatives : omega_derivatives) =
          kernels::icnn_tensors<float>(zeros, shape.hidden.size());
    }
    for (const auto& [name, tensor] : named) derivatives.push_back(tensor);
    if (IcnnWeights<float>(shape).input_copied()) {
      psi_input.resize(static_cast<std::size_t>(shape.input_numbers()));
      omega_input.resize(psi_input.size());
    }
    for (auto* points : {&back, &forth, &along, &along_back})
      points->resize(static_cast<std::size_t>(rows * shape.dimension));
    for (auto* numbers : {&values, &weights}) numbers->resize(static_cast<std::size_t>(rows));
  }

  float* psi_input_sum() {
    return psi_input.empty() ? psi_derivatives.input_weight : psi_input.data();
  }
  float* omega_input_sum() {
    return omega_input.empty() ? omega_derivatives.input_weight : omega_input.data();
  }

  /// What the derivatives hold goes to the totals.
  void fold() {
    if (totals.empty())
      for (const Tensor& derivative : derivatives) totals.push_back(at::empty_like(derivative));
    if (!folded)
      for (const Tensor& total : totals) total.zero_();
    folded = true;
    add_all(derivatives, totals);
  }

  IcnnBlock<float> psi, omega;
  std::vector<Tensor> derivatives, totals;
  bool folded = false;                                    // whether the totals hold anything
  IcnnTensors<float> psi_derivatives, omega_derivatives;  // into `derivatives`
  std::vector<float> psi_input, omega_input;              // in the layout of IcnnWeights
  std::vector<float> back, forth, along, along_back, values, weights;
  W2gnTerms terms;  // sums
};

struct W2gnStep::Batch {
  const float* x;
  const float* y;
  float share;  // 1 / n
};

W2gnStep::W2gnStep(const DenseIcnn& psi, const DenseIcnn& omega, const W2gnWeights& weights)
    : weights_(weights),
      shape_(kernels::icnn_shape(psi.dimension(), psi.settings())),
      most_rows_(kernels::icnn_block_rows(shape_, sizeof(float))),
      psi_state_(psi.parameters()),
      omega_state_(omega.parameters()),
      psi_tensors_(kernels::icnn_tensors<const float>(psi_state_, shape_.hidden.size())),
      omega_tensors_(kernels::icnn_tensors<const float>(omega_state_, shape_.hidden.size())),
      psi_(shape_),
      omega_(shape_) {}

W2gnStep::~W2gnStep() = default;

const std::vector<Tensor>& W2gnStep::derivatives() const { return workers_.front().derivatives; }

W2gnTerms W2gnStep::run(const Tensor& x, const Tensor& y) {
  constexpr std::int64_t fewest = 32;  // points of a thread
  const std::int64_t n = x.size(0), d = shape_.dimension;
  const std::int64_t most = std::clamp<std::int64_t>(n / fewest, 1, at::get_num_threads());
  const std::int64_t part = (n + most - 1) / most, threads = (n + part - 1) / part;
  if (const std::int64_t rows = std::min(part, most_rows_); rows > rows_) {
    workers_.clear();
    rows_ = rows;
  }
  while (std::ssize(workers_) < threads)
    workers_.emplace_back(shape_, rows_, psi_state_, omega_state_);
  at::parallel_for(0, 2, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t side = first; side < last; ++side)
      side == 0 ? psi_.load(psi_tensors_, n) : omega_.load(omega_tensors_, n);
  });
  const Batch batch{x.const_data_ptr<float>(), y.const_data_ptr<float>(),
                    1.0f / static_cast<float>(n)};
  at::parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t from = first * part; from < std::min(last * part, n); from += part)
      run_part(workers_[from / part], {batch.x + from * d, batch.y + from * d, batch.share},
               std::min(part, n - from));
  });
  add_workers(threads);
  const W2gnTerms& sums = workers_.front().terms;
  const auto count = static_cast<double>(n);
  return {sums.correlation / count, sums.cycle / count, sums.source_cycle / count};
}

/// The `n` points of one thread, block by block. A few blocks at a time are summed and then come to
/// the totals: a float32 that thousands of blocks were added to one by one keeps their rounding.
void W2gnStep::run_part(Worker& worker, const Batch& batch, std::int64_t n) const {
  const std::int64_t d = shape_.dimension, few = 64 * rows_;
  worker.terms = {};
  worker.folded = false;
  for (std::int64_t from = 0; from < n; from += rows_) {
    const Batch block{batch.x + from * d, batch.y + from * d, batch.share};
    const std::int64_t count = std::min(rows_, n - from);
    from_target(worker, block, count, from % few == 0 ? Sums::begin : Sums::add);
    from_source(worker, block, count);
    const bool last = from + count == n;
    if (!last && (from + rows_) % few != 0) continue;
    if (psi_.input_copied()) {
      psi_.put_back(worker.psi_input.data(), worker.psi_derivatives);
      omega_.put_back(worker.omega_input.data(), worker.omega_derivatives);
    }
    if (!last)
      worker.fold();
    else if (worker.folded)
      add_all(worker.totals, worker.derivatives);
  }
}

/// The sums of the first `threads` workers, in the first one.
void W2gnStep::add_workers(std::int64_t threads) {
  Worker& whole = workers_.front();
  kernels::add_shares(whole.derivatives, threads,
                      [&](std::int64_t thread) { return &workers_[thread].derivatives; });
  for (std::int64_t thread = 1; thread < threads; ++thread) {
    const Worker& other = workers_[thread];
    whole.terms.correlation += other.terms.correlation;
    whole.terms.cycle += other.terms.cycle;
    whole.terms.source_cycle += other.terms.source_cycle;
  }
}

/// <∇omega(y), y> - psi(∇omega(y)) + cycle |∇psi(∇omega(y)) - y|².
void W2gnStep::from_target(Worker& worker, const Batch& batch, std::int64_t n, Sums sums) const {
  const std::int64_t numbers = n * shape_.dimension;
  const float* y = batch.y;
  float *back = worker.back.data(), *forth = worker.forth.data(), *along = worker.along.data();
  worker.omega.forward(omega_, y, n);
  worker.omega.delta();
  worker.omega.gradient(back);
  worker.psi.forward(psi_, back, n);
  worker.psi.value(worker.values.data());
  worker.psi.delta();
  worker.psi.gradient(forth);

  double correlation = 0, cycle = 0;
  const float pull = 2 * static_cast<float>(weights_.cycle) * batch.share;
  for (std::int64_t i = 0; i < numbers; ++i) {
    const float gap = forth[i] - y[i];
    correlation += double(back[i]) * y[i];
    cycle += double(gap) * gap;
    along[i] = pull * gap;
  }
  for (std::int64_t i = 0; i < n; ++i) correlation -= worker.values[i];
  worker.terms.correlation += correlation;
  worker.terms.cycle += cycle;

  std::fill_n(worker.weights.begin(), n, -batch.share);
  worker.psi.tangent(along);
  worker.psi.adjoint(worker.weights.data());
  worker.psi.accumulate(worker.psi_derivatives, worker.psi_input_sum(), sums);
  float* along_back = worker.along_back.data();
  worker.psi.point_adjoint(along_back);
  // That holds -∇psi / n from the value. Detached, the correlation has no derivative in ∇omega(y);
  // otherwise that of <∇omega(y), y> / n comes to it.
  const float* other = weights_.detach ? forth : y;
  for (std::int64_t i = 0; i < numbers; ++i) along_back[i] += batch.share * other[i];
  worker.omega.tangent(along_back);
  worker.omega.adjoint(nullptr);
  worker.omega.accumulate(worker.omega_derivatives, worker.omega_input_sum(), sums);
}

/// psi(x) + source_cycle |∇omega(∇psi(x)) - x|².
void W2gnStep::from_source(Worker& worker, const Batch& batch, std::int64_t n) const {
  const float* x = batch.x;
  worker.psi.forward(psi_, x, n);
  worker.psi.value(worker.values.data());
  for (std::int64_t i = 0; i < n; ++i) worker.terms.correlation += worker.values[i];
  if (weights_.source_cycle > 0) {
    float *forth = worker.forth.data(), *back = worker.back.data(), *along = worker.along.data();
    worker.psi.delta();
    worker.psi.gradient(forth);
    worker.omega.forward(omega_, forth, n);
    worker.omega.delta();
    worker.omega.gradient(back);
    const float pull = 2 * static_cast<float>(weights_.source_cycle) * batch.share;
    for (std::int64_t i = 0; i < n * shape_.dimension; ++i) {
      const float gap = back[i] - x[i];
      worker.terms.source_cycle += double(gap) * gap;
      along[i] = pull * gap;
    }
    worker.omega.tangent(along);
    worker.omega.adjoint(nullptr);
    worker.omega.accumulate(worker.omega_derivatives, worker.omega_input_sum(), Sums::add);
    worker.omega.point_adjoint(worker.along_back.data());
    worker.psi.tangent(worker.along_back.data());
  }
  std::fill_n(worker.weights.begin(), n, batch.share);
  worker.psi.adjoint(worker.weights.data());
  worker.psi.accumulate(worker.psi_derivatives, worker.psi_input_sum(), Sums::add);
}

}  // namespace monge
