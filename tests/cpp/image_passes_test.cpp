#include "kernels/image_passes.h"

#include "monge/networks/resnet_critic.h"
#include "monge/random.h"

#include "kernels/cholesky.h"
#include "plain_critic.h"

#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

namespace monge::kernels {
namespace {

/// The tolerance that image_loops.h states, by dtype.
double tolerance(at::ScalarType type) { return type == at::kFloat ? 1e-5 : 1e-12; }

/// Agreement relative to the largest number: sums over pixels may cancel.
void expect_near(const Tensor& result, const Tensor& expected, const char* what) {
  ASSERT_EQ(result.sizes(), expected.sizes()) << what;
  const double scale = std::max(expected.abs().max().item<double>(), 1.0);
  EXPECT_LE((result - expected).abs().max().item<double>(),
            tolerance(expected.scalar_type()) * scale)
      << what << " of " << fmt::format("{}", expected.sizes());
}

/// Activations of random shapes, 1 and odd sizes among them, in both dtypes.
std::vector<Tensor> activations(bool even_sides = false) {
  Random random(5, "shapes");
  std::vector<Tensor> all;
  for (const at::ScalarType type : {at::kFloat, at::kDouble})
    for (int i = 0; i < 24; ++i) {
      const auto size = [&](std::int64_t most) {
        return i < 2 ? 1 : 1 + random.integers(most, 1).item<std::int64_t>();
      };
      const std::int64_t n = size(5), c = size(70), h = size(9), w = size(9);
      const std::int64_t times = even_sides ? 2 : 1;
      all.push_back(channels_last(random.normal({n, c, times * h, times * w}).to(type)));
    }
  return all;
}

Tensor normal_like(const Tensor& like, std::uint64_t seed) {
  return channels_last(Random(seed, "like").normal(like.sizes()).to(like.scalar_type()));
}

TEST(ImagePasses, LeakyReluAndItsDerivativeAreThoseOfTheirFormulas) {
  constexpr double slope = 0.2, ratio = 0.3;
  for (const Tensor& x : activations()) {
    const Tensor d = normal_like(x, 1), g = normal_like(x, 2);
    Tensor a = d.clone();
    residual_leaky_(a, x, ratio, slope);
    const Tensor expected = at::leaky_relu(x + ratio * d, slope);
    expect_near(a, expected, "residual");
    const Tensor slopes = at::where(expected > 0, at::ones_like(g), at::full_like(g, slope));
    for (const Signs& signs : {Signs::whole(a), Signs::packed(a)}) {
      expect_near(signs.back(g, ratio, slope), ratio * slopes * g, "leaky back");
      Tensor in_place = g.clone();
      signs.back_(in_place, ratio, slope);
      expect_near(in_place, ratio * slopes * g, "leaky back in place");
      expect_near(signs.factors(g, slope), slopes, "factors");
    }
    Tensor alone = d.clone();
    leaky_(alone, slope);
    expect_near(alone, at::leaky_relu(d, slope), "leaky");
  }
}

TEST(ImagePasses, NormalisationAndItsDerivativesAreThoseOfItsFormula) {
  constexpr double epsilon = 1e-3;
  for (const Tensor& x : activations()) {
    if (x.numel() / x.size(1) < 4) continue;  // the variance of so few is no scale
    const auto channel = [&](std::uint64_t seed) {
      return Random(seed, "channel").normal({x.size(1)}).to(x.scalar_type());
    };
    const auto spread = [](const Tensor& one) { return one.view({1, -1, 1, 1}); };
    Tensor y = (3 * x + spread(channel(3))).detach();
    Tensor scale = 1 + 0.3 * channel(4), shift = channel(5);
    const Moments moments = moments_of(y);
    expect_near(moments.mean, y.mean({0, 2, 3}), "mean");
    expect_near(moments.variance, y.var({0, 2, 3}, 0), "variance");
    const Normalisation norm = normalisation(moments.mean, moments.variance, scale, shift, epsilon);
    for (Tensor* leaf : {&y, &scale, &shift}) leaf->requires_grad_();
    const Tensor centred = y - spread(y.mean({0, 2, 3}));
    const Tensor deviation = (centred.square().mean({0, 2, 3}) + epsilon).sqrt();
    const Tensor z = at::relu(spread(scale) * centred / spread(deviation) + spread(shift));
    const Tensor g = normal_like(x, 6);
    const auto expected = torch::autograd::grad({z}, {y, scale, shift}, {g});
    const at::NoGradGuard no_graph;
    expect_near(normalised_relu(y, norm), z, "normalised");
    Tensor in_place = y.detach().clone();
    normalised_relu_(in_place, norm);
    expect_near(in_place, z, "normalised in place");
    for (const Reuse reuse : {Reuse::none, Reuse::in_place}) {
      const NormalisedBack back = normalised_relu_back(g.clone(), y.detach(), norm, reuse);
      expect_near(back.y, expected[0], "derivative in y");
      expect_near(back.scale, expected[1], "derivative in the scale");
      expect_near(back.shift, expected[2], "derivative in the shift");
    }
  }
}

TEST(ImagePasses, MaximaAndTheirDerivativesAreAtens) {
  for (const Tensor& x : activations(true)) {
    Tensor leaf = x.detach().clone().requires_grad_();
    const Tensor pooled = at::max_pool2d(leaf, 2);
    const Tensor g = normal_like(pooled, 7);
    const Tensor expected = torch::autograd::grad({pooled}, {leaf}, {g})[0];
    const at::NoGradGuard no_graph;
    const auto [largest, which] = max_pool(x);
    EXPECT_TRUE(at::equal(largest, pooled));
    EXPECT_TRUE(at::equal(max_pool_back(g, which), expected));
  }
}

/// In float32 a ReLU may open on one side of rounding and stay shut on the other, so gradients of
/// whole networks are held to the norm.
TEST(ImagePasses, CriticsInFloat32HaveTheGradientsOfThePlainNetworkInFloat64) {
  Random random(8, "critic");
  for (const std::int64_t size : {32, 64}) {
    const ResNetCriticOptions options{.size = size, .width = 32, .max_width = 64};
    const ResNetCritic critic(options, random);
    State exact;
    for (const auto& [name, tensor] : critic.parameters())
      exact[name] = tensor.detach().to(at::kDouble).requires_grad_();
    const Tensor x = random.normal({3, 3, size, size});
    const Tensor x_exact = x.to(at::kDouble).requires_grad_();
    const Tensor value = plain_critic(exact, options, x_exact);
    std::vector<Tensor> wanted{x_exact}, mine{x.clone().requires_grad_()};
    for (const auto& [name, tensor] : critic.parameters()) {
      wanted.push_back(exact.at(name));
      mine.push_back(tensor);
    }
    const Tensor found = critic.value(mine.front(), Graph::create);
    EXPECT_LT(((found - value).norm() / value.norm()).item<double>(), 1e-4);
    const auto expected = torch::autograd::grad({value.sum()}, wanted);
    const auto gradients = torch::autograd::grad({found.sum()}, mine);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_LT((gradients[i] - expected[i]).norm().item<double>(),
                1e-3 * expected[i].norm().item<double>())
          << i;
  }
}

TEST(Cholesky, SolvesPositiveDefiniteSystemsAndSaysWhichAreNot) {
  Random random(9, "cholesky");
  for (const std::int64_t n : {1, 2, 7, 33, 90}) {
    const Tensor root = random.normal({n, n});
    const Tensor a = root.mm(root.t()) + static_cast<double>(n) * at::eye(n);
    const Tensor right = random.normal({n});
    Tensor factor = a.clone(), solution = right.clone();
    ASSERT_TRUE(solve_positive_definite(n, factor.data_ptr<float>(), solution.data_ptr<float>()));
    EXPECT_LT((a.mv(solution) - right).norm().item<double>(), 1e-5 * right.norm().item<double>());
    for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
      factor = a.clone(), solution = right.clone();
      factor[n - 1][n - 1] = bad;
      EXPECT_FALSE(
          solve_positive_definite(n, factor.data_ptr<float>(), solution.data_ptr<float>()));
      EXPECT_TRUE(at::equal(solution, right));
    }
  }
}

}  // namespace
}  // namespace monge::kernels
