#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace monge {

/// [k, d] float32, not initialised; throws Error where the memory cannot be had.
Tensor allocate_rows(std::string_view where, std::int64_t k, std::int64_t d);

/// Throws Error unless a reader was asked for at least one row.
void require_count(std::string_view where, std::int64_t count);

/// The flat index of the first value of a contiguous float32 tensor that is NaN or infinite.
std::optional<std::int64_t> first_not_finite(const Tensor& rows);

}  // namespace monge
