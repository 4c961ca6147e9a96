#include "monge/networks/song_unet.h"

#include "error_text.h"

#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

namespace monge {
namespace {

const SongUNetOptions tiny{.channels = 2,
                           .noise_channels = 1,
                           .size = 16,
                           .width = 8,
                           .multipliers = {1, 2, 3},
                           .blocks = 2,
                           .attention = 8};

/// With parameters that are not those it starts with, of which many are 0.
SongUNet tiny_unet(const SongUNetOptions& options = tiny, at::ScalarType dtype = at::kDouble) {
  Random random(1, "network");
  SongUNet unet(options, random, dtype);
  const at::NoGradGuard no_graph;
  for (auto& [name, parameter] : unet.parameters())
    Tensor(parameter).add_(random.normal(parameter.sizes()), 0.1);
  return unet;
}

Tensor images(std::int64_t n, at::ScalarType dtype = at::kDouble, std::int64_t channels = 3) {
  return Random(7, "images").normal({n, channels, 16, 16}).to(dtype);
}

/// The network written from its description in ATen's operators: the filter [1, 3, 3, 1] by
/// convolutions of images that are continued by their border.
struct PlainSongUNet {
  State p;
  SongUNetOptions o;

  static Tensor filter(const Tensor& like) {
    const Tensor one = at::tensor({1.0, 3.0, 3.0, 1.0}, like.options()) / 8;
    return at::outer(one, one).expand({like.size(1), 1, 4, 4});
  }
  /// The halves of the filter that lie beyond the border are left out, and the rest made 1.
  static Tensor halved(const Tensor& x) {
    const auto sum = [&](const Tensor& z) {
      return at::conv2d(z, filter(z), {}, 2, 1, 1, z.size(1));
    };
    return sum(x) / sum(at::ones_like(x));
  }
  static Tensor doubled(const Tensor& x) {
    const Tensor continued = at::replication_pad2d(x, {1, 1, 1, 1});
    return at::conv_transpose2d(continued, 4 * filter(x), {}, 2, 3, 0, x.size(1));
  }
  static Tensor resized(const Tensor& x, int side) {
    return side < 0 ? halved(x) : side > 0 ? doubled(x) : x;
  }

  Tensor norm(const Tensor& x, const std::string& name) const {
    const std::int64_t groups = std::max<std::int64_t>(x.size(1) / 4, 1);
    return at::group_norm(x, groups, p.at(name + "scale"), p.at(name + "shift"), 1e-6, false);
  }
  Tensor convolution(const Tensor& x, const std::string& name) const {
    return at::conv2d(x, p.at(name + "weight").permute({0, 3, 1, 2}), p.at(name + "bias"), 1, 1);
  }
  Tensor attended(const Tensor& x, const std::string& name) const {
    const std::int64_t n = x.size(0), c = x.size(1), side = x.size(2);
    const auto mixed = [](const Tensor& z, const Tensor& weight, const Tensor& bias) {
      return at::conv2d(z, weight.unsqueeze(2).unsqueeze(3), bias);
    };
    const auto qkv =
        mixed(norm(x, name), p.at(name + "weight"), p.at(name + "bias")).flatten(2).chunk(3, 1);
    const Tensor shares = at::softmax(
        at::einsum("bci,bcj->bij", {qkv[0], qkv[1]}) / std::sqrt(static_cast<double>(c)), 2);
    const Tensor found = at::einsum("bij,bcj->bci", {shares, qkv[2]}).view({n, c, side, side});
    return (x + mixed(found, p.at(name + "out_weight"), p.at(name + "out_bias"))) / std::sqrt(2.0);
  }
  Tensor block(const Tensor& x, const std::string& name, int side) const {
    Tensor z = resized(at::silu(norm(x, name + "first.")), side);
    z = convolution(z, name + "first.");
    z = convolution(at::silu(norm(z, name + "second.")), name + "second.");
    Tensor link = resized(x, side);
    if (p.contains(name + "shortcut"))
      link = at::conv2d(link, p.at(name + "shortcut").unsqueeze(2).unsqueeze(3));
    z = (link + z) / std::sqrt(2.0);
    return p.contains(name + "attention.scale") ? attended(z, name + "attention.") : z;
  }
  Tensor operator()(const Tensor& x) const {
    Tensor z = convolution(x, "first.");
    std::vector<Tensor> links{z};
    const auto levels = static_cast<int>(o.multipliers.size());
    int at = 0;
    for (int level = 0; level < levels; ++level)
      for (int i = level == 0 ? 0 : -1; i < o.blocks; ++i)
        links.push_back(z = block(z, fmt::format("down.{}.", at++), i < 0 ? -1 : 0));
    z = block(block(z, "middle.0.", 0), "middle.1.", 0);
    at = 0;
    for (int level = levels - 1; level >= 0; --level) {
      for (int i = 0; i <= o.blocks; ++i, links.pop_back())
        z = block(at::cat({z, links.back()}, 1), fmt::format("up.{}.", at++), 0);
      if (level > 0) z = block(z, fmt::format("up.{}.", at++), 1);
    }
    EXPECT_TRUE(links.empty());
    return convolution(at::silu(norm(z, "final.")), "final.");
  }
};

TEST(SongUNet, IsTheNetworkOfThePaper) {
  for (const std::int64_t attention : {8, 0}) {
    SongUNetOptions options = tiny;
    options.attention = attention;
    const SongUNet unet = tiny_unet(options);
    const Tensor x = images(3), expected = PlainSongUNet{unet.parameters(), options}(x);
    EXPECT_TRUE(at::allclose(unet.forward(x, Graph::create), expected, 1e-9, 1e-10));
    EXPECT_TRUE(at::allclose(unet.forward(x, Graph::none), expected, 1e-9, 1e-10));
    EXPECT_TRUE(at::allclose(unet.differentiable(x), expected, 1e-9, 1e-10));
  }
  SongUNetOptions wide = tiny;
  wide.width = 16;
  const SongUNet unet = tiny_unet(wide, at::kFloat);
  const Tensor x = images(3, at::kFloat), expected = PlainSongUNet{unet.parameters(), wide}(x);
  EXPECT_TRUE(at::allclose(unet.forward(x, Graph::none), expected, 1e-3, 1e-3));
}

/// NCSN++ without its embedding of time.
TEST(SongUNet, HasTheParametersOfNcsnpp) {
  Random random(1, "network");
  std::int64_t count = 0;
  for (const auto& [name, parameter] : SongUNet({}, random).parameters())
    count += parameter.numel();
  EXPECT_EQ(count, 57'058'435);
}

/// A new network gives 0: a residual map begins as the identity.
TEST(SongUNet, BeginsAtZeroAndLearnsFromThere) {
  Random random(1, "network");
  const SongUNet unet(tiny, random, at::kDouble);
  const Tensor x = images(2), moved = unet.forward(x, Graph::create);
  EXPECT_EQ(moved.abs().max().item<double>(), 0);
  const Tensor weight = unet.parameters().at("final.weight");
  EXPECT_GT(torch::autograd::grad({moved.sum()}, {weight}).front().abs().max().item<double>(), 0);
}

/// In x and in every parameter, and of |∇ <T(x), v>|² again, by ATen's operators.
TEST(SongUNet, DerivativesOfBothOrdersAreThoseOfThePlainNetwork) {
  const SongUNet unet = tiny_unet();
  const PlainSongUNet reference{unet.parameters(), tiny};
  const Tensor x = images(2).set_requires_grad(true);
  const Tensor v = images(2).narrow(1, 0, 2).flip(0);
  std::vector<Tensor> inputs{x};
  for (const auto& [name, parameter] : unet.parameters()) inputs.push_back(parameter);
  const auto first = [&](const Tensor& moved) {
    return torch::autograd::grad({(moved * v).sum()}, inputs);
  };
  const auto second = [&](const Tensor& moved) {
    const Tensor gradient =
        torch::autograd::grad({(moved * v).sum()}, {x}, {}, std::nullopt, /*create_graph=*/true)
            .front();
    return torch::autograd::grad({gradient.square().sum()}, inputs, {}, std::nullopt, false,
                                 /*allow_unused=*/true);
  };
  const auto expect_equal = [&](const std::vector<Tensor>& ours, const std::vector<Tensor>& plain) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!plain[i].defined()) continue;
      const double scale = plain[i].abs().max().item<double>();
      EXPECT_LT((ours[i] - plain[i]).abs().max().item<double>(), 1e-8 * scale + 1e-8) << i;
    }
  };
  expect_equal(first(unet.forward(x, Graph::create)), first(reference(x)));
  expect_equal(second(unet.forward(x, Graph::create)), second(reference(x)));
}

TEST(SongUNet, MapsAnImageAloneAsInABatchAndInAnyFormat) {
  const SongUNet unet = tiny_unet(tiny, at::kFloat);
  const Tensor x = images(3, at::kFloat), expected = unet.forward(x, Graph::none);
  EXPECT_EQ(expected.sizes(), at::IntArrayRef({3, 2, 16, 16}));
  EXPECT_TRUE(at::allclose(unet.forward(x.narrow(0, 1, 1), Graph::none), expected.narrow(0, 1, 1),
                           1e-4, 1e-5));
  const Tensor last = x.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(at::equal(unet.forward(last, Graph::none), expected));
  EXPECT_TRUE(at::equal(unet.forward(x.flatten(1), Graph::none), expected.flatten(1)));
}

TEST(SongUNet, RefusesWithOneLine) {
  Random random(1, "network");
  const auto refusal = [&](const SongUNetOptions& options) {
    return error_text([&] { SongUNet(options, random); });
  };
  EXPECT_EQ(refusal({.size = 20}), "song_unet.size: expected a multiple of 8, got 20");
  EXPECT_EQ(refusal({.size = 32, .attention = 12}),
            "song_unet.attention: expected 0 or one of 32, 16, 8, 4, got 12");
  EXPECT_EQ(refusal({.multipliers = {}}), "song_unet.multipliers: expected at least one, got none");
  const SongUNet unet = tiny_unet();
  const auto forward = [&](at::IntArrayRef shape) {
    return error_text([&] { unet.forward(at::zeros(shape, at::kDouble), Graph::none); });
  };
  EXPECT_EQ(forward({1, 2, 16, 16}),
            "song_unet: expected images [n, 3, h, w] or rows [n, 768], got [1, 2, 16, 16]");
  EXPECT_EQ(forward({1, 3, 16, 18}),
            "song_unet: expected sides that 4 divides, got [1, 3, 16, 18]");
  EXPECT_THROW(song_unet_declaration().read({{"blocks", std::int64_t{0}}}, "network"), Error);
}

TEST(SongUNet, IsRebuiltFromOptionsAndParameters) {
  const SongUNet unet = tiny_unet();
  Random random(9, "network");
  const SongUNet rebuilt(song_unet_declaration().read(unet.options(), "network"), random,
                         at::kDouble);
  copy_parameters(rebuilt.parameters(), unet.parameters(), "test");
  EXPECT_TRUE(unet.statistics().empty());
  const Tensor x = images(2);
  EXPECT_TRUE(at::equal(rebuilt.forward(x, Graph::none), unet.forward(x, Graph::none)));
}

}  // namespace
}  // namespace monge
