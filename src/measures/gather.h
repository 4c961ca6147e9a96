#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <span>

namespace monge {

/// The rows of `rows` [n, d] (float32, contiguous) with the given indices, one after the other.
void gather_rows(const Tensor& rows, std::span<const std::int64_t> indices, std::span<float> out);

}  // namespace monge
