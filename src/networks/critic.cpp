#include "networks/critic.h"

#include "monge/error.h"

#include "networks/initial.h"

#include <bit>

namespace monge::networks {
namespace {

constexpr std::int64_t last_size = 4;

/// He et al. 2015 by the number of outputs, as NOT's critic starts.
Tensor normal_start(at::IntArrayRef shape, std::int64_t k, Random& random) {
  return random.normal(shape).mul_(std::sqrt(2.0 / static_cast<double>(shape[0] * k * k)));
}

ResidualBlock make_block(std::int64_t in, std::int64_t out, const ResNetCriticOptions& options,
                         Random& random, at::ScalarType dtype) {
  const std::int64_t hidden = std::min(in, out);
  const auto start = [&](const Tensor& tensor) { return trainable(tensor, dtype); };
  ResidualBlock block{.ratio = options.residual_ratio, .slope = options.slope};
  block.first_weight = start(normal_start({hidden, 3, 3, in}, 3, random));
  block.first_bias = start(uniform_start({hidden}, 9 * in, random));
  block.second_weight = start(normal_start({out, 3, 3, hidden}, 3, random));
  block.second_bias = start(uniform_start({out}, 9 * hidden, random));
  if (in != out) block.shortcut = start(normal_start({out, in}, 1, random));
  return block;
}

void require_size(std::int64_t size) {
  if (size % last_size != 0 || !std::has_single_bit(static_cast<std::uint64_t>(size / last_size)))
    fail("resnet_critic.size", "4 times a power of two, as 32, 64 or 128", std::to_string(size));
}

/// Means over 3 x 3 pixels, the padding's zeros included, at every other one. On CUDA the padding
/// is put on by itself: PyTorch's derivative of a padded mean is wrong there, channels last
/// (github.com/pytorch/pytorch/issues/188344).
Tensor halved(const Tensor& images) {
  if (images.is_cpu()) return at::avg_pool2d(images, 3, 2, 1);
  return at::avg_pool2d(at::constant_pad_nd(images, {1, 1, 1, 1}), 3, 2);
}

}  // namespace

Critic::Critic(const ResNetCriticOptions& options, std::int64_t condition, Random& random,
               at::ScalarType dtype)
    : options_(options) {
  require_size(options_.size);
  const auto width = [&](std::int64_t k) {
    return std::min(options_.width << k, options_.max_width);
  };
  const std::int64_t channels = options_.channels;
  first_weight_ = trainable(normal_start({width(0), 3, 3, channels}, 3, random), dtype);
  first_bias_ = trainable(uniform_start({width(0)}, 9 * channels, random), dtype);
  std::int64_t k = 0;
  for (std::int64_t side = options_.size; side >= last_size; side /= 2, ++k) {
    blocks_.push_back(make_block(width(k), width(k), options_, random, dtype));
    blocks_.push_back(make_block(width(k), width(k + 1), options_, random, dtype));
  }
  const std::int64_t left = last_size * last_size * width(k);
  final_weight_ = trainable(uniform_start({last_size, last_size, width(k)}, left, random), dtype);
  final_bias_ = trainable(uniform_start({1}, left, random), dtype);
  if (condition == 0) return;
  for (const ResidualBlock& block : blocks_)
    conditions_.push_back(trainable(
        uniform_start({block.first_weight.size(0), condition}, condition, random), dtype));
}

Tensor Critic::value(const Tensor& images, const Tensor& embedding) const {
  if (images.size(2) != options_.size || images.size(3) != options_.size)
    fail("resnet_critic", fmt::format("images of {0} x {0} pixels", options_.size),
         shape_text(images));
  Tensor z = convolve_leaky(images, first_weight_, first_bias_, options_.slope);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (i > 0 && i % 2 == 0) z = halved(z);
    z = residual_block(z, blocks_[i],
                       conditions_.empty() ? Tensor() : at::mm(embedding, conditions_[i].t()));
  }
  const c10::impl::ExcludeDispatchKeyGuard full_precision(c10::autocast_dispatch_keyset);
  const Tensor features = z.permute({0, 2, 3, 1}).flatten(1).to(final_weight_.scalar_type());
  return at::addmv(final_bias_, features, final_weight_.flatten());
}

State Critic::parameters() const {
  State state{{"first.weight", first_weight_},
              {"first.bias", first_bias_},
              {"final.weight", final_weight_},
              {"final.bias", final_bias_}};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string prefix = fmt::format("stage.{}.{}.", i / 2, i % 2);
    const ResidualBlock& block = blocks_[i];
    state[prefix + "first.weight"] = block.first_weight;
    state[prefix + "first.bias"] = block.first_bias;
    state[prefix + "second.weight"] = block.second_weight;
    state[prefix + "second.bias"] = block.second_bias;
    if (block.shortcut.defined()) state[prefix + "shortcut"] = block.shortcut;
    if (!conditions_.empty()) state[prefix + "condition"] = conditions_[i];
  }
  return state;
}

ValueAndGradient piecewise_linear_gradient(const Potential& potential, const Tensor& x,
                                           Graph graph) {
  const at::AutoGradMode mode(true);
  const bool create = graph == Graph::create;
  const Tensor at = create && x.requires_grad() ? x : x.detach().set_requires_grad(true);
  const Tensor value = potential.value(at, Graph::create);
  const Tensor gradient =
      torch::autograd::grad({value.sum()}, {at}, {}, std::nullopt, create).front();
  if (create) return {value, gradient + 0 * at};
  return {value.detach(), gradient.detach()};
}

}  // namespace monge::networks
