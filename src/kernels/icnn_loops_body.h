// The loops of icnn_loops.h for the instruction set that the including file is compiled for; it
// defines MONGE_REGISTER_BYTES, the size of that set's registers.
#include "kernels/icnn_loops.h"
#include "kernels/lanes.h"
#include "kernels/thin_loops_body.h"

namespace monge::kernels {
namespace {

template <class T>
void square_forms(Size rows, Size rank, Size units, const T* bias, T* row, Size ld) {
  for (Size i = 0; i < rows; ++i, row += ld)
    over<T>(units, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      auto q = L::load(row + rank * units + m) + L::load(bias + m);
      for (Size s = 0; s < rank; ++s) {
        const auto u = L::load(row + s * units + m);
        q = q + u * u;
      }
      L::store(row + rank * units + m, q);
    });
}

template <class T>
void square_forms_tangent(Size rows, Size rank, Size units, const T* row, T* row_dot, Size ld) {
  for (Size i = 0; i < rows; ++i, row += ld, row_dot += ld)
    over<T>(units, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      auto half = L::all(0);
      for (Size s = 0; s < rank; ++s)
        half = half + L::load(row + s * units + m) * L::load(row_dot + s * units + m);
      T* q = row_dot + rank * units + m;
      L::store(q, L::load(q) + (half + half));
    });
}

template <class T>
void square_forms_adjoint(Size rows, Size rank, Size units, const T* row, const T* row_dot, T* top,
                          T* bottom, Size ld) {
  for (Size i = 0; i < rows; ++i, row += ld, row_dot += ld, top += ld, bottom += ld)
    over<T>(units, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      auto adjoint = L::load(top + rank * units + m);
      auto delta = L::load(bottom + rank * units + m);
      adjoint = adjoint + adjoint;
      delta = delta + delta;
      for (Size s = 0; s < rank; ++s) {
        const Size at = s * units + m;
        const auto u = L::load(row + at);
        L::store(top + at, u * adjoint + L::load(row_dot + at) * delta);
        L::store(bottom + at, u * delta);
      }
    });
}

template <class T>
void square_forms_delta(Size rows, Size rank, Size units, const T* row, T* p, Size ld) {
  for (Size i = 0; i < rows; ++i, row += ld, p += ld)
    over<T>(units, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      auto delta = L::load(p + rank * units + m);
      delta = delta + delta;
      for (Size s = 0; s < rank; ++s)
        L::store(p + s * units + m, L::load(row + s * units + m) * delta);
    });
}

template <class T>
void celu(Size rows, Size width, T alpha, T* a, Size ld, T* e, Size e_ld) {
  const T steepness = 1 / alpha;
  for (Size i = 0; i < rows; ++i, a += ld, e += e_ld)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      const auto zero = L::all(0);
      const auto value = L::load(a + m);
      const auto negative = value < zero ? value : zero;
      const auto positive = value < zero ? zero : value;
      const auto slope = exp_of_negative(L{}, negative * steepness);
      L::store(e + m, slope);
      L::store(a + m, positive + (slope - T(1)) * alpha);
    });
}

template <class T>
void times(Size rows, Size width, T* p, Size ld, const T* e, Size e_ld) {
  for (Size i = 0; i < rows; ++i, p += ld, e += e_ld)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      L::store(p + m, L::load(p + m) * L::load(e + m));
    });
}

template <class T>
void where_positive(Size rows, Size width, T* p, Size ld, const T* z, Size z_ld) {
  for (Size i = 0; i < rows; ++i, p += ld, z += z_ld)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      const auto zero = L::all(0);
      L::store(p + m, L::load(z + m) > zero ? L::load(p + m) : zero);
    });
}

template <class T>
void spread(Size rows, Size width, const T* w, const T* e, Size e_ld, T* p, Size ld) {
  for (Size i = 0; i < rows; ++i)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      const auto weight = L::load(w + m);
      L::store(p + i * ld + m, e ? weight * L::load(e + i * e_ld + m) : weight);
    });
}

template <class T>
void celu_tangent(Size rows, Size width, T alpha, const T* z, Size ld, const T* e, Size e_ld,
                  const T* delta, Size delta_ld, T* a_dot, T* bend) {
  const T steepness = 1 / alpha;
  for (Size i = 0; i < rows; ++i, z += ld, e += e_ld, delta += delta_ld, a_dot += ld, bend += e_ld)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      const auto zero = L::all(0);
      const auto tangent = L::load(a_dot + m);
      const auto curved = tangent * L::load(delta + m) * steepness;
      L::store(bend + m, L::load(z + m) < zero ? curved : zero);
      L::store(a_dot + m, tangent * L::load(e + m));
    });
}

template <class T>
void times_plus(Size rows, Size width, T* p, Size ld, const T* e, const T* bend, Size e_ld) {
  for (Size i = 0; i < rows; ++i, p += ld, e += e_ld, bend += e_ld)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      L::store(p + m, L::load(p + m) * L::load(e + m) + L::load(bend + m));
    });
}

template <class T>
void spread_plus(Size rows, Size width, const T* c, const T* w, const T* e, const T* bend,
                 Size e_ld, T* p, Size ld) {
  for (Size i = 0; i < rows; ++i)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      auto value = L::load(w + m) * c[i];
      if (e) value = value * L::load(e + i * e_ld + m);
      if (bend) value = value + L::load(bend + i * e_ld + m);
      L::store(p + i * ld + m, value);
    });
}

template <class T>
void skip_value(Size rows, Size d, const T* x, const T* q, const T* l, T* out) {
  constexpr int N = MONGE_REGISTER_BYTES / sizeof(T);
  const auto term = [&](auto lanes, const T* point, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    const auto value = L::load(point + j);
    return value * (value * T(0.5) * L::load(q + j) + L::load(l + j));
  };
  for (Size i = 0; i < rows; ++i, x += d) {
    typename Lanes<T, N>::Vector sums = {};
    Size j = 0;
    for (; j + N <= d; j += N) sums = sums + term(Lanes<T, N>{}, x, j);
    T sum = Lanes<T, N>::sum(sums);
    for (; j < d; ++j) sum += term(Lanes<T, 1>{}, x, j);
    out[i] += sum;
  }
}

template <class T>
void skip_back(Size rows, Size d, const T* x, const T* v, const T* c, T same, const T* q,
               const T* l, T* out) {
  for (Size i = 0; i < rows; ++i) {
    const T weight = c ? c[i] : same;
    over<T>(d, [&](auto lanes, Size j) MONGE_INLINED {
      using L = decltype(lanes);
      auto along = L::load(x + i * d + j) * weight;
      if (v) along = along + L::load(v + i * d + j);
      L::store(out + i * d + j,
               L::load(out + i * d + j) + along * L::load(q + j) + L::load(l + j) * weight);
    });
  }
}

template <class T>
void skip_outer(Size rows, Size d, const T* x, const T* v, const T* c, T* q, T* l) {
  over<T>(d, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    auto quadratic = L::load(q + j), linear = L::load(l + j);
    for (Size i = 0; i < rows; ++i) {
      const auto point = L::load(x + i * d + j);
      auto half = L::all(0), along = L::all(0);
      if (c) half = point * (c[i] * T(0.5));
      if (v) along = L::load(v + i * d + j);
      quadratic = quadratic + point * (half + along);
      linear = linear + (half + half + along);
    }
    L::store(q + j, quadratic);
    L::store(l + j, linear);
  });
}

/// An activation, its derivative and its second derivative at a.
template <class L>
struct Activated {
  typename L::Vector value, slope, curve;
};

template <Activation kind, class T, int N>
MONGE_INLINE Activated<Lanes<T, N>> activated(Lanes<T, N> lanes, typename Lanes<T, N>::Vector a,
                                              T alpha) {
  using L = Lanes<T, N>;
  const auto zero = L::all(0), one = L::all(1);
  const auto negative = a < zero ? a : zero, positive = a < zero ? zero : a;
  if constexpr (kind == Activation::relu) {
    return {positive, a > zero ? one : zero, zero};
  } else if constexpr (kind == Activation::leaky_relu) {
    return {positive + negative * alpha, a > zero ? one : L::all(alpha), zero};
  } else if constexpr (kind == Activation::celu) {
    const auto slope = exp_of_negative(lanes, negative * (1 / alpha));
    return {positive + (slope - one) * alpha, slope, a < zero ? slope * (1 / alpha) : zero};
  } else if constexpr (kind == Activation::elu) {
    const auto power = exp_of_negative(lanes, negative);
    return {positive + (power - one) * alpha, a < zero ? power * alpha : one,
            a < zero ? power * alpha : zero};
  } else {
    const auto power = exp_of_negative(lanes, negative - positive);
    const auto sigmoid = (a < zero ? power : one) / (power + one);
    const auto other = one - sigmoid;
    return {a * sigmoid, sigmoid * (one + a * other),
            sigmoid * other * (one + one + a * (other - sigmoid))};
  }
}

template <Activation kind, class T>
void activate_rows(Size rows, Size width, T alpha, const T* bias, T* a, Size ld, T* slope, T* curve,
                   Size e_ld) {
  for (Size i = 0; i < rows; ++i)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      const auto result =
          activated<kind, T>(lanes, L::load(a + i * ld + m) + L::load(bias + m), alpha);
      L::store(a + i * ld + m, result.value);
      if (slope) L::store(slope + i * e_ld + m, result.slope);
      if (curve) L::store(curve + i * e_ld + m, result.curve);
    });
}

template <class T>
void activate(Activation kind, Size rows, Size width, T alpha, const T* bias, T* a, Size ld,
              T* slope, T* curve, Size e_ld) {
  const auto run = [&](auto* loop) { loop(rows, width, alpha, bias, a, ld, slope, curve, e_ld); };
  switch (kind) {
    case Activation::relu:
      return run(activate_rows<Activation::relu, T>);
    case Activation::leaky_relu:
      return run(activate_rows<Activation::leaky_relu, T>);
    case Activation::celu:
      return run(activate_rows<Activation::celu, T>);
    case Activation::elu:
      return run(activate_rows<Activation::elu, T>);
    case Activation::silu:
      return run(activate_rows<Activation::silu, T>);
  }
}

template <class T>
void activation_tangent(Size rows, Size width, const T* slope, const T* curve, const T* upstream,
                        Size e_ld, T* a_dot, Size ld, T* bend) {
  for (Size i = 0; i < rows; ++i)
    over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
      using L = decltype(lanes);
      const Size at = i * e_ld + m;
      const auto tangent = L::load(a_dot + i * ld + m);
      L::store(bend + at, L::load(curve + at) * tangent * L::load(upstream + at));
      L::store(a_dot + i * ld + m, tangent * L::load(slope + at));
    });
}

template <class T>
void column_sums(Size rows, Size width, const T* c, const T* p, Size ld, T* out) {
  over<T>(width, [&](auto lanes, Size m) MONGE_INLINED {
    using L = decltype(lanes);
    auto sum = L::load(out + m);
    for (Size i = 0; i < rows; ++i) {
      const auto value = L::load(p + i * ld + m);
      sum = sum + (c ? value * c[i] : value);
    }
    L::store(out + m, sum);
  });
}

template <class T>
void row_products(Size rows, Size width, const T* p, Size ld, const T* w, T* out) {
  constexpr int N = MONGE_REGISTER_BYTES / sizeof(T);
  using L = Lanes<T, N>;
  for (Size i = 0; i < rows; ++i, p += ld) {
    typename L::Vector sums = {};
    Size m = 0;
    for (; m + N <= width; m += N) sums = sums + L::load(p + m) * L::load(w + m);
    T sum = L::sum(sums);
    for (; m < width; ++m) sum += p[m] * w[m];
    out[i] = sum;
  }
}

template <class T>
constexpr IcnnLoops<T> loops{
    .thin = thin<T>,
    .thin_back = thin_back<T>,
    .thin_outer = thin_outer<T>,
    .square_forms = square_forms<T>,
    .square_forms_tangent = square_forms_tangent<T>,
    .square_forms_delta = square_forms_delta<T>,
    .square_forms_adjoint = square_forms_adjoint<T>,
    .celu = celu<T>,
    .times = times<T>,
    .where_positive = where_positive<T>,
    .spread = spread<T>,
    .celu_tangent = celu_tangent<T>,
    .times_plus = times_plus<T>,
    .spread_plus = spread_plus<T>,
    .skip_value = skip_value<T>,
    .skip_back = skip_back<T>,
    .skip_outer = skip_outer<T>,
    .activate = activate<T>,
    .activation_tangent = activation_tangent<T>,
    .column_sums = column_sums<T>,
    .row_products = row_products<T>,
};

}  // namespace
}  // namespace monge::kernels
