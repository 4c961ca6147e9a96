#include "networks/residual_block.h"

#include "kernels/convolution.h"
#include "kernels/image_passes.h"
#include "networks/recorded.h"

namespace monge::networks {
namespace {

using kernels::Signs;
using torch::autograd::AutogradContext;

/// A stand-in for an input that was not kept: the derivative of what is linear in it is the same.
Tensor any_input(const Tensor& g, std::int64_t channels) {
  return at::zeros({g.size(0), channels, g.size(2), g.size(3)},
                   g.options().memory_format(at::MemoryFormat::ChannelsLast))
      .set_requires_grad(true);
}

/// A node's inputs are all defined: an empty tensor stands for no shortcut and for no shift.
bool is_given(const Tensor& input) { return input.numel() > 0; }
Tensor given_or_empty(const Tensor& input, const Tensor& like) {
  return input.defined() ? input : at::empty({0}, like.options());
}

/// [n, c] as [n, c, 1, 1].
Tensor for_pixels(const Tensor& shift) { return shift.unsqueeze(2).unsqueeze(3); }

bool any_trains(std::initializer_list<Tensor> parameters) {
  return std::ranges::any_of(parameters, [](const Tensor& p) { return p.requires_grad(); });
}

struct BlockNode : torch::autograd::Function<BlockNode> {
  enum Input { x, first_weight, first_bias, second_weight, second_bias, shortcut, shift, inputs };

  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& first_weight,
                        const Tensor& first_bias, const Tensor& second_weight,
                        const Tensor& second_bias, const Tensor& shortcut, const Tensor& shift,
                        double ratio, double slope) {
    Tensor hidden = kernels::convolve(x, first_weight, first_bias);
    if (is_given(shift)) hidden.add_(for_pixels(shift));
    kernels::leaky_(hidden, slope);
    Tensor out = kernels::convolve(hidden, second_weight, second_bias);
    if (is_given(shortcut)) {
      kernels::rows_of(out).addmm_(kernels::rows_of(x), shortcut.t(), ratio, 1);
      kernels::leaky_(out, slope);
    } else {
      kernels::residual_leaky_(out, x, ratio, slope);
    }
    const bool training =
        any_trains({first_weight, first_bias, second_weight, second_bias, shortcut});
    const auto kept = [&](const Tensor& activation) {
      return training ? activation : Signs::packed(activation).stored();
    };
    ctx->save_for_backward({training ? x : Tensor(), first_weight, first_bias, second_weight,
                            second_bias, shortcut, shift, kept(hidden), kept(out)});
    ctx->saved_data["ratio"] = ratio;
    ctx->saved_data["slope"] = slope;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const double ratio = ctx->saved_data["ratio"].toDouble();
    const double slope = ctx->saved_data["slope"].toDouble();
    const Tensor g = kernels::channels_last(gradients[0]);
    const std::vector<bool> needed = needed_by(*ctx, inputs);
    variable_list result = at::GradMode::is_enabled() ? recorded(saved, needed, g, ratio, slope)
                                                      : plain(saved, needed, g, ratio, slope);
    result.resize(inputs + 2);
    return result;
  }

  static variable_list plain(const variable_list& saved, const std::vector<bool>& needed,
                             const Tensor& g, double ratio, double slope) {
    using namespace kernels;
    const Tensor &hidden = saved[inputs], &link = saved[shortcut];
    variable_list result(inputs);
    const Tensor outer = Signs(saved[inputs + 1]).back(g, 1.0, slope);
    if (needed[second_weight])
      result[second_weight] = convolve_weight_back(outer, hidden, 3).mul_(ratio);
    if (needed[second_bias]) result[second_bias] = rows_of(outer).sum(0).mul_(ratio);
    Tensor inner = convolve_back(outer, saved[second_weight]);
    Signs(hidden).back_(inner, ratio, slope);
    if (needed[first_weight]) result[first_weight] = convolve_weight_back(inner, saved[x], 3);
    if (needed[first_bias]) result[first_bias] = rows_of(inner).sum(0);
    if (needed[shift]) result[shift] = inner.sum({2, 3});
    if (needed[shortcut]) result[shortcut] = rows_of(outer).t().mm(rows_of(saved[x]));
    if (!needed[x]) return result;
    result[x] = convolve_back(inner, saved[first_weight]);
    if (is_given(link))
      rows_of(result[x]).addmm_(rows_of(outer), link);
    else
      result[x].add_(outer);
    return result;
  }

  /// The block is linear in its input where no activation changes sign, so with the leaky ReLUs as
  /// constant factors ATen's own derivatives of it are right to every order.
  static variable_list recorded(variable_list saved, const std::vector<bool>& needed,
                                const Tensor& g, double ratio, double slope) {
    if (!saved[x].defined()) saved[x] = any_input(g.detach(), saved[first_weight].size(3));
    Tensor hidden = recorded_convolution(saved[x], saved[first_weight], saved[first_bias]);
    if (is_given(saved[shift])) hidden = hidden + for_pixels(saved[shift]);
    hidden = hidden * Signs(saved[inputs].detach()).factors(hidden, slope);
    Tensor out = ratio * recorded_convolution(hidden, saved[second_weight], saved[second_bias]);
    const Tensor& link = saved[shortcut];
    out = out + (is_given(link) ? recorded_convolution(saved[x], link.unsqueeze(1).unsqueeze(1), {})
                                : saved[x]);
    out = out * Signs(saved[inputs + 1].detach()).factors(out, slope);
    saved.resize(inputs);
    return recorded_gradients(out, saved, needed, g);
  }
};

struct FirstNode : torch::autograd::Function<FirstNode> {
  enum Input { x, weight, bias, inputs };

  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, double slope) {
    Tensor out = kernels::convolve(x, weight, bias);
    kernels::leaky_(out, slope);
    const bool training = any_trains({weight, bias});
    ctx->save_for_backward(
        {training ? x : Tensor(), weight, bias, training ? out : Signs::packed(out).stored()});
    ctx->saved_data["slope"] = slope;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    variable_list saved = ctx->get_saved_variables();
    const double slope = ctx->saved_data["slope"].toDouble();
    const Tensor g = kernels::channels_last(gradients[0]);
    const std::vector<bool> needed = needed_by(*ctx, inputs);
    variable_list result(inputs);
    if (at::GradMode::is_enabled()) {
      if (!saved[x].defined()) saved[x] = any_input(g.detach(), saved[weight].size(3));
      Tensor out = recorded_convolution(saved[x], saved[weight], saved[bias]);
      out = out * Signs(saved[inputs].detach()).factors(out, slope);
      saved.resize(inputs);
      result = recorded_gradients(out, saved, needed, g);
    } else {
      const Tensor outer = Signs(saved[inputs]).back(g, 1.0, slope);
      if (needed[weight]) result[weight] = kernels::convolve_weight_back(outer, saved[x], 3);
      if (needed[bias]) result[bias] = kernels::rows_of(outer).sum(0);
      if (needed[x]) result[x] = kernels::convolve_back(outer, saved[weight]);
    }
    result.resize(inputs + 1);
    return result;
  }
};

/// The block in ATen's operators.
Tensor plain_block(const Tensor& x, const ResidualBlock& block, const Tensor& shift) {
  Tensor hidden = recorded_convolution(x, block.first_weight, block.first_bias);
  if (shift.defined()) hidden = hidden + for_pixels(shift);
  hidden = at::leaky_relu(hidden, block.slope);
  const Tensor link = block.shortcut.defined()
                          ? recorded_convolution(x, block.shortcut.unsqueeze(1).unsqueeze(1), {})
                          : x;
  return at::leaky_relu(
      link + block.ratio * recorded_convolution(hidden, block.second_weight, block.second_bias),
      block.slope);
}

}  // namespace

Tensor residual_block(const Tensor& x, const ResidualBlock& block, const Tensor& shift) {
  if (!by_own_passes(x)) return plain_block(x, block, shift);
  return BlockNode::apply(x, block.first_weight, block.first_bias, block.second_weight,
                          block.second_bias, given_or_empty(block.shortcut, x),
                          given_or_empty(shift, x), block.ratio, block.slope);
}

Tensor convolve_leaky(const Tensor& x, const Tensor& weight, const Tensor& bias, double slope) {
  if (!by_own_passes(x)) return at::leaky_relu(recorded_convolution(x, weight, bias), slope);
  return FirstNode::apply(x, weight, bias, slope);
}

}  // namespace monge::networks
