#include "solvers/frame_entry.h"

#include "kernels/product.h"

namespace monge {
namespace {

bool is_identity(const AffineFrame& frame) {
  const Tensor& matrix = frame.matrix;
  return frame.scale == 1 && at::equal(matrix, at::eye(matrix.size(0), matrix.options())) &&
         frame.from.eq(0).all().item<bool>();
}

/// The points of few dimensions by loops: a product takes longer to begin.
void multiply(std::int64_t n, std::int64_t d, const float* x, const float* matrix, float* out) {
  using kernels::Transposed;
  constexpr std::int64_t small = 8;
  if (d > small)
    return kernels::product(n, d, d, x, d, Transposed::no, matrix, d, Transposed::no, 0, out, d);
  for (std::int64_t i = 0; i < n; ++i, x += d, out += d)
    for (std::int64_t column = 0; column < d; ++column) {
      float sum = 0;
      for (std::int64_t j = 0; j < d; ++j) sum += x[j] * matrix[j * d + column];
      out[column] = sum;
    }
}

}  // namespace

FrameEntry::FrameEntry(const AffineFrame& frame)
    : identity_(is_identity(frame)),
      matrix_((frame.matrix / frame.scale).t().contiguous()),
      from_(frame.from.contiguous()) {}

Tensor FrameEntry::enter(const Tensor& points) {
  if (identity_) return points;
  const std::int64_t n = points.size(0), d = points.size(1);
  if (!entered_.defined() || entered_.size(0) != n) {
    centred_ = at::empty({n, d}, points.options());
    entered_ = at::empty({n, d}, points.options());
  }
  const float *x = points.const_data_ptr<float>(), *from = from_.const_data_ptr<float>();
  float* centred = centred_.data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < d; ++j) centred[i * d + j] = x[i * d + j] - from[j];
  multiply(n, d, centred, matrix_.const_data_ptr<float>(), entered_.data_ptr<float>());
  return entered_;
}

}  // namespace monge
