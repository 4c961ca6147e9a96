#include "discrete/anderson.h"

namespace monge {

void Anderson::forget() {
  count_ = 0;
  last_residual_.reset();
}

Tensor Anderson::next(const Tensor& point, const Tensor& image) {
  const Tensor residual = image - point;
  if (!last_residual_.defined()) {
    residual_steps_ = at::empty({depth_, image.size(0)}, at::kDouble);
    image_steps_ = at::empty_like(residual_steps_);
  } else {
    residual_steps_[count_ % depth_] = residual - last_residual_;
    image_steps_[count_ % depth_] = image - last_image_;
    ++count_;
  }
  last_residual_ = residual, last_image_ = image;
  if (count_ == 0) return image;
  const Tensor steps = residual_steps_.narrow(0, 0, std::min(count_, depth_));
  // Sums of products rather than BLAS, which would wake all threads for a few thousand numbers.
  Tensor gram = (steps.unsqueeze(1) * steps).sum(2);
  // Nearly parallel steps would give wild coefficients.
  gram.diagonal().mul_(1 + 1e-10).add_(1e-14 * gram.trace() + std::numeric_limits<double>::min());
  const Tensor coefficients = std::get<0>(at::linalg_solve_ex(gram, (steps * residual).sum(1)));
  return image - (image_steps_.narrow(0, 0, steps.size(0)) * coefficients.unsqueeze(1)).sum(0);
}

}  // namespace monge
