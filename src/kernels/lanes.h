#pragma once

#include <cstdint>

// Short vectors that the compiler maps to the registers of the instruction set it compiles for.
// Included only by the files of loops, which are compiled once per instruction set: everything here
// is inlined, so that no copy made for one set can be linked into the code of another.

namespace monge::kernels {

#define MONGE_INLINE [[gnu::always_inline]] inline
#define MONGE_INLINED __attribute__((always_inline))  // of a lambda

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Integer = std::int32_t;
  static constexpr int mantissa = 23, bias = 127, terms = 7;
  static constexpr float lowest =
      -87.0f;  // exp() of it is the smallest order that is not subnormal
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cf8p-20f;
};
template <>
struct Bits<double> {
  using Integer = std::int64_t;
  static constexpr int mantissa = 52, bias = 1023, terms = 13;
  static constexpr double lowest = -708.0;
  static constexpr double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
};

/// N numbers; N = 1 is a plain number, for what a row has left over.
template <class T, int N>
struct Lanes {
  static constexpr int count = N;
  using Vector [[gnu::vector_size(N * sizeof(T))]] = T;
  using Integers [[gnu::vector_size(N * sizeof(T))]] = typename Bits<T>::Integer;

  MONGE_INLINE static Vector load(const T* from) {
    Vector value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
  }
  MONGE_INLINE static void store(T* to, Vector value) {
    __builtin_memcpy(to, &value, sizeof(value));
  }
  MONGE_INLINE static Vector all(T value) { return value - Vector{}; }
  MONGE_INLINE static T sum(Vector value) {
    T total = 0;
    for (int i = 0; i < N; ++i) total += value[i];
    return total;
  }
  MONGE_INLINE static Integers integers(Vector value) {
    return __builtin_convertvector(value, Integers);
  }
  MONGE_INLINE static Vector numbers(Integers value) {
    return __builtin_convertvector(value, Vector);
  }
};
template <class T>
struct Lanes<T, 1> {
  static constexpr int count = 1;
  using Vector = T;
  using Integers = typename Bits<T>::Integer;

  MONGE_INLINE static Vector load(const T* from) { return *from; }
  MONGE_INLINE static void store(T* to, Vector value) { *to = value; }
  MONGE_INLINE static Vector all(T value) { return value; }
  MONGE_INLINE static T sum(Vector value) { return value; }
  MONGE_INLINE static Integers integers(Vector value) { return static_cast<Integers>(value); }
  MONGE_INLINE static Vector numbers(Integers value) { return static_cast<Vector>(value); }
};

/// body(lanes, m) for every m in [0, width) in steps of a register, then a quarter, then one.
/// The including file defines MONGE_REGISTER_BYTES.
template <class T, class Body>
MONGE_INLINE void over(std::int64_t width, Body body) {
  constexpr int lanes = MONGE_REGISTER_BYTES / sizeof(T);
  constexpr int quarter = lanes >= 8 ? lanes / 4 : 1;
  std::int64_t m = 0;
  for (; m + lanes <= width; m += lanes) body(Lanes<T, lanes>{}, m);
  for (; m + quarter <= width; m += quarter) body(Lanes<T, quarter>{}, m);
  for (; m < width; ++m) body(Lanes<T, 1>{}, m);
}

template <class T>
constexpr T inverse_factorial(int n) {
  T product = 1;
  for (int i = 2; i <= n; ++i) product *= T(i);
  return 1 / product;
}

/// Σ r^n / n! for n = 0 … `terms`. In double, with twice the terms of float, the even and the odd
/// ones are sums of their own: half as many operations wait for each other.
template <class T, int N>
MONGE_INLINE auto exponential_series(Lanes<T, N>, typename Lanes<T, N>::Vector r) {
  using L = Lanes<T, N>;
  constexpr int terms = Bits<T>::terms;
  if constexpr (sizeof(T) == sizeof(float)) {
    auto sum = L::all(inverse_factorial<T>(terms));
    for (int n = terms - 1; n >= 0; --n) sum = sum * r + inverse_factorial<T>(n);
    return sum;
  } else {
    const auto square = r * r;
    auto last = L::all(inverse_factorial<T>(terms));
    auto before = L::all(inverse_factorial<T>(terms - 1));
    static_assert(terms % 2 == 1);
    for (int n = terms - 2; n >= 3; n -= 2) {
      last = last * square + inverse_factorial<T>(n);
      before = before * square + inverse_factorial<T>(n - 1);
    }
    // The 1 comes last: what is added to it is at most a half, rounding errors included.
    return ((last * square + T(1)) * r + before * square) + T(1);
  }
}

/// exp(x) for x <= 0, to 2 units in the last place; below `lowest` it stays at exp(lowest).
/// With n the integer next to x / ln 2 and r = x - n ln 2, it is 2^n times Taylor's sum in r.
template <class T, int N>
MONGE_INLINE auto exp_of_negative(Lanes<T, N>, typename Lanes<T, N>::Vector x) {
  using L = Lanes<T, N>;
  using B = Bits<T>;
  const auto lowest = L::all(B::lowest);
  x = x < lowest ? lowest : x;
  // Truncation rounds up here, where everything is negative: down by a half rounds to the nearest.
  const auto n = L::integers(x * T(1.4426950408889634) - T(0.5));
  const auto n_number = L::numbers(n);
  const auto r = x - n_number * B::ln2_high - n_number * B::ln2_low;
  const auto sum = exponential_series(L{}, r);
  const typename L::Integers exponent = (n + B::bias) << B::mantissa;
  typename L::Vector power;
  __builtin_memcpy(&power, &exponent, sizeof(power));
  return sum * power;
}

}  // namespace monge::kernels
