#include "networks/song_block.h"

#include "kernels/convolution.h"
#include "kernels/image_passes.h"
#include "networks/recorded.h"

#include <numbers>

namespace monge::networks {
namespace {

using torch::autograd::AutogradContext;

constexpr double half_root = 1 / std::numbers::sqrt2;

struct ConvolutionNode : torch::autograd::Function<ConvolutionNode> {
  enum Input { x, weight, bias, inputs };

  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const Tensor& bias) {
    ctx->save_for_backward({x, weight, bias});
    return kernels::convolve(x, weight, bias);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor g = kernels::channels_last(gradients[0]);
    const std::vector<bool> needed = needed_by(*ctx, inputs);
    if (at::GradMode::is_enabled())
      return recorded_gradients(recorded_convolution(saved[x], saved[weight], saved[bias]), saved,
                                needed, g);
    variable_list result(inputs);
    if (needed[x]) result[x] = kernels::convolve_back(g, saved[weight]);
    if (needed[weight])
      result[weight] = kernels::convolve_weight_back(g, saved[x], saved[weight].size(1));
    if (needed[bias]) result[bias] = kernels::rows_of(g).sum(0);
    return result;
  }
};

/// DDPM's 32 groups, but of at least 4 channels each.
std::int64_t groups_of(std::int64_t channels) {
  std::int64_t groups = std::clamp<std::int64_t>(channels / 4, 1, 32);
  while (channels % groups != 0) --groups;
  return groups;
}

Tensor normalised(const Tensor& x, const Tensor& scale, const Tensor& shift) {
  constexpr double epsilon = 1e-6;
  return at::group_norm(x, groups_of(x.size(1)), scale, shift, epsilon, false);
}

/// [n, c, h, w] channels last as its pixels [n, h w, c].
Tensor pixels_of(const Tensor& x) { return x.permute({0, 2, 3, 1}).flatten(1, 2); }

/// Bilinear resizing is the filter [1, 3, 3, 1] where it doubles and, antialiased, where it halves,
/// which ATen does in float32 and float64.
Tensor resized(const Tensor& x, Side side) {
  if (side == Side::kept) return x;
  if (side == Side::halved)
    return at::_upsample_bilinear2d_aa(x.to(at::promote_types(x.scalar_type(), at::kFloat)),
                                       {x.size(2) / 2, x.size(3) / 2}, false);
  return at::upsample_bilinear2d(x, {2 * x.size(2), 2 * x.size(3)}, false);
}

/// A 1 x 1 convolution.
Tensor mixed(const Tensor& x, const Tensor& weight) {
  return at::linear(x.permute({0, 2, 3, 1}), weight).permute({0, 3, 1, 2});
}

Tensor attended(const Tensor& x, const Attention& attention) {
  const Tensor pixels = pixels_of(normalised(x, attention.scale, attention.shift));
  const auto parts = at::linear(pixels, attention.weight, attention.bias).chunk(3, 2);
  const double scale = 1 / std::sqrt(static_cast<double>(x.size(1)));
  const Tensor shares = (at::bmm(parts[0], parts[1].transpose(1, 2)) * scale).softmax(2);
  const Tensor found =
      at::linear(at::bmm(shares, parts[2]), attention.out_weight, attention.out_bias);
  return (x + found.unflatten(1, {x.size(2), x.size(3)}).permute({0, 3, 1, 2})) * half_root;
}

}  // namespace

Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor images = kernels::channels_last(x);
  return by_own_passes(x) ? ConvolutionNode::apply(images, weight, bias)
                          : recorded_convolution(images, weight, bias);
}

Tensor normalised_silu(const Tensor& x, const Tensor& scale, const Tensor& shift) {
  return at::silu(normalised(x, scale, shift));
}

Tensor song_block(const Tensor& x, const SongBlock& block) {
  const NormalisedSilu &first = block.first, &second = block.second;
  Tensor z = resized(normalised_silu(x, first.scale, first.shift), block.side);
  z = convolution(z, first.weight, first.bias);
  z = convolution(normalised_silu(z, second.scale, second.shift), second.weight, second.bias);
  const Tensor link = resized(x, block.side);
  const Tensor result =
      (z + (block.shortcut.defined() ? mixed(link, block.shortcut) : link)) * half_root;
  return block.attention.weight.defined() ? attended(result, block.attention) : result;
}

}  // namespace monge::networks
