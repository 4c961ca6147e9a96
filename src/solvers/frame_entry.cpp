#include "solvers/frame_entry.h"

#include "kernels/product.h"

namespace monge {
namespace {

bool is_identity(const AffineFrame& frame) {
  const Tensor& matrix = frame.matrix;
  return frame.scale == 1 && at::equal(matrix, at::eye(matrix.size(0), matrix.options())) &&
         frame.from.eq(0).all().item<bool>();
}

/// The points of few dimensions by loops: a BLAS takes longer to begin.
void times_transposed(std::int64_t n, std::int64_t d, const float* x, const float* matrix,
                      float* out) {
  using kernels::Transposed;
  constexpr std::int64_t small = 8;
  if (d > small)
    return kernels::product(n, d, d, x, d, Transposed::no, matrix, d, Transposed::yes, 0, out, d);
  for (std::int64_t i = 0; i < n; ++i, x += d, out += d)
    for (std::int64_t row = 0; row < d; ++row) {
      float sum = 0;
      for (std::int64_t j = 0; j < d; ++j) sum += matrix[row * d + j] * x[j];
      out[row] = sum;
    }
}

}  // namespace

FrameEntry::FrameEntry(const AffineFrame& frame) : frame_(frame), identity_(is_identity(frame)) {
  frame_.matrix = frame_.matrix.contiguous();
  frame_.from = frame_.from.contiguous();
}

const Tensor& FrameEntry::enter(const Tensor& points) {
  if (identity_) return points;
  const std::int64_t n = points.size(0), d = points.size(1);
  if (!entered_.defined() || entered_.size(0) != n) {
    centred_ = at::empty({n, d}, points.options());
    entered_ = at::empty({n, d}, points.options());
  }
  const float *x = points.const_data_ptr<float>(), *from = frame_.from.const_data_ptr<float>();
  float* centred = centred_.data_ptr<float>();
  const auto scale = static_cast<float>(frame_.scale);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < d; ++j) centred[i * d + j] = (x[i * d + j] - from[j]) / scale;
  times_transposed(n, d, centred, frame_.matrix.const_data_ptr<float>(),
                   entered_.data_ptr<float>());
  return entered_;
}

}  // namespace monge
