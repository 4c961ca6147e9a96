#pragma once

#include <cstdint>

namespace monge::kernels {

/// The elementwise passes of DenseICNN between its matrix products, over `rows` points. A matrix is
/// a pointer and the distance `ld` of its rows. One table per instruction set and number type.
///
/// Names: a, z and e are a layer's inputs, outputs and CELU' (a row per point); delta is
/// d psi / d a; a dot is a derivative along a direction v; E is the adjoint of a; c weighs points.
template <class T>
struct IcnnLoops {
  using Size = std::int64_t;

  /// out[i, m] = <x_i, w_m>, of w transposed to [d, units]; for small d.
  void (*project)(Size rows, Size d, Size units, const T* x, const T* w, T* out, Size ld);
  /// out[i, j] = Σ_m p[i, m] w_m[j]: the same backwards.
  void (*project_back)(Size rows, Size d, Size units, const T* p, Size ld, const T* w, T* out);
  /// w_m[j] += Σ_i p[i, m] x[i, j], of w transposed to [d, units].
  void (*outer)(Size rows, Size d, Size units, const T* p, Size ld, const T* x, T* w);

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
  /// p = w e, the same w for every row; e null: p = w.
  void (*spread)(Size rows, Size width, const T* w, const T* e, Size e_ld, T* p, Size ld);
  /// bend = CELU''(a) a. (d psi / d z) = delta a. / alpha where a < 0, and z. = e a. in place.
  void (*celu_tangent)(Size rows, Size width, T alpha, const T* z, const T* e, Size e_ld,
                       const T* delta, T* a_dot, Size ld, T* bend);
  /// p = p e + bend; bend null: without.
  void (*times_plus)(Size rows, Size width, T* p, Size ld, const T* e, const T* bend, Size e_ld);
  /// p = c w e + bend; e or bend null: without.
  void (*spread_plus)(Size rows, Size width, const T* c, const T* w, const T* e, const T* bend,
                      Size e_ld, T* p, Size ld);

  /// out[m] += Σ_i c_i p[i, m]; c null: 1.
  void (*column_sums)(Size rows, Size width, const T* c, const T* p, Size ld, T* out);
  /// out[i] = Σ_m p[i, m] w[m].
  void (*row_products)(Size rows, Size width, const T* p, Size ld, const T* w, T* out);
};

/// The table for this machine's instruction_set(): AVX-512, AVX2 with FMA, or any processor.
template <class T>
const IcnnLoops<T>& icnn_loops();

extern const IcnnLoops<float> icnn_loops_float_any, icnn_loops_float_avx2, icnn_loops_float_avx512;
extern const IcnnLoops<double> icnn_loops_double_any, icnn_loops_double_avx2,
    icnn_loops_double_avx512;

}  // namespace monge::kernels
