#include "monge/networks/unet.h"

#include "monge/error.h"

#include "networks/double_convolution.h"
#include "networks/images.h"
#include "networks/initial.h"
#include "networks/pooling.h"

namespace monge {
namespace {

using networks::NormalisedConvolution;
using networks::trainable;
using networks::uniform_start;

constexpr std::size_t levels = 4;
constexpr std::int64_t divisor = 1 << levels;

NormalisedConvolution make_half(std::int64_t in, std::int64_t out, Random& random,
                                at::ScalarType dtype) {
  NormalisedConvolution half;
  half.weight = trainable(uniform_start({out, 3, 3, in}, 9 * in, random), dtype);
  half.bias = trainable(uniform_start({out}, 9 * in, random), dtype);
  half.scale = trainable(at::ones({out}), dtype);
  half.shift = trainable(at::zeros({out}), dtype);
  half.running_mean = at::zeros({out}, dtype);
  half.running_variance = at::ones({out}, dtype);
  return half;
}

/// visit(name, half) for every half of the units.
template <class Units, class Visit>
void over_halves(const std::string& prefix, const Units& units, Visit visit) {
  for (std::size_t i = 0; i < units.size(); ++i)
    visit(fmt::format("{}.{}.{}.", prefix, i / 2, i % 2 == 0 ? "first" : "second"), units[i]);
}

/// The link's channels and then those of the coarser image, at the link's size.
Tensor joined(const Tensor& link, const Tensor& coarse) {
  return at::cat({link, at::upsample_bilinear2d(coarse, {link.size(2), link.size(3)}, true)}, 1);
}

}  // namespace

const Declaration<UNetOptions>& unet_declaration() {
  using O = UNetOptions;
  static const auto declaration =
      Declaration<O>("network", "unet",
                     "Convolutional network from images to images: four halvings and four "
                     "doublings with links between equal sizes.",
                     "Ronneberger et al. 2015; NOT (Korotin et al. 2023), section 5")
          .option("channels", &O::channels, "Channels of an image.", between(1, 1024))
          .option("noise_channels", &O::noise_channels,
                  "Channels of noise z that follow an image's own: T(x, z).", between(0, 1024))
          .option("size", &O::size,
                  "Side in pixels of the images that come as rows; 16 divides it.",
                  between(divisor, 4096))
          .option("width", &O::width, "Channels at full size; every halving doubles them.",
                  between(1, 1024));
  return declaration;
}

UNet::UNet(UNetOptions options, Random& random, at::ScalarType dtype) : options_(options) {
  if (options_.size % divisor != 0)
    fail("unet.size", fmt::format("a multiple of {}", divisor), std::to_string(options_.size));
  const auto add = [&](Units& units, std::int64_t in, std::int64_t middle, std::int64_t out) {
    units.push_back(make_half(in, middle, random, dtype));
    units.push_back(make_half(middle, out, random, dtype));
  };
  const std::int64_t w = options_.width;
  add(down_, options_.channels + options_.noise_channels, w, w);
  for (const std::int64_t in : {w, 2 * w, 4 * w}) add(down_, in, 2 * in, 2 * in);
  add(down_, 8 * w, 8 * w, 8 * w);
  for (const std::int64_t in : {16 * w, 8 * w, 4 * w}) add(up_, in, in / 2, in / 4);
  add(up_, 2 * w, w, w);
  final_weight_ = trainable(uniform_start({options_.channels, w}, w, random), dtype);
  final_bias_ = trainable(uniform_start({options_.channels}, w, random), dtype);
}

UNet::~UNet() = default;
UNet::UNet(UNet&&) noexcept = default;
UNet& UNet::operator=(UNet&&) noexcept = default;

Tensor UNet::unit(const Tensor& x, const Units& units, std::size_t k, UnitPass pass) const {
  return pass(x, {units[2 * k], units[2 * k + 1]});
}

Tensor UNet::run(const Tensor& x, UnitPass pass) const {
  std::vector<Tensor> links;
  Tensor z = unit(x, down_, 0, pass);
  for (std::size_t k = 1; k <= levels; ++k) {
    links.push_back(z);
    z = unit(networks::max_pool(z), down_, k, pass);
  }
  for (std::size_t k = 0; k < levels; ++k) {
    z = joined(links.back(), z);
    links.pop_back();
    z = unit(z, up_, k, pass);
  }
  const c10::impl::ExcludeDispatchKeyGuard full_precision(c10::autocast_dispatch_keyset);
  const Tensor rows =
      z.permute({0, 2, 3, 1}).reshape({-1, options_.width}).to(final_weight_.scalar_type());
  return at::addmm(final_bias_, rows, final_weight_.t())
      .view({z.size(0), z.size(2), z.size(3), options_.channels})
      .permute({0, 3, 1, 2});
}

Tensor UNet::mapped(const Tensor& images, UnitPass pass) const {
  return networks::mapped_images(images, shape(), divisor, final_weight_.device(), "unet",
                                 [&](const Tensor& x) { return run(x, pass); });
}

Tensor UNet::forward(const Tensor& images, Graph graph) const {
  const bool create = graph == Graph::create;
  const at::AutoGradMode mode(create);
  return mapped(images,
                create ? networks::double_convolution : networks::double_convolution_running);
}

Tensor UNet::differentiable(const Tensor& images) const {
  const at::AutoGradMode mode(true);
  return mapped(images, networks::double_convolution_recorded);
}

State UNet::parameters() const {
  State state{{"final.weight", final_weight_}, {"final.bias", final_bias_}};
  const auto put = [&](const std::string& prefix, const NormalisedConvolution& half) {
    state[prefix + "weight"] = half.weight;
    state[prefix + "bias"] = half.bias;
    state[prefix + "scale"] = half.scale;
    state[prefix + "shift"] = half.shift;
  };
  over_halves("down", down_, put);
  over_halves("up", up_, put);
  return state;
}

State UNet::statistics() const {
  State state;
  const auto put = [&](const std::string& prefix, const NormalisedConvolution& half) {
    state[prefix + "running_mean"] = half.running_mean;
    state[prefix + "running_variance"] = half.running_variance;
  };
  over_halves("down", down_, put);
  over_halves("up", up_, put);
  return state;
}

Table UNet::options() const { return unet_declaration().write(options_); }

}  // namespace monge
