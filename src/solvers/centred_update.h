#pragma once

#include "monge/adam.h"
#include "monge/networks/dense_icnn.h"

#include "solvers/exchange.h"

#include <vector>

namespace monge {

/// Adam on a DenseICNN as if each layer saw the one below less its mean m:
///
///   a_k = C_k (z_{k-1} - m_{k-1}) + q_k + b'_k,   b'_k = b_k + C_k m_{k-1}
///
/// The function is the same, its derivative in C is not: activations of non-negative weights are
/// large and alike, and dS/dC_k mostly repeats dS/db_k, noise included. Without that part Adam,
/// which scales every number by itself, sees the rest.
class CentredUpdate {
 public:
  /// `psi` and `adam`, over psi's parameters, have to outlive it.
  CentredUpdate(const DenseIcnn& psi, Adam& adam);

  /// One update from the derivatives of psi's parameters, which it changes; the means are those
  /// over `x` [n, d], in the parameters' dtype, taken anew every 50 updates. x may be a process's
  /// rows of the batch that the `exchange` is of.
  void step(const std::vector<Tensor>& derivatives, const Tensor& x, double rate,
            Exchange exchange);

  State state() const;
  /// Throws Error where it is not the state of such a network.
  void restore(const State& state);

 private:
  struct Layer {
    std::size_t convex;   // index of C_k among the parameters
    Tensor weights;       // C_k
    Tensor bias;          // b_k, a view
    std::int64_t offset;  // of the layer's units in the bias
    Tensor before;        // C_k before the update
    Tensor mean;          // m_{k-1}
  };

  template <class T>
  void step_as(const std::vector<Tensor>& derivatives, double rate);

  const DenseIcnn& psi_;
  Adam& adam_;
  std::size_t bias_ = 0;  // index of the bias among the parameters
  std::vector<Layer> layers_;
  Tensor updates_;  // [], int64
};

}  // namespace monge
