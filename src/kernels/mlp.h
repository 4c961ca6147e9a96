#pragma once

#include "kernels/icnn_loops.h"
#include "kernels/sums.h"

#include <cstdint>
#include <vector>

namespace monge::kernels {

/// What a multilayer perceptron is made of besides its numbers; see networks/mlp.h.
struct MlpShape {
  std::int64_t inputs = 0;
  std::vector<std::int64_t> hidden;
  std::int64_t outputs = 0;
  Activation activation = Activation::relu;
  double alpha = 0;

  std::int64_t units() const;
  bool thin_input() const { return inputs <= 8; }                     // which skips the BLAS for it
  bool thin_output() const { return outputs <= 8; }                   // likewise
  bool bends() const { return activation > Activation::leaky_relu; }  // a second derivative
  bool masks() const { return activation == Activation::relu; }       // by what is positive
  std::size_t layers() const { return hidden.size() + 1; }
};

/// Pointers to the parameters, or to one derivative for each of them, laid out as in State: the
/// weight [out, in] and the bias [out] of each layer.
template <class T>
struct MlpTensors {
  std::vector<T*> weight, bias;
};

/// The weights as the passes want them: beside the parameters what the way up through the layers
/// multiplies by, transposed.
template <class T>
class MlpWeights {
 public:
  explicit MlpWeights(const MlpShape& shape);
  /// To be called whenever the parameters have changed.
  void load(const MlpTensors<const T>& parameters);

  const MlpTensors<const T>& parameters() const { return parameters_; }
  /// The transposed weight [in, out] of a hidden layer.
  const T* up(std::size_t layer) const { return up_[layer].data(); }

 private:
  MlpShape shape_;
  MlpTensors<const T> parameters_;
  std::vector<std::vector<T>> up_;
};

/// Which derivatives a block will be asked for.
enum class Order { first, second };

/// The passes of a multilayer perceptron F over a block of points that stays in the cache, without
/// a graph. Its derivatives are those of
///
///   S = Σ_i <c_i, F(x_i)>                       and, for one output,   + <v_i, ∇F(x_i)>,
///
/// which is what the chain rule needs through the value and through the input gradient. Names and
/// formulas are those of kernels/dense_icnn.h: delta = dF / da of one output, a. and z. derivatives
/// along v, E = dS / da.
///
/// In multiplications per point, with I, M, O those of the first, the inner and the last weights:
/// forward() I + M + O, delta() M, gradient() I, tangent() I + M, adjoint() M + O, accumulate()
/// I + M + O (with a direction 2 I + 2 M + O), point_adjoint() I.
///
/// Agreement with the plain implementation (autograd, twice, through networks/mlp.cpp): 1e-5
/// relative to the largest entry in float32, 1e-12 in float64; of the derivatives in the parameters
/// to the largest entry of them all, as sums that cancel keep the rounding of their terms; added up
/// over thousands of blocks, ten times that.
template <class T>
class MlpBlock {
 public:
  MlpBlock(const MlpShape& shape, std::int64_t rows, Order order,
           const IcnnLoops<T>& loops = icnn_loops<T>());

  /// F at `n` <= rows points `x` [n, inputs], which have to stay until accumulate(), as the weights
  /// have to; out [n, outputs].
  void forward(const MlpWeights<T>& weights, const T* x, std::int64_t n, T* out);
  /// dF / da of every layer, for one output; after forward().
  void delta();
  /// ∇F at the points, [n, inputs]; after delta().
  void gradient(T* out);
  /// The derivatives along `v` [n, inputs], which has to stay until accumulate(); after delta() and
  /// with Order::second.
  void tangent(const T* v);
  /// dS / da of every layer, with `c` [n, outputs], which has to stay until accumulate().
  void adjoint(const T* c);
  /// Sums dS / d parameters.
  void accumulate(const MlpTensors<T>& derivatives, Sums sums);
  /// dS / dx, [n, inputs]; after adjoint().
  void point_adjoint(T* out);

 private:
  void climb(std::size_t layer, const T* x, T* rows);
  void descend_from(const T* c, T* rows, T* upstream, const T* bend);
  void times_slope(std::size_t layer, T* rows);
  void back_to_input(const T* rows, T* out);
  void begin_sums(const MlpTensors<T>& derivatives) const;
  void accumulate_input(T* derivative, Sums sums);
  const T* weight(std::size_t layer) const { return weights_->parameters().weight[layer]; }
  T* at(std::vector<T>& rows, std::size_t layer) { return rows.data() + offsets_[layer]; }

  MlpShape shape_;
  const IcnnLoops<T>& loops_;
  std::int64_t rows_, units_;
  std::vector<std::int64_t> offsets_;  // of each hidden layer in a row
  // Two blocks of rows of all hidden layers: z over z., and the adjoints E over delta.
  std::vector<T> states_, adjoints_;
  std::vector<T> slope_, curve_, upstream_, bend_;
  std::vector<T> input_derivative_;  // of the first weight, transposed, for a thin input
  std::vector<T> ones_;

  const MlpWeights<T>* weights_ = nullptr;
  const T* x_ = nullptr;
  const T* v_ = nullptr;
  const T* c_ = nullptr;
  std::int64_t n_ = 0;
};

}  // namespace monge::kernels
