#pragma once

#include "monge/networks/dense_icnn.h"
#include "monge/networks/mlp.h"

#include "kernels/sums.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace monge {

class NoisedMlp;

/// A network's derivatives summed over the blocks of one thread. Every pass below has its own.
class DerivativeSums {
 public:
  explicit DerivativeSums(const State& parameters);

  /// The next derivatives begin the sums anew.
  void reset() { empty_ = true; }
  /// Whether anything was summed since.
  bool empty() const { return empty_; }
  /// How the next derivatives come in.
  kernels::Sums next() {
    return std::exchange(empty_, false) ? kernels::Sums::begin : kernels::Sums::add;
  }
  void add(const DerivativeSums& other);
  /// Parallel to the parameters in the order of their names.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  /// The tensors; null where nothing was summed.
  const std::vector<Tensor>* part() const { return empty_ ? nullptr : &tensors_; }
  const State& state() const { return state_; }

 private:
  State state_;
  std::vector<Tensor> tensors_;
  bool empty_ = true;
};

/// The passes of a potential f over a block of points, float32, without a graph. One for each
/// thread. The points [n, inputs] hold a draw of NoiseLevels after the d coordinates of x where the
/// potential is conditioned on the noise level: f(x) is then weight · f(x + u sigma n, sigma).
class PotentialPass {
 public:
  explicit PotentialPass(const State& parameters) : sums(parameters) {}
  virtual ~PotentialPass() = default;

  /// f at `n` points `x`, which have to stay until accumulate(); value [n].
  virtual void forward(const float* x, std::int64_t n, float* value) = 0;
  /// ∇f in x at those points, [n, d].
  virtual void gradient(float* out) = 0;
  /// Adds Σ c_i ∂f(x_i)/∂parameters to `sums`; `c` [n].
  virtual void accumulate(const float* c) = 0;
  /// Called once after the last block: what is kept in another layout comes to `sums`.
  virtual void finish() {}

  DerivativeSums sums;
};

/// The passes of a map T over a block of points, likewise. The points [n, inputs] hold the noise z
/// after the d coordinates of x where the map has noise.
class MapPass {
 public:
  explicit MapPass(const State& parameters) : sums(parameters) {}
  virtual ~MapPass() = default;

  /// T at `n` points, [n, d].
  virtual void forward(const float* x, std::int64_t n, float* out) = 0;
  /// Adds Σ <along_i, ∂T(x_i)/∂parameters> to `sums`; `along` [n, d].
  virtual void accumulate(const float* along) = 0;
  virtual void finish() {}

  DerivativeSums sums;
};

/// What the passes of one network share. Each pass keeps the weights as it wants them, made by its
/// own thread at its first points after a change: no thread waits for another's copy, nor fetches
/// it.
struct SharedNetwork {
  std::uint64_t changes = 1;
  /// To be called whenever the parameters have changed.
  void changed() { ++changes; }
};

/// A potential of either network, or a map, that makes passes for blocks of up to `rows` points.
struct PotentialPasses {
  std::shared_ptr<SharedNetwork> network;
  std::function<std::unique_ptr<PotentialPass>(std::int64_t rows)> make;
  bool whole = false;  ///< wants a batch in one block and one thread, and divides the work itself
};
struct MapPasses {
  std::shared_ptr<SharedNetwork> network;
  std::function<std::unique_ptr<MapPass>(std::int64_t rows)> make;
  bool whole = false;
};

PotentialPasses passes_of(const DenseIcnn& potential);
PotentialPasses passes_of(const MlpPotential& potential);
PotentialPasses passes_of(const NoisedMlp& potential);
/// By autograd: a graph for every block.
PotentialPasses passes_of(const NetworkPotential& potential);
/// T = ∇psi.
MapPasses gradient_passes(const DenseIcnn& psi);
MapPasses gradient_passes(const MlpPotential& psi);
/// T(x) = x - ∇f(x).
MapPasses descent_passes(const MlpPotential& f);
/// T(x, z) = F(x, z), plus x where `residual`.
MapPasses map_passes(const Mlp& network, bool residual);
/// The same by autograd.
MapPasses map_passes(const std::shared_ptr<AutogradNetwork>& network, bool residual);

/// Multiplications of one point in one pass forward: those of the first and of the other weights.
struct PassWork {
  double input = 0, inner = 0;
  double all() const { return input + inner; }
};
PassWork pass_work(const DenseIcnn& network);
PassWork pass_work(const Mlp& network);

}  // namespace monge
