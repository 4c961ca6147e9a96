#include "monge/moments.h"

#include "monge/error.h"

namespace monge {

void MomentSums::add(const Tensor& points) {
  const at::NoGradGuard no_graph;
  if (points.dim() != 2 || points.size(1) < 1 || (count_ > 0 && points.size(1) != origin_.size(0)))
    fail("moments", count_ > 0 ? fmt::format("points [n, {}]", origin_.size(0)) : "points [n, d]",
         shape_text(points));
  if (points.size(0) == 0) return;
  const Tensor block = points.to(at::kDouble);
  if (count_ == 0) {
    origin_ = block.mean(0);
    sum_ = at::zeros_like(origin_);
    products_ = at::zeros({block.size(1), block.size(1)}, block.options());
  }
  const Tensor centred = block - origin_;
  sum_ += centred.sum(0);
  products_.addmm_(centred.t(), centred);
  count_ += block.size(0);
}

Moments MomentSums::moments() const {
  if (count_ == 0) fail("moments", "at least one point", "none");
  const auto n = static_cast<double>(count_);
  const Tensor shift = sum_ / n;
  const Tensor covariance = (products_ - n * at::outer(shift, shift)) / std::max(n - 1, 1.0);
  if (!covariance.isfinite().all().item<bool>())
    fail("moments", "finite points", "values that are not finite");
  return {origin_ + shift, covariance};
}

}  // namespace monge
