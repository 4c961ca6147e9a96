#include "monge/cost.h"

#include "monge/error.h"

namespace monge {

Tensor QuadraticCost::between(const Tensor& x, const Tensor& y) const {
  return 0.5 * (x - y).square().sum(1);
}

Tensor QuadraticCost::matrix(const Tensor& x, const Tensor& y) const {
  // Centred first, so that the cancellation in |x|² - 2 <x, y> + |y|² does not grow with an offset.
  const Tensor centre = 0.5 * (x.mean(0) + y.mean(0));
  const Tensor from = x - centre, to = y - centre;
  const Tensor squares = 0.5 * (from.square().sum(1).unsqueeze(1) + to.square().sum(1));
  return at::addmm(squares, from, to.t(), 1, -1).clamp_min(0);
}

const Declaration<WeakQuadraticOptions>& weak_quadratic_declaration() {
  using O = WeakQuadraticOptions;
  static const auto declaration =
      Declaration<O>("cost", "weak_quadratic",
                     "C(x, mu) = ½ E |x - Y|² - ½ gamma Var(mu): for plans that send a point to "
                     "many; gamma > 0 rewards variety.",
                     "Neural Optimal Transport (Korotin et al. 2023), eq. 5")
          .option("gamma", &O::gamma, "The weight of the variance.", between(0, 1));
  return declaration;
}

Tensor WeakQuadraticCost::estimate(const Tensor& x, const Tensor& y) const {
  if (x.dim() != 2 || y.dim() != 3 || y.size(0) != x.size(0) || y.size(2) != x.size(1))
    fail("weak quadratic cost", "points [n, d] and samples [n, k, d]",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  if (gamma_ > 0 && y.size(1) < 2)
    fail("weak quadratic cost", "at least 2 samples of each point where gamma > 0", "1");
  Tensor cost = 0.5 * (y - x.unsqueeze(1)).square().sum(2).mean(1);
  if (gamma_ > 0) cost = cost - 0.5 * gamma_ * y.var(1, /*unbiased=*/true).sum(1);
  return cost;
}

}  // namespace monge
