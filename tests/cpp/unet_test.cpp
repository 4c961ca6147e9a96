#include "monge/networks/unet.h"

#include "monge/error.h"

namespace monge {
namespace {

const UNetOptions tiny{.channels = 2, .noise_channels = 1, .size = 16, .width = 4};

UNet tiny_unet(std::uint64_t seed = 1, at::ScalarType dtype = at::kDouble) {
  Random random(seed, "network");
  return UNet(tiny, random, dtype);
}

Tensor images(std::int64_t n, std::int64_t channels, std::int64_t size, at::ScalarType dtype) {
  Random random(7, "images");
  return random.normal({n, channels, size, size}).to(dtype);
}
Tensor tiny_images(std::int64_t n, at::ScalarType dtype = at::kDouble) {
  return images(n, tiny.channels + tiny.noise_channels, tiny.size, dtype);
}

/// The network written from its description in ATen's operators; it moves `running` as it trains.
struct PlainUNet {
  State p, running;
  bool training;

  Tensor half(const Tensor& x, const std::string& name) {
    const Tensor y =
        at::conv2d(x, p.at(name + "weight").permute({0, 3, 1, 2}), p.at(name + "bias"), 1, 1);
    return at::relu(at::batch_norm(
        y, p.at(name + "scale"), p.at(name + "shift"), running.at(name + "running_mean"),
        running.at(name + "running_variance"), training, 0.1, 1e-5, false));
  }
  Tensor unit(const Tensor& x, const std::string& name) {
    return half(half(x, name + ".first."), name + ".second.");
  }
  Tensor operator()(const Tensor& x) {
    std::vector<Tensor> links;
    Tensor z = unit(x, "down.0");
    for (int k = 1; k <= 4; ++k) {
      links.push_back(z);
      z = unit(at::max_pool2d(z, 2), fmt::format("down.{}", k));
    }
    for (int k = 0; k < 4; ++k) {
      const Tensor link = links[3 - k];
      z = at::upsample_bilinear2d(z, {link.size(2), link.size(3)}, true);
      z = unit(at::cat({link, z}, 1), fmt::format("up.{}", k));
    }
    return at::conv2d(z, p.at("final.weight").unsqueeze(2).unsqueeze(3), p.at("final.bias"));
  }
};

PlainUNet plain(const UNet& unet, bool training) {
  State running;
  for (const auto& [name, tensor] : unet.statistics()) running[name] = tensor.clone();
  return {unet.parameters(), running, training};
}

void load(const State& from, const State& to) {
  const at::NoGradGuard no_graph;
  for (auto [name, tensor] : to) tensor.copy_(from.at(name));
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_plain(const UNet& unet, const Tensor& x, double tolerance) {
  PlainUNet training = plain(unet, true);
  const Tensor expected = training(x);
  EXPECT_TRUE(at::allclose(unet.forward(x, Graph::create), expected, tolerance, tolerance));
  for (const auto& [name, tensor] : unet.statistics())
    EXPECT_TRUE(at::allclose(tensor, training.running.at(name), tolerance, tolerance)) << name;
  EXPECT_TRUE(
      at::allclose(unet.forward(x, Graph::none), plain(unet, false)(x), tolerance, tolerance));
}

TEST(UNet, IsTheNetworkOfThePaper) {
  expect_plain(tiny_unet(), tiny_images(3), 1e-9);
  Random random(2, "network");
  const UNet wide({.size = 32, .width = 32}, random);
  expect_plain(wide, images(4, 3, 32, at::kFloat), 1e-3);
}

TEST(UNet, KeepsTheShapeOfImages) {
  for (const std::int64_t size : {32, 64, 128}) {
    Random random(1, "network");
    const UNet unet({.size = size, .width = 2}, random);
    const Tensor x = images(2, 3, size, at::kFloat);
    EXPECT_EQ(unet.forward(x, Graph::none).sizes(), x.sizes());
    EXPECT_EQ(unet.forward(x.flatten(1), Graph::create).sizes(), x.flatten(1).sizes());
  }
}

/// 38.9 MB in float32: the 39 MB of T in the reproduction report of noised strong NOT.
TEST(UNet, HasTheParametersOfNot) {
  Random random(1, "network");
  std::int64_t count = 0;
  for (const auto& [name, parameter] : UNet({}, random).parameters()) count += parameter.numel();
  EXPECT_EQ(count, 9'715'827);
}

TEST(UNet, StartsFromItsSeed) {
  const State one = tiny_unet(1).parameters(), same = tiny_unet(1).parameters();
  const State other = tiny_unet(2).parameters();
  for (const auto& [name, parameter] : one) EXPECT_TRUE(at::equal(parameter, same.at(name)));
  EXPECT_FALSE(at::equal(one.at("final.weight"), other.at("final.weight")));
}

/// <∇h, directions> of a scalar function of tensors against (h(+step) - h(-step)) / (2 step).
void expect_derivative(const std::function<Tensor()>& h, const State& inputs) {
  Random random(5, "directions");
  constexpr double step = 1e-8;  // small, so that no ReLU switches within it
  std::vector<Tensor> tensors, directions;
  for (const auto& [name, tensor] : inputs) {
    tensors.push_back(tensor);
    directions.push_back(random.normal(tensor.sizes()).to(tensor.scalar_type()));
  }
  const std::vector<Tensor> gradients = torch::autograd::grad({h()}, tensors);
  double exact = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    exact += (gradients[i] * directions[i]).sum().item<double>();
  const auto moved = [&](double by) {
    const at::NoGradGuard no_graph;
    for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].add_(directions[i], by);
  };
  moved(step);
  const double above = h().item<double>();
  moved(-2 * step);
  const double below = h().item<double>();
  moved(step);
  EXPECT_NEAR(exact, (above - below) / (2 * step), 1e-5 * std::abs(exact));
}

/// Sides of 32, so that the coarsest level has more than the batch's 4 pixels to be normalised by.
TEST(UNet, DerivativesAgreeWithCentralDifferences) {
  const UNet unet = tiny_unet();
  const Tensor x = images(4, 3, 32, at::kDouble).set_requires_grad(true);
  const Tensor v = images(4, 3, 32, at::kDouble).narrow(1, 0, 2).flip(0);
  State inputs = unet.parameters();
  inputs["x"] = x;
  expect_derivative([&] { return (unet.forward(x, Graph::create) * v).sum(); }, inputs);
}

/// In float32, where Winograd's filtering serves the layers, against ATen's operators in float64.
/// Rounding switches some ReLUs, each of which changes the derivatives behind it.
TEST(UNet, DerivativesInSinglePrecisionAreThoseOfThePlainNetwork) {
  Random random(2, "network");
  const UNet unet({.size = 32, .width = 32}, random);
  PlainUNet reference = plain(unet, true);
  for (State* state : {&reference.p, &reference.running})
    for (auto& [name, tensor] : *state)
      tensor = tensor.detach().to(at::kDouble).set_requires_grad(state == &reference.p);
  const auto derivatives = [](const State& parameters, const auto& network, const Tensor& given) {
    const Tensor x = given.set_requires_grad(true);
    std::vector<Tensor> inputs{x};
    for (const auto& [name, parameter] : parameters) inputs.push_back(parameter);
    const Tensor moved = network(x);
    return torch::autograd::grad({(moved * moved.detach().flip(0)).sum()}, inputs);
  };
  const auto trained = [&](const Tensor& x) { return unet.forward(x, Graph::create); };
  const auto ours = derivatives(unet.parameters(), trained, images(4, 3, 32, at::kFloat));
  const auto plainly = [&](const Tensor& x) { return reference(x); };
  const auto exact = derivatives(reference.p, plainly, images(4, 3, 32, at::kDouble));
  double largest = 0;
  for (const Tensor& tensor : exact) largest = std::max(largest, tensor.norm().item<double>());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double norm = exact[i].norm().item<double>();
    EXPECT_LT((ours[i] - exact[i]).norm().item<double>(), 2e-2 * norm + 1e-6 * largest) << i;
  }
}

/// |∇ <T(x), v>|² in x and its own derivatives in x and in every parameter, by ATen's operators.
TEST(UNet, SecondDerivativesAreThoseOfThePlainNetwork) {
  const UNet unet = tiny_unet();
  PlainUNet reference = plain(unet, true);
  const Tensor x = images(4, 3, 32, at::kDouble).set_requires_grad(true);
  const Tensor v = images(4, 3, 32, at::kDouble).narrow(1, 0, 2).flip(0);
  std::vector<Tensor> inputs{x};
  for (const auto& [name, parameter] : unet.parameters()) inputs.push_back(parameter);
  const auto derivatives = [&](const Tensor& moved) {
    const Tensor gradient =
        torch::autograd::grad({(moved * v).sum()}, {x}, {}, std::nullopt, /*create_graph=*/true)
            .front();
    return torch::autograd::grad({gradient.square().sum()}, inputs, {}, std::nullopt, false,
                                 /*allow_unused=*/true);
  };
  const auto ours = derivatives(unet.forward(x, Graph::create));
  const auto expected = derivatives(reference(x));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!expected[i].defined()) continue;
    const double scale = expected[i].abs().max().item<double>();
    EXPECT_LT((ours[i] - expected[i]).abs().max().item<double>(), 1e-8 * scale + 1e-8);
  }
}

/// By the running moments, which differ from those of the images.
TEST(UNet, IsDifferentiableAsItMapsAnImageAlone) {
  const UNet unet = tiny_unet();
  unet.forward(tiny_images(3) + 1, Graph::create);
  const Tensor x = tiny_images(2).set_requires_grad(true);
  const Tensor v = tiny_images(2).narrow(1, 0, 2).flip(0);
  const Tensor moved = unet.differentiable(x);
  EXPECT_TRUE(at::allclose(moved, unet.forward(x, Graph::none), 1e-9, 1e-10));
  const auto gradient = [&](const Tensor& result) {
    return torch::autograd::grad({(result * v).sum()}, {x}).front();
  };
  EXPECT_TRUE(at::allclose(gradient(moved), gradient(plain(unet, false)(x)), 1e-9, 1e-10));
}

TEST(UNet, TakesRowsAndImagesInAnyMemoryFormat) {
  const UNet unet = tiny_unet(1, at::kFloat);
  const Tensor x = tiny_images(3, at::kFloat);
  const Tensor expected = unet.forward(x, Graph::none);
  const Tensor last = x.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(at::equal(unet.forward(last, Graph::none), expected));
  EXPECT_TRUE(at::equal(unet.forward(x.flatten(1), Graph::none), expected.flatten(1)));
}

TEST(UNet, MapsAnImageAloneAsInABatch) {
  const UNet unet = tiny_unet();
  const Tensor x = tiny_images(3);
  unet.forward(x, Graph::create);
  const Tensor together = unet.forward(x, Graph::none);
  EXPECT_TRUE(at::allclose(unet.forward(x.narrow(0, 1, 1), Graph::none), together.narrow(0, 1, 1),
                           1e-10, 1e-12));
}

TEST(UNet, RefusesWithOneLine) {
  Random random(1, "network");
  EXPECT_EQ(message_of([&] { UNet({.size = 40}, random); }),
            "unet.size: expected a multiple of 16, got 40");
  const UNet unet = tiny_unet();
  const auto forward = [&](at::IntArrayRef shape) {
    return message_of([&] { unet.forward(at::zeros(shape, at::kDouble), Graph::none); });
  };
  const std::string expected = "unet: expected images [n, 3, h, w] or rows [n, 768], got ";
  EXPECT_EQ(forward({1, 2, 16, 16}), expected + "[1, 2, 16, 16]");
  EXPECT_EQ(forward({3, 16, 16}), expected + "[3, 16, 16]");
  EXPECT_EQ(forward({1, 3, 16, 24}), "unet: expected sides that 16 divides, got [1, 3, 16, 24]");
  EXPECT_THROW(unet_declaration().read({{"width", std::int64_t{0}}}, "network"), Error);
  EXPECT_THROW(unet_declaration().read({{"wdith", std::int64_t{4}}}, "network"), Error);
}

TEST(UNet, IsRebuiltFromOptionsParametersAndStatistics) {
  const UNet unet = tiny_unet();
  const Tensor x = tiny_images(3);
  unet.forward(x, Graph::create);
  Random random(9, "network");
  const UNet rebuilt(unet_declaration().read(unet.options(), "network"), random, at::kDouble);
  load(unet.parameters(), rebuilt.parameters());
  load(unet.statistics(), rebuilt.statistics());
  EXPECT_TRUE(at::equal(rebuilt.forward(x, Graph::none), unet.forward(x, Graph::none)));
}

}  // namespace
}  // namespace monge
