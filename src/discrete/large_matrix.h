#pragma once

#include "monge/tensor.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace monge {

/// Memory for float64 [rows, columns] by pages of 2 MiB where the system gives them: a process that
/// fills a new matrix spends as long on pages of 4 KiB as on its numbers.
inline Tensor large_matrix(std::int64_t rows, std::int64_t columns) {
  constexpr std::size_t page = std::size_t{1} << 21;
  Tensor matrix = at::empty({rows, columns}, at::kDouble);
  auto* begin = static_cast<std::byte*>(matrix.data_ptr());
  const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(begin) % page) % page;
  if (matrix.nbytes() >= before + page)
    madvise(begin + before, (matrix.nbytes() - before) / page * page, MADV_HUGEPAGE);
  return matrix;
}

}  // namespace monge
