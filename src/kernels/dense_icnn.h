#pragma once

#include "kernels/icnn_loops.h"
#include "kernels/sums.h"

#include <cstdint>
#include <vector>

namespace monge::kernels {

/// What a DenseICNN is made of besides its numbers; see networks/dense_icnn.h.
struct IcnnShape {
  std::int64_t dimension = 0;
  std::int64_t rank = 1;
  std::vector<std::int64_t> hidden;
  double celu_alpha = 1;
  double strong_convexity = 0;
  bool skip = false;

  std::int64_t units() const;
  std::int64_t columns() const { return (rank + 1) * units(); }  // of the input's product
  std::int64_t weights() const;                                  // of the input and between layers
  /// Of so few dimensions the sum of the squared forms of all ranks is a linear function of the
  /// monomials x_j x_k, and the input's layer one product with these, the x_j and 1.
  bool lifted() const { return dimension <= 4; }
  std::int64_t monomials() const { return dimension * (dimension + 3) / 2; }  // without the 1
  bool thin() const { return !lifted() && dimension <= 8; }  // whose products are loops
  /// Numbers of the input's derivative in the layout of IcnnWeights.
  std::int64_t input_numbers() const;
  std::int64_t row_columns() const { return lifted() ? units() : columns(); }  // of a block
};

/// Pointers to the parameters, or to one derivative for each of them, laid out as in State.
template <class T>
struct IcnnTensors {
  T* input_weight = nullptr;  // [(rank + 1) H, d]
  T* input_bias = nullptr;    // [H]
  std::vector<T*> convex;     // [h_k, h_{k-1}]
  T* final = nullptr;         // [h_K]
  T* skip_quadratic = nullptr;
  T* skip_linear = nullptr;
};

/// The weights as the passes want them. The input's: the forms' rows of all units for s = 1, then
/// for s = 2, ..., then the linear rows; of a thin dimension transposed, so that units lie side by
/// side; of a lifted one [monomials + 1, units], the bias last. In the other cases of rank 1 it is
/// the parameter itself. Beside them what the way up through the layers multiplies by, transposed.
template <class T>
class IcnnWeights {
 public:
  explicit IcnnWeights(const IcnnShape& shape);
  /// To be called whenever the parameters have changed, for passes of `points` points: few of them
  /// do without the transposed copies.
  void load(const IcnnTensors<const T>& parameters, std::int64_t points);

  const IcnnTensors<const T>& parameters() const { return parameters_; }
  const T* input() const { return input_; }
  /// Whether input() is not the parameter itself, and its derivative has to be put back.
  bool input_copied() const { return !copy_.empty(); }
  /// rows [n, columns] = x [n, d] times the transposed input weights; of large dimensions.
  void project(std::int64_t n, const T* x, T* rows) const;
  /// `above` [n, h_k] gains C_k times `below` [n, h_{k-1}], in rows of `ld` numbers.
  void climb(std::size_t k, std::int64_t n, const T* below, T* above, std::int64_t ld) const;
  /// Brings a derivative in the layout of input() into the parameter's; of a lifted dimension that
  /// of the bias too.
  void put_back(const T* derivative, const IcnnTensors<T>& derivatives) const;

 private:
  std::int64_t place(std::int64_t row, std::int64_t column) const;
  void lift();
  void put_back_lifted(const T* derivative, const IcnnTensors<T>& derivatives) const;

  IcnnShape shape_;
  IcnnTensors<const T> parameters_;
  const T* input_ = nullptr;
  std::vector<T> copy_;                    // of the input's weights, where input() is not they
  bool upward_ = false;                    // whether the following hold the parameters
  std::vector<T> input_up_;                // [d, columns]
  std::vector<std::vector<T>> convex_up_;  // [h_{k-1}, h_k]
};

/// The passes of a DenseICNN psi over a block of points that stays in the cache, without a graph.
/// With c_i a weight and v_i a direction of each point, its derivatives are those of
///
///   S = Σ_i c_i psi(x_i) + <v_i, ∇psi(x_i)>,
///
/// which is what the chain rule needs through the value and through the gradient: the second
/// derivative in the parameters and the point is that of the derivative along v. Writing a. for the
/// derivative of a along v, delta = d psi / d a and E = dS / d a,
///
///   a_k = C_k z_{k-1} + q_k,   z_k = CELU(a_k),       a._k = C_k z._{k-1} + q._k,  z._k = CELU'
///   a._k delta_k = CELU'(a_k) Cᵀ_{k+1} delta_{k+1},        E_k = CELU' Cᵀ E_{k+1} + CELU'' a._k Cᵀ
///   delta_{k+1} dS/dC_k = E_kᵀ z_{k-1} + delta_kᵀ z._{k-1},
///
/// the last as one product of the stacked rows. In multiplications per point, with I those of the
/// input's weights and M those of the others: forward() I + M, delta() M, gradient() I, tangent()
/// I + M, adjoint() M, accumulate() 2 (I + M) or half of it without a direction, point_adjoint() I.
/// Of a lifted dimension the input's weights are those of its monomials, and point_adjoint() takes
/// 2 I where there is a direction.
///
/// Agreement with the plain implementation (autograd twice through networks/dense_icnn.cpp): 1e-5
/// relative to the largest entry in float32, 1e-12 in float64; of the derivatives in the parameters
/// to the largest entry of them all, as sums that cancel keep the rounding of their terms; added up
/// over thousands of blocks, ten times that.
template <class T>
class IcnnBlock {
 public:
  IcnnBlock(const IcnnShape& shape, std::int64_t rows, const IcnnLoops<T>& loops = icnn_loops<T>());

  /// z and CELU' at `n` <= rows points `x` [n, d].
  void forward(const IcnnWeights<T>& weights, const T* x, std::int64_t n);
  /// psi at the points, [n]; after forward().
  void value(T* out) const;
  /// d psi / d a of every layer; after forward().
  void delta();
  /// ∇psi at the points, [n, d]; after delta().
  void gradient(T* out);
  /// The derivatives along `v` [n, d]; after delta().
  void tangent(const T* v);
  /// dS / d a of every layer, with weights `c` [n] (null: 0, after tangent() only).
  void adjoint(const T* c);
  /// Sums dS / d parameters; `input` in the layout of IcnnWeights, the rest in the parameters'.
  void accumulate(const IcnnTensors<T>& derivatives, T* input, Sums sums);
  /// dS / dx, [n, d]; after adjoint().
  void point_adjoint(T* out);

 private:
  void lift(const T* v);
  void lower(const T* tops, const T* bottoms, T* out) const;
  void project(const T* x, T* rows);
  void back_to_input(const T* rows, bool stacked, T* out);
  void accumulate_input(T* input, T keep);
  void climb(std::size_t k, T* rows);
  void descend(std::size_t k, T* rows);
  void begin_sums(const IcnnTensors<T>& derivatives, T* input) const;
  T* state(std::size_t k) { return states_.data() + first_ + offsets_[k]; }
  T* adjoint_of(std::size_t k) { return adjoints_.data() + first_ + offsets_[k]; }
  T* slope(std::size_t k) { return slope_.data() + offsets_[k]; }
  T* bend(std::size_t k) { return bend_.data() + offsets_[k]; }

  IcnnShape shape_;
  const IcnnLoops<T>& loops_;
  std::int64_t rows_, units_, columns_, first_;  // first_: the column of the layers in a row
  std::vector<std::int64_t> offsets_;
  // Two blocks of rows [u_1 ... u_r, layers], or [layers]: z over z., and the adjoints E over
  // delta.
  std::vector<T> states_, adjoints_;
  std::vector<T> slope_, bend_;  // CELU' and CELU'' a. (d psi / d z), rows of `units_`
  std::vector<T> points_;        // [2 n, d]: x over v
  std::vector<T> lifted_;        // [2 n, monomials + 1]: those of x over their derivatives along v
  std::vector<T> lowered_;       // [2 n, monomials]: the adjoints of lifted_
  std::vector<T> quadratic_,
      linear_;  // of the term that skips the layers, strong convexity included
  std::vector<T> zeros_;

  const IcnnWeights<T>* layout_ = nullptr;
  IcnnTensors<const T> weights_;
  const T* x_ = nullptr;  // into points_
  const T* v_ = nullptr;
  const T* c_ = nullptr;
  std::int64_t n_ = 0;
};

}  // namespace monge::kernels
