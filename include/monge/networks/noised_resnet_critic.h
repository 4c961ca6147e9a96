#pragma once

#include "monge/networks/resnet_critic.h"
#include "monge/noise_levels.h"

namespace monge {

/// Options of a residual critic conditioned on the noise level, and of the levels.
struct NoisedResNetCriticOptions : ResNetCriticOptions, NoiseLevelOptions {};

const Declaration<NoisedResNetCriticOptions>& noised_resnet_critic_declaration();

/// A potential f(x, sigma) of images conditioned on the noise level, as in noised strong NOT: s²
/// times a ResNetCritic of the image at unit variance (NoiseLevels), to whose blocks the level is
/// told (the affine layers of Song et al. 2021): with e the embedding of sigma,
///
///   g = SiLU(B SiLU(A e + a) + b);     a block's hidden activations are leaky(W₁ * x + b₁ + V g).
///
/// As a Potential of x alone it is that of the lowest level. Points are rows or images as those of
/// ResNetCritic, with its promises on derivatives, frozen parameters and memory.
///
/// Parameters: those of ResNetCritic, stage.k.BLOCK.condition [hidden, 4 e], embedding.first.weight
/// [4 e, e] and .bias, embedding.second.weight [4 e, 4 e] and .bias, e = embedding.
class NoisedResNetCritic final : public Potential {
 public:
  /// Throws Error where the size is not 4 times a power of two or the levels do not fit.
  NoisedResNetCritic(const NoisedResNetCriticOptions& options, Random& random,
                     at::ScalarType dtype = at::kFloat);

  std::int64_t dimension() const override { return levels_.dimension(); }
  Tensor value(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  /// f(x_i, sigma_i) for sigma [n], [n]; x has its noise.
  Tensor value(const Tensor& x, const Tensor& sigma, Graph graph) const;
  /// weight(sigma_i) f(x_i + u sigma_i n_i, sigma_i) for a draw of NoiseLevels [n, d + 1], [n].
  Tensor noised_value(const Tensor& x, const Tensor& drawn, Graph graph) const;
  State parameters() const override;

  std::string name() const override { return "noised_resnet_critic"; }
  Table options() const override { return noised_resnet_critic_declaration().write(options_); }
  const NoisedResNetCriticOptions& settings() const { return options_; }
  const NoiseLevels& levels() const { return levels_; }

 private:
  Tensor unscaled(const Tensor& rows, const Tensor& sigma) const;
  Tensor embedded(const Tensor& sigma) const;

  NoisedResNetCriticOptions options_;
  NoiseLevels levels_;
  std::shared_ptr<const networks::Critic> critic_;
  Tensor first_weight_, first_bias_, second_weight_, second_bias_;  // of the embedding
};

}  // namespace monge
