#pragma once

#include <cstdint>

namespace monge::kernels {

/// The activations of a multilayer perceptron, with their one number alpha: the slope of leaky ReLU
/// below 0, the alpha of CELU and ELU.
enum class Activation { relu, leaky_relu, celu, elu, silu };

/// The weights w [inputs, width] of a layer of few inputs, in rows one after the other.
template <class T>
struct ThinLayer {
  std::int64_t inputs, width;
  const T* weight;
};

/// The elementwise passes of networks between their matrix products, over `rows` points. A matrix
/// is a pointer and the distance `ld` of its rows. One table per instruction set and number type.
///
/// Names: a, z and e are a layer's inputs, outputs and CELU' (a row per point); delta is
/// d psi / d a; a dot is a derivative along a direction v; E is the adjoint of a; c weighs points.
template <class T>
struct IcnnLoops {
  using Size = std::int64_t;

  /// out = x w, of x [rows, inputs] and at most 8 inputs.
  void (*thin)(const ThinLayer<T>& layer, Size rows, const T* x, T* out, Size ld);
  /// out [rows, inputs] = top wᵀ, of at most 8 inputs, 9 or 14.
  void (*thin_back)(const ThinLayer<T>& layer, Size rows, const T* top, Size ld, T* out);
  /// w [inputs, width] += xᵀ top, of at most 8 inputs.
  void (*thin_outer)(Size inputs, Size width, Size rows, const T* x, const T* top, Size ld, T* w);

  /// q += b + Σ_s u_s², of rows [u_1 ... u_r, q] of `units` numbers each.
  void (*square_forms)(Size rows, Size rank, Size units, const T* bias, T* row, Size ld);
  /// q. += 2 Σ_s u_s u._s.
  void (*square_forms_tangent)(Size rows, Size rank, Size units, const T* row, T* row_dot, Size ld);
  /// p holds delta of q: 2 u_s delta goes before it, in rows laid out like `row`.
  void (*square_forms_delta)(Size rows, Size rank, Size units, const T* row, T* p, Size ld);
  /// The adjoints of u and u. from those of q and q.: 2 (u_s E + u._s delta) into `top` before E,
  /// 2 u_s delta into `bottom` before delta.
  void (*square_forms_adjoint)(Size rows, Size rank, Size units, const T* row, const T* row_dot,
                               T* top, T* bottom, Size ld);

  /// z = CELU(a) in place and e = CELU'(a) = exp(min(a, 0) / alpha).
  void (*celu)(Size rows, Size width, T alpha, T* a, Size ld, T* e, Size e_ld);
  /// p = p e.
  void (*times)(Size rows, Size width, T* p, Size ld, const T* e, Size e_ld);
  /// p = p where z > 0, otherwise 0.
  void (*where_positive)(Size rows, Size width, T* p, Size ld, const T* z, Size z_ld);
  /// p = w e, the same w for every row; e null: p = w.
  void (*spread)(Size rows, Size width, const T* w, const T* e, Size e_ld, T* p, Size ld);
  /// bend = CELU''(a) a. (d psi / d z) = delta a. / alpha where a < 0, and z. = e a. in place.
  /// z and a. have rows of `ld` numbers, e and bend of `e_ld`, delta of `delta_ld`.
  void (*celu_tangent)(Size rows, Size width, T alpha, const T* z, Size ld, const T* e, Size e_ld,
                       const T* delta, Size delta_ld, T* a_dot, T* bend);
  /// p = p e + bend; bend null: without.
  void (*times_plus)(Size rows, Size width, T* p, Size ld, const T* e, const T* bend, Size e_ld);
  /// p = c w e + bend; e or bend null: without.
  void (*spread_plus)(Size rows, Size width, const T* c, const T* w, const T* e, const T* bend,
                      Size e_ld, T* p, Size ld);

  /// Of the term that skips the layers, with A = diag(q): out[i] += ½ <x_i, A x_i> + <l, x_i>.
  void (*skip_value)(Size rows, Size d, const T* x, const T* q, const T* l, T* out);
  /// out_i += A (v_i + c_i x_i) + c_i l; v null: 0; c null: `same` for all.
  void (*skip_back)(Size rows, Size d, const T* x, const T* v, const T* c, T same, const T* q,
                    const T* l, T* out);
  /// q += Σ_i x_i (½ c_i x_i + v_i), l += Σ_i c_i x_i + v_i; null: 0.
  void (*skip_outer)(Size rows, Size d, const T* x, const T* v, const T* c, T* q, T* l);

  /// z = activation(a + bias) in place, with its derivative and the second one unless they are
  /// null.
  void (*activate)(Activation kind, Size rows, Size width, T alpha, const T* bias, T* a, Size ld,
                   T* slope, T* curve, Size e_ld);
  /// bend = curve a. upstream, and z. = slope a. in place.
  void (*activation_tangent)(Size rows, Size width, const T* slope, const T* curve,
                             const T* upstream, Size e_ld, T* a_dot, Size ld, T* bend);

  /// out[m] += Σ_i c_i p[i, m]; c null: 1.
  void (*column_sums)(Size rows, Size width, const T* c, const T* p, Size ld, T* out);
  /// out[i] = Σ_m p[i, m] w[m].
  void (*row_products)(Size rows, Size width, const T* p, Size ld, const T* w, T* out);
};

/// The table for this machine, by instruction_set().
template <class T>
const IcnnLoops<T>& icnn_loops();

extern const IcnnLoops<float> icnn_loops_float_any, icnn_loops_float_avx2, icnn_loops_float_avx512;
extern const IcnnLoops<double> icnn_loops_double_any, icnn_loops_double_avx2,
    icnn_loops_double_avx512;

}  // namespace monge::kernels
