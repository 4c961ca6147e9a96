#include "monge/networks/song_unet.h"

#include "monge/error.h"

#include "networks/images.h"
#include "networks/initial.h"
#include "networks/song_block.h"

namespace monge {
namespace {

using networks::Attention;
using networks::NormalisedSilu;
using networks::Side;
using networks::SongBlock;

std::int64_t divisor_of(const SongUNetOptions& options) {
  return std::int64_t{1} << (options.multipliers.size() - 1);
}

void require_sides(const SongUNetOptions& options) {
  if (options.multipliers.empty()) fail("song_unet.multipliers", "at least one", "none");
  const std::int64_t divisor = divisor_of(options);
  if (options.size % divisor != 0)
    fail("song_unet.size", fmt::format("a multiple of {}", divisor), std::to_string(options.size));
  if (options.attention == 0) return;
  std::vector<std::int64_t> sides;
  for (std::int64_t by = 1; by <= divisor; by *= 2) sides.push_back(options.size / by);
  if (std::ranges::count(sides, options.attention) == 0)
    fail("song_unet.attention", fmt::format("0 or one of {}", fmt::join(sides, ", ")),
         std::to_string(options.attention));
}

/// Makes blocks that start as Ho et al. 2020 have them: what is added to a link begins as 0.
class Maker {
 public:
  Maker(Random& random, at::ScalarType dtype) : random_(random), dtype_(dtype) {}

  /// Uniform with variance 2 / (inputs + outputs), for `pixels` of a filter.
  Tensor weight(at::IntArrayRef shape, std::int64_t pixels = 1) const {
    const auto ends = static_cast<double>(pixels * (shape.front() + shape.back()));
    return networks::trainable(random_.uniform(shape).mul_(2).sub_(1).mul_(std::sqrt(6 / ends)),
                               dtype_);
  }
  Tensor zeros(at::IntArrayRef shape) const {
    return networks::trainable(at::zeros(shape), dtype_);
  }
  Tensor ones(std::int64_t channels) const {
    return networks::trainable(at::ones({channels}), dtype_);
  }

  SongBlock block(std::int64_t in, std::int64_t out, Side side, bool attended) const {
    SongBlock block{.side = side};
    block.first = {ones(in), zeros({in}), weight({out, 3, 3, in}, 9), zeros({out})};
    block.second = {ones(out), zeros({out}), zeros({out, 3, 3, out}), zeros({out})};
    if (in != out) block.shortcut = weight({out, in});
    if (attended)
      block.attention = {ones(out),        zeros({out}),      weight({3 * out, out}),
                         zeros({3 * out}), zeros({out, out}), zeros({out})};
    return block;
  }

 private:
  Random& random_;
  at::ScalarType dtype_;
};

void insert_block(State& state, const std::string& prefix, const SongBlock& block) {
  const auto half = [&](const char* name, const NormalisedSilu& one) {
    insert_state(
        state, prefix + name,
        {{"scale", one.scale}, {"shift", one.shift}, {"weight", one.weight}, {"bias", one.bias}});
  };
  half("first", block.first);
  half("second", block.second);
  if (block.shortcut.defined()) state[prefix + "shortcut"] = block.shortcut;
  const Attention& attention = block.attention;
  if (attention.weight.defined())
    insert_state(state, prefix + "attention",
                 {{"scale", attention.scale},
                  {"shift", attention.shift},
                  {"weight", attention.weight},
                  {"bias", attention.bias},
                  {"out_weight", attention.out_weight},
                  {"out_bias", attention.out_bias}});
}

}  // namespace

const Declaration<SongUNetOptions>& song_unet_declaration() {
  using O = SongUNetOptions;
  static const auto declaration =
      Declaration<O>("network", "song_unet",
                     "Convolutional network from images to images: residual blocks with group "
                     "normalisation and SiLU, links scaled by 1/√2, attention at one side.",
                     "NCSN++ (Song et al. 2021), section 4.4 and appendix H")
          .option("channels", &O::channels, "Channels of an image.", between(1, 1024))
          .option("noise_channels", &O::noise_channels,
                  "Channels of noise z that follow an image's own: T(x, z).", between(0, 1024))
          .option("size", &O::size, "Side in pixels of the images that come as rows.",
                  between(1, 4096))
          .option("width", &O::width, "Channels that the multipliers multiply.", between(1, 1024))
          .option("multipliers", &O::multipliers,
                  "Of the channels at full size and after every halving.", between(1, 16))
          .option("blocks", &O::blocks, "Residual blocks at each side on the way down.",
                  between(1, 16))
          .option("attention", &O::attention,
                  "The side in pixels at which blocks are followed by attention; 0: none.",
                  between(0, 4096));
  return declaration;
}

SongUNet::SongUNet(SongUNetOptions options, Random& random, at::ScalarType dtype)
    : options_(std::move(options)) {
  require_sides(options_);
  const Maker make(random, dtype);
  const std::int64_t w = options_.width, inputs = options_.channels + options_.noise_channels;
  const auto levels = std::ssize(options_.multipliers);
  const auto channels = [&](std::int64_t level) { return w * options_.multipliers[level]; };
  const auto attended = [&](std::int64_t level) {
    return options_.size >> level == options_.attention;
  };
  first_weight_ = make.weight({w, 3, 3, inputs}, 9);
  first_bias_ = make.zeros({w});
  std::vector<std::int64_t> links{w};
  std::int64_t in = w;
  const auto add_down = [&](std::int64_t out, Side side, bool with_attention) {
    down_.push_back(make.block(in, out, side, with_attention));
    links.push_back(in = out);
  };
  for (std::int64_t level = 0; level < levels; ++level) {
    if (level > 0) add_down(in, Side::halved, false);
    for (std::int64_t i = 0; i < options_.blocks; ++i)
      add_down(channels(level), Side::kept, attended(level));
  }
  for (const bool with_attention : {options_.attention > 0, false})
    middle_.push_back(make.block(in, in, Side::kept, with_attention));
  for (std::int64_t level = levels - 1; level >= 0; --level) {
    for (std::int64_t i = 0; i <= options_.blocks; ++i) {
      up_.push_back(make.block(in + links.back(), channels(level), Side::kept, attended(level)));
      links.pop_back();
      in = channels(level);
    }
    if (level > 0) up_.push_back(make.block(in, in, Side::doubled, false));
  }
  final_scale_ = make.ones(in);
  final_shift_ = make.zeros({in});
  final_weight_ = make.zeros({options_.channels, 3, 3, in});
  final_bias_ = make.zeros({options_.channels});
}

SongUNet::~SongUNet() = default;
SongUNet::SongUNet(SongUNet&&) noexcept = default;
SongUNet& SongUNet::operator=(SongUNet&&) noexcept = default;

Tensor SongUNet::run(const Tensor& x) const {
  Tensor z = networks::convolution(x, first_weight_, first_bias_);
  std::vector<Tensor> links{z};
  for (const SongBlock& block : down_) links.push_back(z = networks::song_block(z, block));
  for (const SongBlock& block : middle_) z = networks::song_block(z, block);
  for (const SongBlock& block : up_) {
    if (block.side == Side::kept) {
      z = at::cat({z, links.back()}, 1);
      links.pop_back();
    }
    z = networks::song_block(z, block);
  }
  return networks::convolution(networks::normalised_silu(z, final_scale_, final_shift_),
                               final_weight_, final_bias_);
}

Tensor SongUNet::forward(const Tensor& images, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  return networks::mapped_images(images, shape(), divisor_of(options_), first_weight_.device(),
                                 "song_unet", [&](const Tensor& x) { return run(x); });
}

Tensor SongUNet::differentiable(const Tensor& images) const {
  return forward(images, Graph::create);
}

State SongUNet::parameters() const {
  State state{{"first.weight", first_weight_}, {"first.bias", first_bias_},
              {"final.scale", final_scale_},   {"final.shift", final_shift_},
              {"final.weight", final_weight_}, {"final.bias", final_bias_}};
  const auto put = [&](const char* name, const std::vector<SongBlock>& blocks) {
    for (std::size_t i = 0; i < blocks.size(); ++i)
      insert_block(state, fmt::format("{}.{}.", name, i), blocks[i]);
  };
  put("down", down_);
  put("middle", middle_);
  put("up", up_);
  return state;
}

Table SongUNet::options() const { return song_unet_declaration().write(options_); }

}  // namespace monge
