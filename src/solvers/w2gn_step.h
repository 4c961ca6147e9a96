#pragma once

#include "kernels/icnn_view.h"
#include "solvers/w2gn_objective.h"

namespace monge {

/// The objective of two DenseICNN without a graph: each block of points goes through both networks
/// and back while it is in the cache.
///
/// In multiplications per point of each batch, with I those of a network's input weights and M
/// those of the others: ∇omega(y) 2 I + 2 M; psi and ∇psi there 2 I + 2 M; their derivatives
/// 4 I + 4 M; those of omega 3 I + 4 M; psi(x) and its derivative 2 I + 3 M. In all 13 I + 15 M.
///
/// float32. Agreement with the plain objective (autograd, twice): each derivative 1e-4 relative to
/// its largest entry, also of a million points, the terms 1e-5 relative to 1 + |correlation| +
/// cycle + source cycle.
class W2gnStep final : public W2gnObjective {
 public:
  W2gnStep(const DenseIcnn& psi, const DenseIcnn& omega, const W2gnWeights& weights);
  ~W2gnStep() override;

  W2gnTerms run(const Tensor& x, const Tensor& y) override;
  const std::vector<Tensor>& derivatives() const override;

 private:
  struct Worker;
  struct Batch;
  void run_part(Worker& worker, const Batch& batch, std::int64_t n) const;
  void from_target(Worker& worker, const Batch& batch, std::int64_t n, kernels::Sums sums) const;
  void from_source(Worker& worker, const Batch& batch, std::int64_t n) const;
  void add_workers(std::int64_t threads);

  W2gnWeights weights_;
  kernels::IcnnShape shape_;
  std::int64_t most_rows_, rows_ = 0;  // of a block, and those that the workers have room for
  State psi_state_, omega_state_;
  kernels::IcnnTensors<const float> psi_tensors_, omega_tensors_;
  kernels::IcnnWeights<float> psi_, omega_;
  std::vector<Worker> workers_;
};

}  // namespace monge
