#pragma once

#include "monge/networks/image_network.h"
#include "monge/random.h"

#include <array>
#include <cstdint>
#include <vector>

namespace monge {

/// Options of UNet; the defaults are the map of NOT's image experiments.
struct UNetOptions {
  std::int64_t channels = 3;
  std::int64_t noise_channels = 0;
  std::int64_t size = 64;
  std::int64_t width = 48;
};

/// The declaration of the options: name, default, bounds, sentence.
const Declaration<UNetOptions>& unet_declaration();

namespace networks {
struct NormalisedConvolution;
using DoubleConvolution = std::array<NormalisedConvolution, 2>;
}  // namespace networks

/// A convolutional network from images to images of the same size (Ronneberger et al. 2015; the map
/// T of NOT's section 5): with units U of two 3 x 3 convolutions, each followed by batch
/// normalisation and ReLU, and w = width,
///
///   d_0 = U(x), d_k = U(max-pool d_{k-1}) of w, 2 w, 4 w, 8 w, 8 w channels;
///   u_4 = d_4, u_k = U(d_k, bilinear upsampling of u_{k+1}) of 4 w, 2 w, w, w channels, the first
///   convolution of each halving its input's channels; the result is 1 x 1 weights of u_0.
///
/// With Graph::create a batch is normalised by its own moments, which also move the running ones by
/// a tenth; with Graph::none by the running ones, so that an image's result does not depend on the
/// batch. Images have sides that 16 divides, in any memory format, computed channels last.
///
/// Parameters, each of a unit's two halves: down.k.HALF.weight [out, 3, 3, in], .bias, .scale,
/// .shift and the same of up.k; final.weight [c, w], final.bias [c].
class UNet final : public ImageNetwork {
 public:
  UNet(UNetOptions options, Random& random, at::ScalarType dtype = at::kFloat);
  ~UNet() override;
  UNet(UNet&&) noexcept;
  UNet& operator=(UNet&&) noexcept;

  ImageShape shape() const override {
    return {options_.channels, options_.noise_channels, options_.size};
  }
  Tensor forward(const Tensor& images, Graph graph) const override;
  Tensor differentiable(const Tensor& images) const override;
  State parameters() const override;
  /// The running moments by name.
  State statistics() const override;

  std::string name() const override { return "unet"; }
  Table options() const override;
  const UNetOptions& settings() const { return options_; }

 private:
  using Units = std::vector<networks::NormalisedConvolution>;  // two halves each
  /// How a unit passes: by the batch's moments, by the running ones, or by these with a graph.
  using UnitPass = Tensor (*)(const Tensor&, const networks::DoubleConvolution&);
  Tensor unit(const Tensor& x, const Units& units, std::size_t k, UnitPass pass) const;
  Tensor run(const Tensor& x, UnitPass pass) const;
  Tensor mapped(const Tensor& images, UnitPass pass) const;

  UNetOptions options_;
  Units down_, up_;  // up_ from the coarsest level
  Tensor final_weight_, final_bias_;
};

}  // namespace monge
