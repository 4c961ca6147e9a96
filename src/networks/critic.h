#pragma once

#include "monge/networks/resnet_critic.h"

#include "networks/residual_block.h"

#include <vector>

namespace monge::networks {

/// The weights of ResNetCritic, which may be conditioned on an embedding e [n, condition]: V e is
/// then added to what the first convolution of every block gives, V of the block.
class Critic {
 public:
  /// `condition` numbers of an embedding, or 0: none. Throws Error where the size is not 4 times a
  /// power of two.
  Critic(const ResNetCriticOptions& options, std::int64_t condition, Random& random,
         at::ScalarType dtype);

  /// f(x_i, e_i) for images [n, c, h, w] channels last, [n]; its last layer computes in the
  /// parameters' dtype in mixed precision too, since values are summed and compared. Throws Error
  /// on another size.
  Tensor value(const Tensor& images, const Tensor& embedding) const;
  at::Device device() const { return first_weight_.device(); }
  /// Those of ResNetCritic and stage.k.BLOCK.condition [hidden, condition].
  State parameters() const;

 private:
  ResNetCriticOptions options_;
  Tensor first_weight_, first_bias_, final_weight_, final_bias_;
  std::vector<ResidualBlock> blocks_;  // two for each side of the images
  std::vector<Tensor> conditions_;     // one for each block, or none
};

/// Value and gradient of `potential` at images or rows by autograd. The value is piecewise linear
/// in x: with Graph::create the second derivative is 0 rather than missing.
ValueAndGradient piecewise_linear_gradient(const Potential& potential, const Tensor& x,
                                           Graph graph);

/// Declares the critic's options among those of a network that has one.
template <class Options>
Declaration<Options> with_critic(Declaration<Options> declaration) {
  return declaration
      .template option<std::int64_t>("channels", &Options::channels,
                                     "Channels of an image; a solver takes those of the measures.",
                                     between(1, 1024))
      .template option<std::int64_t>(
          "size", &Options::size,
          "Side of an image in pixels, 4 times a power of two; a solver takes that of the "
          "measures, 16 at least.",
          between(8, 1024))
      .template option<std::int64_t>("width", &Options::width,
                                     "Channels of the first layer; every halving doubles them.",
                                     between(1, 4096))
      .template option<std::int64_t>("max_width", &Options::max_width,
                                     "Largest number of channels.", between(1, 4096))
      .template option<double>("residual_ratio", &Options::residual_ratio,
                               "What a block's convolutions are multiplied by.", above(0))
      .template option<double>("slope", &Options::slope, "Slope of the leaky ReLU below 0.",
                               between(0, 1));
}

}  // namespace monge::networks
