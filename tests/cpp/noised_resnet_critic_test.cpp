#include "monge/networks/noised_resnet_critic.h"

#include "monge/check_gradients.h"
#include "monge/frozen.h"
#include "monge/measures/array.h"

#include "error_text.h"
#include "plain_critic.h"

#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

namespace monge {
namespace {

const NoisedResNetCriticOptions tiny{{.channels = 2, .size = 8, .width = 3, .max_width = 6},
                                     {.embedding = 6, .sigma_max = 10}};

/// With the statistics of images that have neither mean 0 nor deviation 1.
NoisedResNetCritic tiny_critic(const NoisedResNetCriticOptions& options = tiny) {
  Random random(1, "network");
  const NoisedResNetCritic critic(options, random, at::kDouble);
  critic.levels().measure(ArrayMeasure(0.4 * random.normal({50, critic.dimension()}) - 0.3),
                          random);
  return critic;
}

Tensor images(std::int64_t n) { return Random(7, "images").normal({n, 2, 8, 8}).to(at::kDouble); }
Tensor levels(std::int64_t n) { return at::logspace(std::log10(0.02), 1, n, 10, at::kDouble); }

/// The formulas of the header in ATen's operators.
Tensor plain_value(const NoisedResNetCritic& critic, const Tensor& x, const Tensor& sigma) {
  const State p = critic.parameters();
  const double s = critic.levels().deviation();
  const Tensor mean = critic.levels().statistics().at("mean").to(at::kDouble).view({1, 2, 8, 8});
  const Tensor scale = 1 / (s * s + sigma.square()).sqrt().view({-1, 1, 1, 1});
  const auto half = static_cast<double>(tiny.embedding / 2 - 1);
  const Tensor frequencies =
      at::pow(10000, -at::arange(tiny.embedding / 2, at::kDouble) / half) / 4;
  const Tensor angles = at::outer(sigma.log(), frequencies);
  Tensor g = at::cat({angles.cos(), angles.sin()}, 1);
  for (const std::string part : {"embedding.first.", "embedding.second."})
    g = at::silu(at::linear(g, p.at(part + "weight"), p.at(part + "bias")));
  return s * s * plain_critic(p, critic.settings(), (x - mean) * scale, g);
}

TEST(NoisedResNetCritic, IsTheCriticOfScaledImagesToldTheLevel) {
  const NoisedResNetCritic critic = tiny_critic();
  const Tensor x = images(5), sigma = levels(5);
  const Tensor expected = plain_value(critic, x, sigma);
  EXPECT_TRUE(at::allclose(critic.value(x, sigma, Graph::none), expected, 1e-6, 1e-8));
  EXPECT_TRUE(at::allclose(critic.value(x.flatten(1), sigma, Graph::none), expected, 1e-6, 1e-8));
  const Tensor lowest = at::full({5}, tiny.sigma_min, at::kDouble);
  EXPECT_TRUE(at::allclose(critic.value(x, Graph::none), plain_value(critic, x, lowest), 1e-6));
  const Tensor other = critic.value(x, sigma.roll(1), Graph::none);
  EXPECT_GT((other - expected).abs().min().item<double>(), 1e-6);
}

/// In x and in every parameter, those of the plain network.
TEST(NoisedResNetCritic, DerivativesAreThoseOfThePlainNetwork) {
  const NoisedResNetCritic critic = tiny_critic();
  const Tensor x = images(5).set_requires_grad(true), sigma = levels(5);
  const Tensor weights = at::arange(1, 6, at::kDouble);
  std::vector<Tensor> inputs{x};
  for (const auto& [name, parameter] : critic.parameters()) inputs.push_back(parameter);
  const auto derivatives = [&](const Tensor& value) {
    return torch::autograd::grad({(value * weights).sum()}, inputs);
  };
  const auto ours = derivatives(critic.value(x, sigma, Graph::create));
  const auto plain = derivatives(plain_value(critic, x, sigma));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const double largest = plain[i].abs().max().item<double>();
    EXPECT_GT(largest, 0) << i;
    EXPECT_LT((ours[i] - plain[i]).abs().max().item<double>(), 1e-6 * largest) << i;
  }
}

TEST(NoisedResNetCritic, DerivativesAgreeWithCentralDifferences) {
  const NoisedResNetCritic critic = tiny_critic();
  Random random(3, "directions");
  const GradientErrors errors = check_gradients(critic, 0.3 * images(2).flatten(1), random, 1e-7);
  EXPECT_LT(errors.gradient, 1e-5);
  EXPECT_LT(errors.parameter_gradient, 1e-5);
  EXPECT_LT(errors.parameter_of_gradient, 1e-5);
}

/// As in the step of the map, where signs alone are kept.
TEST(NoisedResNetCritic, FrozenGivesTheSameGradient) {
  const NoisedResNetCritic critic = tiny_critic();
  const Tensor x = images(3).set_requires_grad(true), sigma = levels(3);
  const auto gradient = [&] {
    return torch::autograd::grad({critic.value(x, sigma, Graph::create).sum()}, {x}).front();
  };
  const Tensor expected = gradient();
  const Frozen frozen(critic.parameters());
  EXPECT_TRUE(at::allclose(gradient(), expected, 1e-12, 1e-14));
}

TEST(NoisedResNetCritic, ADrawOfLevelsAddsNoiseAndWeighs) {
  for (const char* unit : {"data", "target"}) {
    NoisedResNetCriticOptions options = tiny;
    options.unit = unit;
    options.weight = "edm";
    const NoisedResNetCritic critic = tiny_critic(options);
    Random random(5, "noise");
    const std::int64_t n = 6, d = critic.dimension();
    const Tensor x = images(n).flatten(1), drawn = critic.levels().draw(n, random);
    const Tensor sigma = drawn.select(1, d), value = critic.noised_value(x, drawn, Graph::none);
    const double s = critic.levels().deviation();
    for (std::int64_t i = 0; i < n; ++i) {
      const NoiseLevels::Level level = critic.levels().at(sigma[i].item<float>());
      const Tensor noisy = x.narrow(0, i, 1) + level.noise * drawn.narrow(0, i, 1).narrow(1, 0, d);
      const double expected =
          critic.value(noisy, sigma.narrow(0, i, 1), Graph::none).item<double>() * level.weight /
          (s * s);
      EXPECT_NEAR(value[i].item<double>(), expected, 1e-5 * std::abs(expected)) << unit;
    }
  }
}

/// 22 933 441 of the critic, 64 for each of the blocks' 2944 hidden channels, 5248 of the
/// embedding.
TEST(NoisedResNetCritic, HasTheCriticsParametersAndThoseOfTheLevel) {
  Random random(1, "network");
  std::int64_t count = 0;
  for (const auto& [name, parameter] : NoisedResNetCritic({}, random).parameters())
    count += parameter.numel();
  EXPECT_EQ(count, 22'933'441 + 64 * 2944 + 5248);
}

TEST(NoisedResNetCritic, IsRebuiltFromOptionsParametersAndStatistics) {
  const NoisedResNetCritic critic = tiny_critic();
  Random random(9, "network");
  NoisedResNetCritic rebuilt(noised_resnet_critic_declaration().read(critic.options(), "network"),
                             random, at::kDouble);
  load_parameters(rebuilt, critic.parameters(), "test");
  copy_parameters(rebuilt.levels().statistics(), critic.levels().statistics(), "test");
  const Tensor x = images(2), sigma = levels(2);
  EXPECT_TRUE(at::equal(rebuilt.value(x, sigma, Graph::none), critic.value(x, sigma, Graph::none)));
}

TEST(NoisedResNetCritic, RefusesWithOneLine) {
  Random random(1, "network");
  const auto refusal = [&](NoisedResNetCriticOptions options) {
    return error_text([&] { NoisedResNetCritic(options, random); });
  };
  EXPECT_EQ(refusal({{.size = 48}, {}}),
            "resnet_critic.size: expected 4 times a power of two, as 32, 64 or 128, got 48");
  EXPECT_EQ(refusal({{}, {.embedding = 5}}), "network.embedding: expected an even count, got 5");
  EXPECT_EQ(refusal({{}, {.sigma_min = 3, .sigma_max = 2}}),
            "network.sigma_min: expected at most sigma_max = 2, got 3");
  const NoisedResNetCritic critic = tiny_critic();
  EXPECT_EQ(error_text([&] { critic.value(images(2), at::ones({3}), Graph::none); }),
            "noise levels: expected noise levels [2], got [3]");
  EXPECT_EQ(error_text([&] { critic.value(at::zeros({2, 5}), Graph::none); }),
            "noise levels: expected points [n, 128], got [2, 5]");
}

}  // namespace
}  // namespace monge
