#include "networks/double_convolution.h"

#include "kernels/convolution.h"
#include "kernels/image_passes.h"
#include "networks/recorded.h"

namespace monge::networks {
namespace {

using kernels::Normalisation;
using torch::autograd::AutogradContext;

constexpr double epsilon = 1e-5, momentum = 0.1;

/// The trained tensors of both halves, in the order of the node's inputs.
enum Half { weight, bias, scale, shift, per_half };

/// The running moments are those of the convolution with its bias, the variance over N - 1.
void update_running(const NormalisedConvolution& half, const kernels::Moments& moments,
                    std::int64_t rows) {
  const at::NoGradGuard no_graph;
  const double unbiased =
      static_cast<double>(rows) / static_cast<double>(std::max<std::int64_t>(rows - 1, 1));
  Tensor mean = half.running_mean, variance = half.running_variance;
  mean.mul_(1 - momentum).add_(moments.mean + half.bias, momentum);
  variance.mul_(1 - momentum).add_(moments.variance, momentum * unbiased);
}

/// A half normalised by its own moments. Its bias moves nothing but the running mean.
struct HalfPass {
  Tensor y;
  Normalisation norm;
};
HalfPass run_half(const Tensor& x, const NormalisedConvolution& half) {
  HalfPass pass{kernels::convolve(x, half.weight, {}), {}};
  const kernels::Moments moments = kernels::moments_of(pass.y);
  update_running(half, moments, pass.y.numel() / pass.y.size(1));
  pass.norm =
      kernels::normalisation(moments.mean, moments.variance, half.scale, half.shift, epsilon);
  return pass;
}

/// The unit in ATen's operators, normalised by the batch's moments in training, which move the
/// running ones where those are defined, else by the running ones.
Tensor plain_unit(const Tensor& x, const DoubleConvolution& unit, bool training) {
  Tensor z = x;
  for (const NormalisedConvolution& half : unit)
    z = at::batch_norm(recorded_convolution(z, half.weight, half.bias), half.scale, half.shift,
                       half.running_mean, half.running_variance, training, momentum, epsilon,
                       /*cudnn_enabled=*/true)
            .relu();
  return z;
}

struct UnitNode : torch::autograd::Function<UnitNode> {
  static constexpr std::size_t inputs = 1 + 2 * per_half;
  enum Kept { first_y, second_y, first_norm, second_norm = first_norm + 4, kept = second_norm + 4 };

  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w1, const Tensor& b1,
                        const Tensor& scale1, const Tensor& shift1, const Tensor& w2,
                        const Tensor& b2, const Tensor& scale2, const Tensor& shift2,
                        const Tensor& mean1, const Tensor& variance1, const Tensor& mean2,
                        const Tensor& variance2) {
    const HalfPass first = run_half(x, {w1, b1, scale1, shift1, mean1, variance1});
    const HalfPass second = run_half(kernels::normalised_relu(first.y, first.norm),
                                     {w2, b2, scale2, shift2, mean2, variance2});
    variable_list saved{x, w1, b1, scale1, shift1, w2, b2, scale2, shift2, first.y, second.y};
    for (const Normalisation* norm : {&first.norm, &second.norm})
      for (const Tensor* part : {&norm->mean, &norm->inverse_deviation, &norm->a, &norm->c})
        saved.push_back(*part);
    ctx->save_for_backward(std::move(saved));
    return kernels::normalised_relu(second.y, second.norm);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const std::vector<bool> needed = needed_by(*ctx, inputs);
    const Tensor g = kernels::channels_last(gradients[0]);
    variable_list result =
        at::GradMode::is_enabled() ? recorded(saved, needed, g) : plain(saved, needed, g);
    result.resize(inputs + 4);
    return result;
  }

  static Normalisation norm_of(const variable_list& saved, std::size_t at) {
    return {saved[inputs + at], saved[inputs + at + 1], saved[inputs + at + 2],
            saved[inputs + at + 3]};
  }

  static variable_list plain(const variable_list& saved, const std::vector<bool>& needed,
                             const Tensor& g) {
    using namespace kernels;
    const Normalisation first = norm_of(saved, first_norm), second = norm_of(saved, second_norm);
    const Tensor &x = saved[0], &y = saved[inputs + first_y];
    variable_list result(inputs);
    const auto put = [&](std::size_t half, const NormalisedBack& back, const Tensor& input) {
      const std::size_t at = 1 + half * per_half;
      result[at + scale] = back.scale;
      result[at + shift] = back.shift;
      if (needed[at + bias]) result[at + bias] = at::zeros_like(back.shift);
      if (needed[at + weight]) result[at + weight] = convolve_weight_back(back.y, input, 3);
    };
    NormalisedBack back = normalised_relu_back(g, saved[inputs + second_y], second, Reuse::none);
    put(1, back, normalised_relu(y, first));
    const Tensor inner = convolve_back(back.y, saved[1 + per_half + weight]);
    back = {};
    back = normalised_relu_back(inner, y, first, Reuse::in_place);
    put(0, back, x);
    if (needed[0]) result[0] = convolve_back(back.y, saved[1 + weight]);
    return result;
  }

  static variable_list recorded(variable_list saved, const std::vector<bool>& needed,
                                const Tensor& g) {
    DoubleConvolution unit;
    for (std::size_t half = 0; half < 2; ++half) {
      const std::size_t at = 1 + half * per_half;
      unit[half] = {
          saved[at + weight], saved[at + bias], saved[at + scale], saved[at + shift], {}, {}};
    }
    const Tensor z = plain_unit(saved[0], unit, /*training=*/true);
    saved.resize(inputs);
    return recorded_gradients(z, saved, needed, g);
  }
};

}  // namespace

Tensor double_convolution(const Tensor& x, const DoubleConvolution& unit) {
  if (!by_own_passes(x)) return plain_unit(x, unit, /*training=*/true);
  const auto& [first, second] = unit;
  return UnitNode::apply(x, first.weight, first.bias, first.scale, first.shift, second.weight,
                         second.bias, second.scale, second.shift, first.running_mean,
                         first.running_variance, second.running_mean, second.running_variance);
}

Tensor double_convolution_running(const Tensor& x, const DoubleConvolution& unit) {
  const at::NoGradGuard no_graph;
  if (!by_own_passes(x)) return plain_unit(x, unit, /*training=*/false);
  Tensor z = x;
  for (const NormalisedConvolution& half : unit) {
    z = kernels::convolve(z, half.weight, {});
    kernels::normalised_relu_(
        z, kernels::normalisation(half.running_mean - half.bias, half.running_variance, half.scale,
                                  half.shift, epsilon));
  }
  return z;
}

Tensor double_convolution_recorded(const Tensor& x, const DoubleConvolution& unit) {
  return plain_unit(x, unit, /*training=*/false);
}

}  // namespace monge::networks
