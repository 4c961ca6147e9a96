// The loops of icnn_loops.h over layers of few inputs, for the instruction set that the
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
using Inputs = std::integral_constant<int, D>;

/// body(Inputs<d>) for a small d, so that what belongs to them stays in registers.
template <class Body>
MONGE_INLINE void with_inputs(Size d, Body body) {
  switch (d) {
    case 1:
      return body(Inputs<1>{});
    case 2:
      return body(Inputs<2>{});
    case 3:
      return body(Inputs<3>{});
    case 4:
      return body(Inputs<4>{});
    case 5:
      return body(Inputs<5>{});
    case 6:
      return body(Inputs<6>{});
    case 7:
      return body(Inputs<7>{});
    case 8:
      return body(Inputs<8>{});
    default:
      __builtin_trap();
  }
}

/// The rows of Rows points.
template <class T, int D, int Rows>
MONGE_INLINE void thin_rows(const ThinLayer<T>& layer, const T* x, T* out, Size ld) {
  over<T>(layer.width, [&](auto lanes, Size m) MONGE_INLINED {
    using L = decltype(lanes);
    typename L::Vector weight[D];
    for (int j = 0; j < D; ++j) weight[j] = L::load(layer.weight + j * layer.width + m);
    for (int i = 0; i < Rows; ++i) {
      auto sum = weight[0] * x[i * D];
      for (int j = 1; j < D; ++j) sum = sum + weight[j] * x[i * D + j];
      L::store(out + i * ld + m, sum);
    }
  });
}

template <class T>
void thin(const ThinLayer<T>& layer, Size rows, const T* x, T* out, Size ld) {
  with_inputs(layer.inputs, [&](auto inputs) MONGE_INLINED {
    constexpr int D = decltype(inputs)::value;
    Size i = 0;
    for (; i + 4 <= rows; i += 4) thin_rows<T, D, 4>(layer, x + i * D, out + i * ld, ld);
    for (; i < rows; ++i) thin_rows<T, D, 1>(layer, x + i * D, out + i * ld, ld);
  });
}

template <class T, int D, int Rows>
MONGE_INLINE void thin_back_rows(const ThinLayer<T>& layer, const T* top, Size ld, T* out) {
  constexpr int N = MONGE_REGISTER_BYTES / sizeof(T);
  const auto add = [&](auto lanes, Size m, auto& sums) MONGE_INLINED {
    using L = decltype(lanes);
    typename L::Vector rows[Rows];
    for (int i = 0; i < Rows; ++i) rows[i] = L::load(top + i * ld + m);
    for (int j = 0; j < D; ++j) {
      const auto weight = L::load(layer.weight + j * layer.width + m);
      for (int i = 0; i < Rows; ++i) sums[i][j] = sums[i][j] + rows[i] * weight;
    }
  };
  typename Lanes<T, N>::Vector sums[Rows][D] = {};
  T rest[Rows][D] = {};
  Size m = 0;
  for (; m + N <= layer.width; m += N) add(Lanes<T, N>{}, m, sums);
  for (; m < layer.width; ++m) add(Lanes<T, 1>{}, m, rest);
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < D; ++j) out[i * D + j] = Lanes<T, N>::sum(sums[i][j]) + rest[i][j];
}

template <class T>
void thin_back(const ThinLayer<T>& layer, Size rows, const T* top, Size ld, T* out) {
  const auto of_inputs = [&](auto inputs) MONGE_INLINED {
    constexpr int D = decltype(inputs)::value;
    constexpr int group = D <= 3 ? 4 : D <= 6 ? 2 : 1;  // whose sums stay in registers
    Size i = 0;
    for (; i + group <= rows; i += group)
      thin_back_rows<T, D, group>(layer, top + i * ld, ld, out + i * D);
    for (; i < rows; ++i) thin_back_rows<T, D, 1>(layer, top + i * ld, ld, out + i * D);
  };
  // The monomials of three and of four dimensions.
  if (layer.inputs == 9) return of_inputs(Inputs<9>{});
  if (layer.inputs == 14) return of_inputs(Inputs<14>{});
  with_inputs(layer.inputs, of_inputs);
}

template <class T, int D, int Rows>
MONGE_INLINE void thin_outer_rows(Size width, const T* x, const T* top, Size ld, T* w) {
  over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
    using L = decltype(lanes);
    typename L::Vector sums[D];
    for (int j = 0; j < D; ++j) sums[j] = L::load(w + j * width + m);
    for (int i = 0; i < Rows; ++i) {
      const auto row = L::load(top + i * ld + m);
      for (int j = 0; j < D; ++j) sums[j] = sums[j] + row * x[i * D + j];
    }
    for (int j = 0; j < D; ++j) L::store(w + j * width + m, sums[j]);
  });
}

template <class T>
void thin_outer(Size inputs, Size width, Size rows, const T* x, const T* top, Size ld, T* w) {
  with_inputs(inputs, [&](auto count) MONGE_INLINED {
    constexpr int D = decltype(count)::value;
    Size i = 0;
    for (; i + 4 <= rows; i += 4) thin_outer_rows<T, D, 4>(width, x + i * D, top + i * ld, ld, w);
    for (; i < rows; ++i) thin_outer_rows<T, D, 1>(width, x + i * D, top + i * ld, ld, w);
  });
}

}  // namespace
}  // namespace monge::kernels
