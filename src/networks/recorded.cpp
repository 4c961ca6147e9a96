#include "networks/recorded.h"

#include "kernels/convolution.h"

#include <ATen/autocast_mode.h>

namespace monge::networks {

bool by_own_passes(const Tensor& x) {
  return x.is_cpu() && !at::autocast::is_autocast_enabled(at::kCPU);
}

std::vector<bool> needed_by(const torch::autograd::AutogradContext& ctx, std::size_t count) {
  std::vector<bool> needed;
  needed.reserve(count);
  for (std::size_t i = 0; i < count; ++i) needed.push_back(ctx.needs_input_grad(i));
  return needed;
}

Tensor recorded_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return at::conv2d(x, kernels::as_filters(weight), bias, 1, weight.size(1) / 2);
}

variable_list recorded_gradients(const Tensor& result, const variable_list& inputs,
                                 const std::vector<bool>& needed, const Tensor& g) {
  variable_list wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (needed[i]) wanted.push_back(inputs[i]);
  const variable_list found = torch::autograd::grad({result}, wanted, {g}, std::nullopt,
                                                    /*create_graph=*/true, /*allow_unused=*/true);
  variable_list all(inputs.size());
  for (std::size_t i = 0, next = 0; i < inputs.size(); ++i)
    if (needed[i]) all[i] = found[next++];
  return all;
}

}  // namespace monge::networks
