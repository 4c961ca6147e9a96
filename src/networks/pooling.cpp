#include "networks/pooling.h"

#include "kernels/image_passes.h"
#include "networks/recorded.h"

namespace monge::networks {
namespace {

using torch::autograd::AutogradContext;

/// Spreads g by recorded operators, which are linear in it.
Tensor recorded_back(const Tensor& g, const Tensor& which) {
  std::vector<Tensor> rows;
  for (const int row : {0, 1}) {
    std::vector<Tensor> corners;
    for (const int column : {0, 1}) corners.push_back(g * (which == 2 * row + column));
    rows.push_back(at::stack(corners, 4).flatten(3));
  }
  return at::stack(rows, 3).flatten(2, 3);
}

struct PoolNode : torch::autograd::Function<PoolNode> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    const auto [out, which] = kernels::max_pool(x);
    ctx->save_for_backward({which});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor which = ctx->get_saved_variables().front();
    if (at::GradMode::is_enabled()) return {recorded_back(gradients[0], which)};
    return {kernels::max_pool_back(kernels::channels_last(gradients[0]), which)};
  }
};

}  // namespace

Tensor max_pool(const Tensor& x) {
  return by_own_passes(x) ? PoolNode::apply(x) : at::max_pool2d(x, 2);
}

}  // namespace monge::networks
