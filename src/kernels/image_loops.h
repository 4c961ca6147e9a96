#pragma once

#include <cstdint>

namespace monge::kernels {

/// The elementwise passes between the convolutions, over activations that lie channels last: rows
/// (the pixels of all images) of `channels` numbers. Pure loops over one thread's share. Agreement
/// with their formulas: 1e-5 in float32 and 1e-12 in float64, of the largest number of a result;
/// maxima and signs are exact.
template <class T>
struct ImageLoops {
  using Size = std::int64_t;

  /// d = leaky(x + ratio d), with leaky(a) = a where a > 0 and slope a elsewhere.
  static void residual(Size n, const T* x, T ratio, T slope, T* d);
  /// a = leaky(a).
  static void leaky(Size n, T slope, T* a);
  /// One bit for each number: whether it is above 0. `n` is a multiple of 8 except at the end.
  static void sign_bits(Size n, const T* a, std::uint8_t* bits);
  /// out = scale leaky'(a) g, the sign of a taken from leaky(a), or from its sign bits.
  static void leaky_back(Size n, const T* g, const T* a, T scale, T slope, T* out);
  static void leaky_back(Size n, const T* g, const std::uint8_t* bits, T scale, T slope, T* out);

  /// The means and the sums of squared deviations of each channel over some rows, in one pass of
  /// the memory where they fit into the cache.
  static void moments(Size rows, Size channels, const T* y, T* mean, T* deviations);
  /// z = max(a y + c, 0) with a and c of each channel.
  static void scaled_relu(Size rows, Size channels, const T* y, const T* a, const T* c, T* z);
  /// sums[j] += Σ g and products[j] += Σ g (y - mean), over the rows with a y + c > 0.
  static void relu_sums(Size rows, Size channels, const T* g, const T* y, const T* a, const T* c,
                        const T* mean, T* sums, T* products);
  /// out = a g [a y + c > 0] + k y + l with a, c, k and l of each channel; out may be g.
  static void normalised_back(Size rows, Size channels, const T* g, const T* y, const T* a,
                              const T* c, const T* k, const T* l, T* out);

  /// One row of 2 x 2 maxima of `width` pixels from two rows of 2 width pixels, and which of the
  /// four was the first largest.
  static void max_pool(Size width, Size channels, const T* top, const T* bottom, T* out,
                       std::uint8_t* which);
  static void max_pool_back(Size width, Size channels, const T* g, const std::uint8_t* which,
                            T* top, T* bottom);
};

}  // namespace monge::kernels
