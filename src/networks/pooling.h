#pragma once

#include "monge/tensor.h"

namespace monge::networks {

/// The largest of every 2 x 2 pixels of x [n, c, h, w] channels last, h and w even. It can be
/// differentiated any number of times; kept for that is a byte for each result.
Tensor max_pool(const Tensor& x);

}  // namespace monge::networks
