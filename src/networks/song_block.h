#pragma once

#include "monge/tensor.h"

namespace monge::networks {

/// A convolution by a weight [out, k, k, in] of x [n, in, h, w] channels last, by this library's
/// kernels; it can be differentiated any number of times.
Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// Group normalisation and SiLU.
Tensor normalised_silu(const Tensor& x, const Tensor& scale, const Tensor& shift);

/// A normalisation, SiLU and a 3 x 3 convolution.
struct NormalisedSilu {
  Tensor scale, shift, weight, bias;  // [in], [in], [out, 3, 3, in], [out]
};

/// One head over all pixels; undefined: none.
struct Attention {
  Tensor scale, shift, weight, bias;  // [c], [c], [3 c, c], [3 c]
  Tensor out_weight, out_bias;        // [c, c], [c]
};

/// What becomes of the side of an image.
enum class Side { kept, halved, doubled };

/// A residual block of SongUNet, perhaps followed by attention.
struct SongBlock {
  Side side = Side::kept;
  NormalisedSilu first, second;
  Tensor shortcut;  // [out, in], or undefined
  Attention attention;
};

/// The block's result for x [n, c, h, w] channels last.
Tensor song_block(const Tensor& x, const SongBlock& block);

}  // namespace monge::networks
