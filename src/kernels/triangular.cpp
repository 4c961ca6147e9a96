#include "kernels/triangular.h"

#include "kernels/product.h"

namespace monge::kernels {
namespace {

constexpr std::int64_t block_rows = 128, block_columns = 64;

/// Number i of a row spreads to those from i on; the last goes first, so that none is needed again.
void row_times_triangular(std::int64_t d, float* x, const float* r, const float* offset) {
  for (std::int64_t i = d - 1; i >= 0; --i) {
    const float value = x[i];
    x[i] = offset[i] + value * r[i * d + i];
    for (std::int64_t j = i + 1; j < d; ++j) x[j] += value * r[i * d + j];
  }
}

/// Every row of x [n, width] becomes `row`. What is done is copied behind itself: a call for each
/// short row would take longer than its numbers.
void repeat_row(std::int64_t n, std::int64_t width, const float* row, float* x) {
  std::copy_n(row, width, x);
  for (std::int64_t done = 1; done < n; done *= 2)
    std::copy_n(x, std::min(done, n - done) * width, x + done * width);
}

/// Columns [from, from + width) of the rows, when all after them are done.
void columns_times_triangular(std::int64_t n, std::int64_t d, std::int64_t from, std::int64_t width,
                              float* x, const float* r, const float* offset) {
  std::array<float, block_rows * block_columns> kept;
  if (width == d) {
    std::copy_n(x, n * d, kept.data());
    repeat_row(n, d, offset, x);
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      std::copy_n(x + i * d + from, width, kept.data() + i * width);
      std::copy_n(offset + from, width, x + i * d + from);
    }
  }
  if (from > 0)
    product(n, width, from, x, d, Transposed::no, r + from, d, Transposed::no, 1, x + from, d);
  product(n, width, width, kept.data(), width, Transposed::no, r + from * d + from, d,
          Transposed::no, 1, x + from, d);
}

}  // namespace

void times_triangular(std::int64_t n, std::int64_t d, float* x, const float* r,
                      const float* offset) {
  constexpr std::int64_t small = 8;
  if (d <= small || n < small) {
    for (std::int64_t i = 0; i < n; ++i) row_times_triangular(d, x + i * d, r, offset);
    return;
  }
  for (std::int64_t row = 0; row < n; row += block_rows)
    for (std::int64_t end = d; end > 0;) {
      const std::int64_t from = (end - 1) / block_columns * block_columns;
      columns_times_triangular(std::min(block_rows, n - row), d, from, end - from, x + row * d, r,
                               offset);
      end = from;
    }
}

}  // namespace monge::kernels
