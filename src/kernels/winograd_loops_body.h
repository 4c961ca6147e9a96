// The loops of winograd_loops.h for the instruction set that the including file is compiled for; it
// defines MONGE_REGISTER_BYTES, the size of that set's registers.
#include "kernels/lanes.h"
#include "kernels/winograd_loops.h"

namespace monge::kernels {
namespace {

using Size = std::int64_t;

// Lavin & Gray 2016: Bᵀ, Aᵀ, A, G and Gᵀ times a column, with the common sums taken once.
struct Input {
  static constexpr int from = 6, to = 6;
  template <class V>
  MONGE_INLINE static void apply(const V* d, V* t) {
    const V even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const V outer = d[4] - d[2], twice = 2 * (d[3] - d[1]);
    t[0] = 4 * d[0] - 5 * d[2] + d[4];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = outer + twice;
    t[4] = outer - twice;
    t[5] = 4 * d[1] - 5 * d[3] + d[5];
  }
};

struct Output {
  static constexpr int from = 6, to = 4;
  template <class V>
  MONGE_INLINE static void apply(const V* m, V* t) {
    const V even = m[1] + m[2], odd = m[1] - m[2];
    const V even_twice = m[3] + m[4], odd_twice = m[3] - m[4];
    t[0] = m[0] + even + even_twice;
    t[1] = odd + 2 * odd_twice;
    t[2] = even + 4 * even_twice;
    t[3] = odd + 8 * odd_twice + m[5];
  }
};

struct OutputBack {
  static constexpr int from = 4, to = 6;
  template <class V>
  MONGE_INLINE static void apply(const V* s, V* t) {
    const V even = s[0] + s[2], odd = s[1] + s[3];
    const V even_twice = s[0] + 4 * s[2], odd_twice = 2 * s[1] + 8 * s[3];
    t[0] = s[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even_twice + odd_twice;
    t[4] = even_twice - odd_twice;
    t[5] = s[3];
  }
};

struct Weight {
  static constexpr int from = 3, to = 6;
  template <class V>
  MONGE_INLINE static void apply(const V* w, V* t) {
    const V even = (w[0] + w[2]) * (-1.0f / 6), odd = w[1] * (-1.0f / 6);
    const V even_twice = w[0] * (1.0f / 24) + w[2] * (1.0f / 6), odd_twice = w[1] * (1.0f / 12);
    t[0] = w[0] * 0.25f;
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even_twice + odd_twice;
    t[4] = even_twice - odd_twice;
    t[5] = w[2];
  }
};

struct WeightBack {
  static constexpr int from = 6, to = 3;
  template <class V>
  MONGE_INLINE static void apply(const V* u, V* t) {
    const V even = (u[1] + u[2]) * (1.0f / 6), odd = (u[2] - u[1]) * (1.0f / 6);
    const V even_twice = u[3] + u[4], odd_twice = u[3] - u[4];
    t[0] = u[0] * 0.25f - even + even_twice * (1.0f / 24);
    t[1] = odd + odd_twice * (1.0f / 12);
    t[2] = even_twice * (1.0f / 6) - even + u[5];
  }
};

/// The transform of the columns and then of the rows, with load(row, column) and
/// store(row, column, value).
template <class Transform, class Vector, class Load, class Store>
MONGE_INLINE void transform(Load load, Store store) {
  constexpr int from = Transform::from, to = Transform::to;
  Vector half[to][from];
  for (int column = 0; column < from; ++column) {
    Vector in[from], out[to];
    for (int row = 0; row < from; ++row) in[row] = load(row, column);
    Transform::apply(in, out);
    for (int row = 0; row < to; ++row) half[row][column] = out[row];
  }
  for (int row = 0; row < to; ++row) {
    Vector out[to];
    Transform::apply(half[row], out);
    for (int column = 0; column < to; ++column) store(row, column, out[column]);
  }
}

/// A transform from pixels or taps to products.
template <class Transform>
void forward(Size channels, const float* const* pixels, float* products, Size step) {
  over<float>(channels, [&](auto lanes, Size m) MONGE_INLINED {
    using L = decltype(lanes);
    transform<Transform, typename L::Vector>(
        [&](int row, int column)
            MONGE_INLINED { return L::load(pixels[row * Transform::from + column] + m); },
        [&](int row, int column, auto value) MONGE_INLINED {
          L::store(products + (row * Transform::to + column) * step + m, value);
        });
  });
}

/// A transform from products to pixels or taps, those that are not null.
template <class Transform>
MONGE_INLINE void backward(Size channels, const float* products, Size step, const float* bias,
                           float* const* pixels) {
  over<float>(channels, [&](auto lanes, Size m) MONGE_INLINED {
    using L = decltype(lanes);
    const auto offset = bias ? L::load(bias + m) : L::all(0);
    transform<Transform, typename L::Vector>(
        [&](int row, int column) MONGE_INLINED {
          return L::load(products + (row * Transform::from + column) * step + m);
        },
        [&](int row, int column, auto value) MONGE_INLINED {
          float* pixel = pixels[row * Transform::to + column];
          if (pixel) L::store(pixel + m, value + offset);
        });
  });
}

void output(Size channels, const float* products, Size step, const float* bias,
            float* const* pixels) {
  backward<Output>(channels, products, step, bias, pixels);
}

void weight_back(Size channels, const float* products, Size step, float* const* taps) {
  backward<WeightBack>(channels, products, step, nullptr, taps);
}

constexpr WinogradLoops loops{forward<Input>, output, forward<OutputBack>, forward<Weight>,
                              weight_back};

}  // namespace
}  // namespace monge::kernels
