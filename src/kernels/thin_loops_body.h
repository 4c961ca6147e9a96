// The loops of icnn_loops.h over inputs of few dimensions, for the instruction set that the
// including file is compiled for; it defines MONGE_REGISTER_BYTES, the size of that set's
// registers.
#pragma once

#include "kernels/icnn_loops.h"
#include "kernels/lanes.h"

#include <type_traits>

namespace monge::kernels {
namespace {

using Size = std::int64_t;

template <int D>
using Dimension = std::integral_constant<int, D>;

/// body(Dimension<d>) for a small d, so that a point's numbers stay in registers.
template <class Body>
MONGE_INLINE void with_dimension(Size d, Body body) {
  switch (d) {
    case 1:
      return body(Dimension<1>{});
    case 2:
      return body(Dimension<2>{});
    case 3:
      return body(Dimension<3>{});
    case 4:
      return body(Dimension<4>{});
    case 5:
      return body(Dimension<5>{});
    case 6:
      return body(Dimension<6>{});
    case 7:
      return body(Dimension<7>{});
    case 8:
      return body(Dimension<8>{});
    default:
      __builtin_trap();
  }
}

/// Rows [u_1 ... u_r, q] of Rows points or directions; `of` are the points' rows for directions.
template <class T, int D, int Rows>
MONGE_INLINE void form_rows(const ThinForms<T>& forms, const T* x, const T* bias, const T* of,
                            T* out, Size ld) {
  const Size units = forms.units, columns = (forms.rank + 1) * units;
  over<T>(units, [&](auto lanes, Size m) MONGE_INLINED {
    using L = decltype(lanes);
    typename L::Vector weight[D], squares[Rows] = {};
    const auto projected = [&](int i) MONGE_INLINED {
      auto sum = weight[0] * x[i * D];
      for (int j = 1; j < D; ++j) sum = sum + weight[j] * x[i * D + j];
      return sum;
    };
    const auto load_weights = [&](Size column) MONGE_INLINED {
      for (int j = 0; j < D; ++j) weight[j] = L::load(forms.weight + j * columns + column);
    };
    for (Size column = m; column < forms.rank * units; column += units) {
      load_weights(column);
      for (int i = 0; i < Rows; ++i) {
        const auto u = projected(i);
        L::store(out + i * ld + column, u);
        squares[i] = squares[i] + u * (of ? L::load(of + i * ld + column) : u);
      }
    }
    const Size linear = forms.rank * units + m;
    load_weights(linear);
    const auto constant = bias ? L::load(bias + m) : L::all(0);
    for (int i = 0; i < Rows; ++i)
      L::store(out + i * ld + linear,
               projected(i) + (of ? squares[i] + squares[i] : squares[i] + constant));
  });
}

template <class T>
void form(const ThinForms<T>& forms, Size rows, const T* x, const T* bias, const T* of, T* out,
          Size ld) {
  with_dimension(forms.dimension, [&](auto dimension) MONGE_INLINED {
    constexpr int D = decltype(dimension)::value;
    const auto rows_at = [&](auto count, Size i) MONGE_INLINED {
      form_rows<T, D, decltype(count)::value>(forms, x + i * D, bias, of ? of + i * ld : nullptr,
                                              out + i * ld, ld);
    };
    Size i = 0;
    for (; i + 4 <= rows; i += 4) rows_at(std::integral_constant<int, 4>{}, i);
    for (; i < rows; ++i) rows_at(std::integral_constant<int, 1>{}, i);
  });
}

/// The adjoint of u from those of q and q.: 2 u top, and 2 u. bottom where there are directions.
template <class L, class T>
MONGE_INLINE auto form_adjoint(const T* u, const T* u_dot, typename L::Vector top,
                               typename L::Vector bottom) {
  const auto half = L::load(u) * top;
  const auto all = u_dot ? half + L::load(u_dot) * bottom : half;
  return all + all;
}

template <class T>
MONGE_INLINE FormAdjoints<T> from_row(const FormAdjoints<T>& at, Size row) {
  return {at.u + row * at.u_ld, at.u_dot ? at.u_dot + row * at.u_ld : nullptr, at.u_ld,
          at.top + row * at.ld, at.bottom ? at.bottom + row * at.ld : nullptr, at.ld};
}

template <class T, int D, int Rows>
MONGE_INLINE void form_back_rows(const ThinForms<T>& forms, const FormAdjoints<T>& at, T* out) {
  constexpr int N = MONGE_REGISTER_BYTES / sizeof(T);
  const Size units = forms.units, columns = (forms.rank + 1) * units;
  const auto add = [&](auto lanes, Size m, auto& sums) MONGE_INLINED {
    using L = decltype(lanes);
    typename L::Vector top[Rows], bottom[Rows];
    for (int i = 0; i < Rows; ++i) {
      top[i] = L::load(at.top + i * at.ld + m);
      bottom[i] = at.u_dot ? L::load(at.bottom + i * at.ld + m) : L::all(0);
    }
    for (int j = 0; j < D; ++j) {
      const auto weight = L::load(forms.weight + j * columns + forms.rank * units + m);
      for (int i = 0; i < Rows; ++i) sums[i][j] = sums[i][j] + top[i] * weight;
    }
    for (Size column = m; column < forms.rank * units; column += units) {
      typename L::Vector weight[D];
      for (int j = 0; j < D; ++j) weight[j] = L::load(forms.weight + j * columns + column);
      for (int i = 0; i < Rows; ++i) {
        const Size u = i * at.u_ld + column;
        const auto value =
            form_adjoint<L>(at.u + u, at.u_dot ? at.u_dot + u : nullptr, top[i], bottom[i]);
        for (int j = 0; j < D; ++j) sums[i][j] = sums[i][j] + value * weight[j];
      }
    }
  };
  typename Lanes<T, N>::Vector sums[Rows][D] = {};
  T rest[Rows][D] = {};
  Size m = 0;
  for (; m + N <= units; m += N) add(Lanes<T, N>{}, m, sums);
  for (; m < units; ++m) add(Lanes<T, 1>{}, m, rest);
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < D; ++j) out[i * D + j] = Lanes<T, N>::sum(sums[i][j]) + rest[i][j];
}

template <class T>
void form_back(const ThinForms<T>& forms, Size rows, FormAdjoints<T> at, T* out) {
  with_dimension(forms.dimension, [&](auto dimension) MONGE_INLINED {
    constexpr int D = decltype(dimension)::value;
    constexpr int group = D <= 4 ? 4 : 2;
    Size i = 0;
    for (; i + group <= rows; i += group, at = from_row(at, group))
      form_back_rows<T, D, group>(forms, at, out + i * D);
    for (; i < rows; ++i, at = from_row(at, 1)) form_back_rows<T, D, 1>(forms, at, out + i * D);
  });
}

/// The part of Rows points in dS / dw; of the directions too where there are some.
template <class T, int D, int Rows>
MONGE_INLINE void form_outer_rows(const ThinForms<T>& forms, const FormAdjoints<T>& at, const T* x,
                                  const T* v, T* w) {
  const Size units = forms.units, columns = (forms.rank + 1) * units;
  for (Size row = 0; row <= forms.rank; ++row)
    over<T>(units, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      T* to = w + row * units + m;
      typename L::Vector sums[D];
      for (int j = 0; j < D; ++j) sums[j] = L::load(to + j * columns);
      for (int i = 0; i < Rows; ++i) {
        auto top = L::load(at.top + i * at.ld + m);
        auto bottom = v ? L::load(at.bottom + i * at.ld + m) : L::all(0);
        if (row < forms.rank) {
          const Size u = i * at.u_ld + row * units + m;
          top = form_adjoint<L>(at.u + u, v ? at.u_dot + u : nullptr, top, bottom);
          if (v) bottom = form_adjoint<L, T>(at.u + u, nullptr, bottom, bottom);
        }
        for (int j = 0; j < D; ++j) sums[j] = sums[j] + top * x[i * D + j];
        if (!v) continue;
        for (int j = 0; j < D; ++j) sums[j] = sums[j] + bottom * v[i * D + j];
      }
      for (int j = 0; j < D; ++j) L::store(to + j * columns, sums[j]);
    });
}

template <class T>
void form_outer(const ThinForms<T>& forms, Size rows, FormAdjoints<T> at, const T* x, const T* v,
                T* w) {
  with_dimension(forms.dimension, [&](auto dimension) MONGE_INLINED {
    constexpr int D = decltype(dimension)::value;
    constexpr int group = D <= 2 ? 4 : D <= 4 ? 2 : 1;  // whose points stay in registers
    Size i = 0;
    for (; i + group <= rows; i += group, at = from_row(at, group))
      form_outer_rows<T, D, group>(forms, at, x + i * D, v ? v + i * D : nullptr, w);
    if constexpr (group > 1)
      for (; i < rows; ++i, at = from_row(at, 1))
        form_outer_rows<T, D, 1>(forms, at, x + i * D, v ? v + i * D : nullptr, w);
  });
}

}  // namespace
}  // namespace monge::kernels
