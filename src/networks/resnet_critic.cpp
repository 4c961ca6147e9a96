#include "monge/networks/resnet_critic.h"

#include "networks/critic.h"
#include "networks/images.h"

namespace monge {

const Declaration<ResNetCriticOptions>& resnet_critic_declaration() {
  static const auto declaration = networks::with_critic(Declaration<ResNetCriticOptions>(
      "network", "resnet_critic",
      "Residual convolutional network from square images to one number, with leaky "
      "ReLU and without normalisation.",
      "WGAN-QC (Liu et al. 2019); NOT (Korotin et al. 2023), section 5"));
  return declaration;
}

ResNetCritic::ResNetCritic(ResNetCriticOptions options, Random& random, at::ScalarType dtype)
    : options_(options),
      critic_(std::make_shared<const networks::Critic>(options_, 0, random, dtype)) {}

std::int64_t ResNetCritic::dimension() const {
  return options_.channels * options_.size * options_.size;
}

Tensor ResNetCritic::value(const Tensor& x, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  return critic_->value(
      networks::as_images(x, options_.channels, options_.size, critic_->device(), "resnet_critic"),
      {});
}

ValueAndGradient ResNetCritic::value_and_gradient(const Tensor& x, Graph graph) const {
  return networks::piecewise_linear_gradient(*this, x, graph);
}

State ResNetCritic::parameters() const { return critic_->parameters(); }

Table ResNetCritic::options() const { return resnet_critic_declaration().write(options_); }

}  // namespace monge
