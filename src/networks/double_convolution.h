#pragma once

#include "monge/tensor.h"

#include <array>

namespace monge::networks {

/// A 3 x 3 convolution, batch normalisation and ReLU.
struct NormalisedConvolution {
  Tensor weight, bias, scale, shift;      // [out, 3, 3, in], [out], [out], [out]
  Tensor running_mean, running_variance;  // [out], not trained
};

/// Twice a convolution with batch normalisation and ReLU, the unit of a UNet.
using DoubleConvolution = std::array<NormalisedConvolution, 2>;

/// The unit's result for x [n, c, h, w] channels last, normalised by the batch's own moments, which
/// also move the running ones by a tenth. It can be differentiated any number of times; kept for
/// that are x and the two convolutions' results, from which the ReLUs are computed again.
Tensor double_convolution(const Tensor& x, const DoubleConvolution& unit);

/// The same normalised by the running moments; not recorded.
Tensor double_convolution_running(const Tensor& x, const DoubleConvolution& unit);
/// The same in ATen's operators, which can be differentiated any number of times.
Tensor double_convolution_recorded(const Tensor& x, const DoubleConvolution& unit);

}  // namespace monge::networks
