#include "monge/networks/noised_resnet_critic.h"

#include "networks/critic.h"
#include "networks/images.h"
#include "networks/initial.h"

namespace monge {
namespace {

constexpr std::int64_t widening = 4;  // of the embedding, as in Ho et al. 2020 and Song et al. 2021

std::int64_t numbers_of(const ResNetCriticOptions& images) {
  return images.channels * images.size * images.size;
}

}  // namespace

const Declaration<NoisedResNetCriticOptions>& noised_resnet_critic_declaration() {
  static const auto declaration =
      with_noise_levels(networks::with_critic(Declaration<NoisedResNetCriticOptions>(
          "network", "noised_resnet_critic",
          "The residual critic of images with noise that is told the noise level, for the "
          "potential of saddle_point: noised strong NOT of images.",
          "Sudakov (a reproduction of NOT), algorithm 5; Karras et al. 2022 (EDM), table 1")));
  return declaration;
}

NoisedResNetCritic::NoisedResNetCritic(const NoisedResNetCriticOptions& options, Random& random,
                                       at::ScalarType dtype)
    : options_(options),
      levels_(numbers_of(options_), options_),
      critic_(std::make_shared<const networks::Critic>(options_, widening * options_.embedding,
                                                       random, dtype)) {
  const std::int64_t in = options_.embedding, out = widening * in;
  const auto start = [&](at::IntArrayRef shape, std::int64_t inputs) {
    return networks::trainable(networks::uniform_start(shape, inputs, random), dtype);
  };
  first_weight_ = start({out, in}, in);
  first_bias_ = start({out}, in);
  second_weight_ = start({out, out}, out);
  second_bias_ = start({out}, out);
}

Tensor NoisedResNetCritic::embedded(const Tensor& sigma) const {
  const Tensor numbers = levels_.embed(sigma.to(first_weight_.scalar_type()));
  const Tensor hidden = at::silu(at::addmm(first_bias_, numbers, first_weight_.t()));
  return at::silu(at::addmm(second_bias_, hidden, second_weight_.t()));
}

/// f / s² of rows with their noise.
Tensor NoisedResNetCritic::unscaled(const Tensor& rows, const Tensor& sigma) const {
  const Tensor images =
      networks::as_images(levels_.points(rows, sigma), options_.channels, options_.size,
                          first_weight_.device(), "noised_resnet_critic");
  return critic_->value(images, embedded(sigma));
}

Tensor NoisedResNetCritic::value(const Tensor& x, const Tensor& sigma, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  const double s = levels_.deviation();
  return unscaled(x.flatten(1), sigma) * (s * s);
}

Tensor NoisedResNetCritic::noised_value(const Tensor& x, const Tensor& drawn, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  const std::int64_t n = x.size(0), d = dimension();
  const Tensor sigma = drawn.select(1, d).contiguous(), noise = at::empty({n}),
               weight = at::empty({n});
  for (std::int64_t i = 0; i < n; ++i) {
    const NoiseLevels::Level level = levels_.at(sigma.const_data_ptr<float>()[i]);
    noise.data_ptr<float>()[i] = level.noise;
    weight.data_ptr<float>()[i] = level.weight;
  }
  const Tensor rows = x.flatten(1), added = drawn.narrow(1, 0, d) * noise.unsqueeze(1);
  return unscaled(rows + added.to(x.device()), sigma.to(x.device())) * weight.to(x.device());
}

Tensor NoisedResNetCritic::value(const Tensor& x, Graph graph) const {
  return value(x, at::full({x.size(0)}, levels_.options().sigma_min, x.options().dtype(at::kFloat)),
               graph);
}

ValueAndGradient NoisedResNetCritic::value_and_gradient(const Tensor& x, Graph graph) const {
  return networks::piecewise_linear_gradient(*this, x, graph);
}

State NoisedResNetCritic::parameters() const {
  State state = critic_->parameters();
  state["embedding.first.weight"] = first_weight_;
  state["embedding.first.bias"] = first_bias_;
  state["embedding.second.weight"] = second_weight_;
  state["embedding.second.bias"] = second_bias_;
  return state;
}

}  // namespace monge
