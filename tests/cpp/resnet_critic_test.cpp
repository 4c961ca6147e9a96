#include "monge/networks/resnet_critic.h"

#include "monge/check_gradients.h"
#include "monge/error.h"
#include "monge/frozen.h"

#include "plain_critic.h"

namespace monge {
namespace {

const ResNetCriticOptions tiny{.channels = 2, .size = 8, .width = 3, .max_width = 6};

ResNetCritic tiny_critic(std::uint64_t seed = 1, at::ScalarType dtype = at::kDouble) {
  Random random(seed, "network");
  return ResNetCritic(tiny, random, dtype);
}

Tensor images(std::int64_t n, const ResNetCriticOptions& options, at::ScalarType dtype) {
  Random random(7, "images");
  return random.normal({n, options.channels, options.size, options.size}).to(dtype);
}

Tensor plain_value(const ResNetCritic& critic, const Tensor& x) {
  return plain_critic(critic.parameters(), critic.settings(), x);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ResNetCritic, IsTheNetworkOfThePaper) {
  const at::NoGradGuard no_graph;
  const ResNetCritic critic = tiny_critic();
  const Tensor x = images(3, tiny, at::kDouble);
  EXPECT_TRUE(at::allclose(critic.value(x, Graph::none), plain_value(critic, x), 1e-10, 1e-12));

  Random random(2, "network");
  const ResNetCritic wide({.size = 16, .width = 32, .max_width = 64}, random);
  const Tensor y = images(4, wide.settings(), at::kFloat);
  EXPECT_TRUE(at::allclose(wide.value(y, Graph::none), plain_value(wide, y), 1e-4, 1e-4));
}

TEST(ResNetCritic, GivesANumberForImagesOfEverySize) {
  for (const std::int64_t size : {8, 32, 64, 128}) {
    Random random(1, "network");
    const ResNetCritic critic({.size = size, .width = 2, .max_width = 8}, random);
    EXPECT_EQ(critic.dimension(), 3 * size * size);
    const ValueAndGradient both =
        critic.value_and_gradient(images(2, critic.settings(), at::kFloat), Graph::none);
    EXPECT_EQ(both.value.sizes(), at::IntArrayRef({2}));
    EXPECT_EQ(both.gradient.sizes(), at::IntArrayRef({2, 3, size, size}));
    EXPECT_FALSE(both.value.requires_grad() || both.gradient.requires_grad());
  }
}

/// 91.7 MB in float32: the 92 MB of f in the reproduction report of noised strong NOT.
TEST(ResNetCritic, HasTheParametersOfNot) {
  Random random(1, "network");
  std::int64_t count = 0;
  for (const auto& [name, parameter] : ResNetCritic({}, random).parameters())
    count += parameter.numel();
  EXPECT_EQ(count, 22'933'441);
}

TEST(ResNetCritic, StartsFromItsSeed) {
  const State one = tiny_critic(1).parameters(), same = tiny_critic(1).parameters();
  const State other = tiny_critic(2).parameters();
  for (const auto& [name, parameter] : one) {
    EXPECT_TRUE(at::equal(parameter, same.at(name))) << name;
    EXPECT_FALSE(at::equal(parameter, other.at(name))) << name;
  }
}

TEST(ResNetCritic, DerivativesAgreeWithCentralDifferences) {
  const ResNetCritic critic = tiny_critic();
  Random random(3, "directions");
  const Tensor rows = images(2, tiny, at::kDouble).flatten(1);
  const GradientErrors errors = check_gradients(critic, rows, random, 1e-6);
  EXPECT_LT(errors.gradient, 1e-6);
  EXPECT_LT(errors.parameter_gradient, 1e-6);
  EXPECT_LT(errors.parameter_of_gradient, 1e-6);
}

/// f(s x) has the gradient s (∇f)(s x) in x, whose derivative in s is (∇f)(s x) where f is linear.
TEST(ResNetCritic, FrozenGivesTheSameGradientsAgainAndAgain) {
  const ResNetCritic critic = tiny_critic();
  const Tensor x = images(2, tiny, at::kDouble).set_requires_grad(true);
  const Tensor s = at::full({}, 1.3, at::kDouble).set_requires_grad(true);
  const Tensor expected = critic.gradient((s * x).detach(), Graph::none);

  const Frozen frozen(critic.parameters());
  const Tensor value = critic.value(s * x, Graph::create).sum();
  const Tensor gradient =
      torch::autograd::grad({value}, {x}, {}, std::nullopt, /*create_graph=*/true).front();
  EXPECT_TRUE(at::allclose(gradient, 1.3 * expected, 1e-10, 1e-12));
  const Tensor v = at::randn_like(x);
  const Tensor again = torch::autograd::grad({(gradient * v).sum()}, {s}).front();
  EXPECT_NEAR(again.item<double>(), (expected * v).sum().item<double>(), 1e-8);
}

TEST(ResNetCritic, FrozenLastsOnlyItsScope) {
  const State parameters = tiny_critic().parameters();
  {
    const Frozen frozen(parameters);
    for (const auto& [name, parameter] : parameters) EXPECT_FALSE(parameter.requires_grad());
  }
  for (const auto& [name, parameter] : parameters) EXPECT_TRUE(parameter.requires_grad());
}

TEST(ResNetCritic, TakesRowsAndImagesInAnyMemoryFormat) {
  const ResNetCritic critic = tiny_critic(1, at::kFloat);
  const Tensor x = images(3, tiny, at::kFloat);
  const ValueAndGradient expected = critic.value_and_gradient(x, Graph::none);
  const ValueAndGradient last =
      critic.value_and_gradient(x.contiguous(at::MemoryFormat::ChannelsLast), Graph::none);
  const ValueAndGradient rows = critic.value_and_gradient(x.flatten(1), Graph::none);
  EXPECT_TRUE(at::equal(last.value, expected.value));
  EXPECT_TRUE(at::equal(last.gradient, expected.gradient));
  EXPECT_TRUE(at::equal(rows.value, expected.value));
  EXPECT_TRUE(at::equal(rows.gradient, expected.gradient.flatten(1)));
}

TEST(ResNetCritic, RefusesWithOneLine) {
  Random random(1, "network");
  EXPECT_EQ(message_of([&] { ResNetCritic({.size = 48}, random); }),
            "resnet_critic.size: expected 4 times a power of two, as 32, 64 or 128, got 48");
  const ResNetCritic critic = tiny_critic();
  const auto value_of = [&](at::IntArrayRef shape) {
    return message_of([&] { critic.value(at::zeros(shape, at::kDouble), Graph::none); });
  };
  const std::string expected = "resnet_critic: expected images [n, 2, h, w] or rows [n, 128], got ";
  EXPECT_EQ(value_of({1, 3, 8, 8}), expected + "[1, 3, 8, 8]");
  EXPECT_EQ(value_of({2, 8, 8}), expected + "[2, 8, 8]");
  EXPECT_EQ(value_of({2, 127}), expected + "[2, 127]");
  EXPECT_EQ(value_of({1, 2, 16, 16}),
            "resnet_critic: expected images of 8 x 8 pixels, got [1, 2, 16, 16]");
  EXPECT_THROW(resnet_critic_declaration().read({{"width", std::int64_t{0}}}, "network"), Error);
  EXPECT_THROW(resnet_critic_declaration().read({{"slope", 1.5}}, "network"), Error);
}

TEST(ResNetCritic, IsRebuiltFromOptionsAndParameters) {
  const ResNetCritic critic = tiny_critic();
  Random random(9, "network");
  ResNetCritic rebuilt(resnet_critic_declaration().read(critic.options(), "network"), random,
                       at::kDouble);
  load_parameters(rebuilt, critic.parameters(), "test");
  const Tensor x = images(2, tiny, at::kDouble);
  EXPECT_TRUE(at::equal(rebuilt.value(x, Graph::none), critic.value(x, Graph::none)));
}

}  // namespace
}  // namespace monge
