#pragma once

#include "monge/options.h"
#include "monge/potential.h"
#include "monge/random.h"

#include <cstdint>
#include <memory>

namespace monge {

/// Options of the residual critic; the defaults are the potential of NOT's image experiments. A
/// solver takes channels and size from the measures.
struct ResNetCriticOptions {
  std::int64_t channels = 3;
  std::int64_t size = 64;
  std::int64_t width = 64;
  std::int64_t max_width = 512;
  double residual_ratio = 0.1;
  double slope = 0.2;
};

/// The declaration of the options: name, default, bounds, sentence.
const Declaration<ResNetCriticOptions>& resnet_critic_declaration();

namespace networks {
class Critic;
}

/// A residual network from square images to one number (WGAN-QC, Liu et al. 2019; the potential f
/// of NOT's section 5). With w_k = min(width 2^k, max_width):
///
///   a convolution to w_0 and leaky ReLU; at side s = size, size / 2, ..., 4, for k = 0, 1, ...:
///   the blocks w_k -> w_k and w_k -> w_{k+1}, and between the sides 3 x 3 averages of stride 2;
///   a linear form of what is left.
///   block: leaky(S x + residual_ratio (W₂ * leaky(W₁ * x + b₁) + b₂)), S = 1 or 1 x 1 weights.
///
/// Points are rows [n, c h w] or images [n, c, h, w] in any memory format, computed channels last;
/// a gradient has the shape of its points. All of it can be differentiated any number of times.
/// Parameters that do not require a gradient make the backward pass keep a bit for each activation.
///
/// Parameters: first.weight [w_0, 3, 3, c]; stage.k.BLOCK.first.weight [out, 3, 3, in] and .bias,
/// the same of .second, .shortcut [out, in] where they differ; final.weight [4, 4, w_K], final.bias
/// [1].
class ResNetCritic final : public Potential {
 public:
  /// Throws Error where the size is not 4 times a power of two.
  ResNetCritic(ResNetCriticOptions options, Random& random, at::ScalarType dtype = at::kFloat);

  std::int64_t dimension() const override;
  Tensor value(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  State parameters() const override;

  std::string name() const override { return "resnet_critic"; }
  Table options() const override;
  const ResNetCriticOptions& settings() const { return options_; }

 private:
  ResNetCriticOptions options_;
  std::shared_ptr<const networks::Critic> critic_;
};

}  // namespace monge
