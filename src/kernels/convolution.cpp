#include "kernels/convolution.h"

#include "kernels/image_passes.h"
#include "kernels/winograd.h"

namespace monge::kernels {
namespace {

constexpr std::array<std::int64_t, 2> ones{1, 1}, zeros{0, 0};

std::array<Tensor, 3> derivatives(const Tensor& g, const Tensor& x, const Tensor& filters,
                                  std::array<bool, 3> wanted) {
  const std::int64_t padding = filters.size(2) / 2;
  auto [in_x, in_filters, in_bias] = at::convolution_backward(
      g, x, filters, std::nullopt, ones, {padding, padding}, ones, false, zeros, 1, wanted);
  return {in_x, in_filters, in_bias};
}

}  // namespace

Tensor as_filters(const Tensor& weight) { return weight.permute({0, 3, 1, 2}); }

Tensor direct_convolve(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const std::int64_t padding = weight.size(1) / 2;
  return channels_last(at::convolution(x, as_filters(weight), bias, ones, {padding, padding}, ones,
                                       false, zeros, 1));
}

Tensor direct_convolve_back(const Tensor& g, const Tensor& weight) {
  const Tensor shape = at::empty({g.size(0), weight.size(3), g.size(2), g.size(3)}, g.options(),
                                 at::MemoryFormat::ChannelsLast);  // never read: only its sizes
  return channels_last(derivatives(g, shape, as_filters(weight), {true, false, false})[0]);
}

Tensor direct_convolve_weight_back(const Tensor& g, const Tensor& x, std::int64_t k) {
  const Tensor shape = at::empty({g.size(1), k, k, x.size(1)}, g.options());
  return derivatives(g, x, as_filters(shape), {false, true, false})[1]
      .permute({0, 2, 3, 1})
      .contiguous();
}

Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const bool winograds = weight.size(1) == 3 && winograd_pays(x, x.size(1), weight.size(0));
  return winograds ? winograd(x, weight, bias) : direct_convolve(x, weight, bias);
}

Tensor convolve_back(const Tensor& g, const Tensor& weight) {
  const bool winograds = weight.size(1) == 3 && winograd_pays(g, g.size(1), weight.size(3));
  return winograds ? winograd_back(g, weight) : direct_convolve_back(g, weight);
}

Tensor convolve_weight_back(const Tensor& g, const Tensor& x, std::int64_t k) {
  const bool winograds = k == 3 && winograd_pays_for_weight(x, x.size(1), g.size(1));
  return winograds ? winograd_weight_back(g, x) : direct_convolve_weight_back(g, x, k);
}

}  // namespace monge::kernels
