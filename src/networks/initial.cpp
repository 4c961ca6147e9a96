#include "networks/initial.h"

namespace monge::networks {

Tensor uniform_start(at::IntArrayRef shape, std::int64_t inputs, Random& random) {
  return random.uniform(shape).mul_(2).sub_(1).div_(std::sqrt(static_cast<double>(inputs)));
}

Tensor trainable(const Tensor& tensor, at::ScalarType dtype) {
  return tensor.to(dtype).contiguous().set_requires_grad(true);
}

}  // namespace monge::networks
