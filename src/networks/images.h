#pragma once

#include "monge/tensor.h"

#include <string_view>

namespace monge::networks {

/// `x` as images [n, channels, h, w] channels last, of images in any layout or, where it has rank
/// 2, of rows [n, channels size size]. Throws Error at `where` on another rank or number of
/// channels.
Tensor as_images(const Tensor& x, std::int64_t channels, std::int64_t size, std::string_view where);

}  // namespace monge::networks
