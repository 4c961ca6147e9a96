#pragma once

#include "monge/options.h"
#include "monge/tensor.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace monge {

/// Whether a result can be differentiated again.
enum class Graph { none, create };

struct ValueAndGradient {
  Tensor value;     ///< [n]
  Tensor gradient;  ///< [n, d]
};

/// A scalar function of a point: f, phi, psi of the papers.
///
/// Inputs are [n, d] in the parameters' dtype and on their device. With Graph::create the result
/// carries a graph to the parameters and, where the input requires it, to the input.
class Potential {
 public:
  virtual ~Potential() = default;

  virtual std::int64_t dimension() const = 0;
  /// The potential at each point, [n].
  virtual Tensor value(const Tensor& x, Graph graph) const = 0;
  /// Its gradient in x at each point, [n, d].
  virtual Tensor gradient(const Tensor& x, Graph graph) const;
  virtual ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const = 0;

  /// ∇²psi(x_i) v_i for x and v [n, d], [n, d], without a graph, in x's dtype. By autograd in the
  /// parameters' dtype unless the potential has something better.
  virtual Tensor hessian_product(const Tensor& x, const Tensor& v) const;
  /// ∇²psi(x_i) for x [n, d], [n, d, d], symmetric up to rounding: d products a point. The memory
  /// is the caller's care: 8 n d² bytes in float64.
  virtual Tensor hessian(const Tensor& x) const;

  /// The trainable tensors by name; they share storage with the potential.
  virtual State parameters() const = 0;
  /// The parameters, by name, that have to stay at or above a number for the potential to keep its
  /// promised shape (convexity).
  virtual std::map<std::string, double> lower_bounds() const { return {}; }
  /// Returns the parameters to that set.
  void project();

  /// The registered name of the network and the options that rebuild it.
  virtual std::string name() const = 0;
  virtual Table options() const = 0;
};

/// Throws Error unless the directions `v` have the shape of the points `x`.
void require_directions(const Tensor& x, const Tensor& v);

/// Copies `state` into the parameters; throws Error on a missing name or another shape.
void load_parameters(Potential& potential, const State& state, std::string_view where);

}  // namespace monge
