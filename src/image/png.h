#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <string>

namespace monge::image {

/// The bytes of a PNG file of an image [c, h, w] in [-1, 1], c = 1 or 3, clipped to 8 bits. Throws
/// Error on another shape.
std::string png_of(const Tensor& image);

/// Images [n, c, h, w] in rows of `columns`, with a light line between them, each pixel `scale`
/// pixels wide; [c, height, width].
Tensor grid_of(const Tensor& images, std::int64_t columns, std::int64_t scale = 1);

}  // namespace monge::image
