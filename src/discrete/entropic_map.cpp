#include "monge/discrete.h"
#include "monge/error.h"

#include "discrete/problem.h"

namespace monge {

EntropicMap::EntropicMap(const Tensor& points, const Tensor& potential, double epsilon,
                         const Tensor& weights)
    : epsilon_(epsilon) {
  if (points.dim() != 2 || points.size(0) < 1 || potential.dim() != 1 ||
      potential.size(0) != points.size(0))
    fail("entropic map", "points [m, d] and a potential [m]",
         fmt::format("{} and {}", shape_text(points), shape_text(potential)));
  if (!(epsilon > 0)) fail("entropic map", "a positive epsilon", fmt::format("{}", epsilon));
  points_ = points.to(at::kCPU, at::kDouble);
  const Tensor b = checked_weights("entropic map", "target", weights, points.size(0));
  exponents_ = potential.to(at::kCPU, at::kDouble) / epsilon + b.log();
}

Tensor EntropicMap::transport(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != dimension())
    fail("entropic map", fmt::format("points [n, {}]", dimension()), shape_text(x));
  const at::NoGradGuard no_graph;
  const std::int64_t block = std::max<std::int64_t>((std::int64_t{1} << 20) / points_.size(0), 1);
  Tensor mapped = at::empty_like(x);
  for (std::int64_t from = 0; from < x.size(0); from += block) {
    const std::int64_t count = std::min(block, x.size(0) - from);
    const Tensor part = x.narrow(0, from, count).to(at::kCPU, at::kDouble);
    const Tensor logits = exponents_ - QuadraticCost().matrix(part, points_) / epsilon_;
    mapped.narrow(0, from, count).copy_(logits.softmax(1).mm(points_));
  }
  return mapped;
}

}  // namespace monge
