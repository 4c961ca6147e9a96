#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <string>

namespace monge::image {

/// Images [n, c, h, w] in rows of `columns` with white lines around them, each pixel `scale` pixels
/// wide; [c, height, width] of the same type, floats in [-1, 1] or bytes.
Tensor grid_of(const Tensor& images, std::int64_t columns, std::int64_t scale = 1);

/// The bytes of a PNG file of an image [c, h, w] in [-1, 1], c = 1 or 3. Throws Error on another
/// shape and on numbers that are not finite.
std::string png_of(const Tensor& image);

}  // namespace monge::image
