#pragma once

#include <cstdint>

namespace monge::kernels {

/// The transforms of Winograd's F(4 x 4, 3 x 3) (Lavin & Gray 2016, with the points 0, ±1, ±2 and
/// infinity) for one tile and all channels. A pixel is a pointer to its channels; the 36 products
/// of a tile lie `step` apart, each with its channels. One table per instruction set. Agreement of
/// a tile with its convolution: 1e-5 relative in norm.
struct WinogradLoops {
  using Size = std::int64_t;

  /// Bᵀ d B of 6 x 6 pixels.
  void (*input)(Size channels, const float* const* pixels, float* products, Size step);
  /// Aᵀ m A, plus the bias where it is not null, to 4 x 4 pixels, those that are not null.
  void (*output)(Size channels, const float* products, Size step, const float* bias,
                 float* const* pixels);
  /// A g Aᵀ of 4 x 4 pixels, the derivative of `output` turned round.
  void (*output_back)(Size channels, const float* const* pixels, float* products, Size step);
  /// G w Gᵀ of the 3 x 3 taps.
  void (*weight)(Size channels, const float* const* taps, float* products, Size step);
  /// Gᵀ u G, the derivative of `weight` turned round.
  void (*weight_back)(Size channels, const float* products, Size step, float* const* taps);
};

/// The table for this machine, chosen at run time.
const WinogradLoops& winograd_loops();

extern const WinogradLoops winograd_loops_any, winograd_loops_avx2, winograd_loops_avx512;

}  // namespace monge::kernels
