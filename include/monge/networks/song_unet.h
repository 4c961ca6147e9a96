#pragma once

#include "monge/networks/image_network.h"
#include "monge/random.h"

#include <cstdint>
#include <vector>

namespace monge {

/// Options of SongUNet; the defaults are those of NCSN++ for images of 32 pixels.
struct SongUNetOptions {
  std::int64_t channels = 3;
  std::int64_t noise_channels = 0;
  std::int64_t size = 32;
  std::int64_t width = 128;
  std::vector<std::int64_t> multipliers = {1, 2, 2, 2};
  std::int64_t blocks = 4;
  std::int64_t attention = 16;
};

/// The declaration of the options: name, default, bounds, sentence.
const Declaration<SongUNetOptions>& song_unet_declaration();

namespace networks {
struct SongBlock;
}

/// The network of NCSN++ (Song et al. 2021, section 4.4 and appendix H) from images to images,
/// without its embedding of time: DDPM's UNet (Ho et al. 2020, appendix B) with BigGAN's residual
/// blocks (Brock et al. 2019, appendix B), whose links are scaled by 1/√2 and whose sides are
/// halved and doubled by the filter [1, 3, 3, 1] (Karras et al. 2020, StyleGAN2). With N group
/// normalisation, R a change of side or nothing, S 1 x 1 weights where the channels change:
///
///   block       y = (S R x + W₂ * SiLU(N₂ W₁ * R SiLU(N₁ x))) / √2
///   attention   y = (x + A softmax(q kᵀ / √c) v) / √2,  (q, k, v) of N x at each pixel
///
/// At side size / 2^l there are `blocks` blocks of width · multipliers[l] channels on the way down,
/// and one more on the way up, each with the result of one of the way down behind its input; two
/// blocks stand between. Blocks at the side `attention` are followed by attention, and so is the
/// first of those two.
///
/// Every image is mapped alone, in training too. Images have sides that 2^(levels - 1) divides, in
/// any memory format, computed channels last.
///
/// Parameters: first.weight [w, 3, 3, c] and .bias; down.i.*, middle.i.* and up.i.* of each block:
/// first.scale, .shift, .weight [out, 3, 3, in], .bias, the same of second, shortcut [out, in],
/// attention.scale, .shift, .weight [3 c, c], .bias, .out_weight [c, c], .out_bias; final.scale,
/// .shift, .weight [channels, 3, 3, w] and .bias.
class SongUNet final : public ImageNetwork {
 public:
  /// Throws Error where the size cannot be halved so often or no side is `attention`.
  SongUNet(SongUNetOptions options, Random& random, at::ScalarType dtype = at::kFloat);
  ~SongUNet() override;
  SongUNet(SongUNet&&) noexcept;
  SongUNet& operator=(SongUNet&&) noexcept;

  ImageShape shape() const override {
    return {options_.channels, options_.noise_channels, options_.size};
  }
  Tensor forward(const Tensor& images, Graph graph) const override;
  Tensor differentiable(const Tensor& images) const override;
  State parameters() const override;
  State statistics() const override { return {}; }

  std::string name() const override { return "song_unet"; }
  Table options() const override;
  const SongUNetOptions& settings() const { return options_; }

 private:
  Tensor run(const Tensor& x) const;

  SongUNetOptions options_;
  Tensor first_weight_, first_bias_;
  std::vector<networks::SongBlock> down_, middle_, up_;
  Tensor final_scale_, final_shift_, final_weight_, final_bias_;
};

}  // namespace monge
