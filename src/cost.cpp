#include "monge/cost.h"

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

}  // namespace monge
