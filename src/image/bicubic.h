#pragma once

#include "monge/tensor.h"

#include <cstdint>

namespace monge::image {

/// An image [c, h, w] of bytes at another size, by the cubic convolution of a = -1/2 (Keys 1981),
/// which is widened where the image is reduced: antialiasing.
Tensor bicubic(const Tensor& levels, std::int64_t height, std::int64_t width);

}  // namespace monge::image
