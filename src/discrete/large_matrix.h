#pragma once

#include "monge/tensor.h"

#include <sys/mman.h>

#include <cstdint>

namespace monge {

/// Memory for float64 [rows, columns] by pages of 2 MiB where the system gives them: a process that
/// fills a new matrix spends as long on pages of 4 KiB as on its numbers.
inline Tensor large_matrix(std::int64_t rows, std::int64_t columns) {
  constexpr std::uintptr_t page = std::uintptr_t{1} << 21;
  Tensor matrix = at::empty({rows, columns}, at::kDouble);
  const auto from = reinterpret_cast<std::uintptr_t>(matrix.data_ptr());
  const auto first = (from + page - 1) / page * page, last = (from + matrix.nbytes()) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  return matrix;
}

}  // namespace monge
