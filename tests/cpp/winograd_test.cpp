#include "kernels/winograd.h"

#include "monge/random.h"

#include "kernels/convolution.h"
#include "kernels/image_passes.h"
#include "kernels/instruction_set.h"
#include "kernels/winograd_loops.h"

namespace monge::kernels {
namespace {

struct Shape {
  std::int64_t images, in, out, height, width;
};

/// Sides that 4 does and does not divide, channels beyond whole registers, weights that are
/// transformed in more than one part, and what chance adds.
std::vector<Shape> shapes() {
  std::vector<Shape> all{
      {2, 32, 32, 8, 8}, {1, 33, 40, 10, 7}, {3, 5, 3, 1, 2}, {1, 300, 280, 8, 9}};
  Random random(4, "shapes");
  for (int i = 0; i < 12; ++i) {
    const auto size = [&](std::int64_t most) {
      return 1 + random.integers(most, 1).item<std::int64_t>();
    };
    all.push_back({size(4), size(90), size(90), size(20), size(20)});
  }
  return all;
}

double gap(const Tensor& a, const Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

/// Rounding is about 20 units in the last place, from the transforms' numbers up to 8.
TEST(Winograd, IsTheConvolutionAndItsDerivatives) {
  Random random(1, "test");
  for (const auto& [n, in, out, h, w] : shapes()) {
    const Tensor x = channels_last(random.normal({n, in, h, w}));
    const Tensor g = channels_last(random.normal({n, out, h, w}));
    const Tensor weight = random.normal({out, 3, 3, in}), bias = random.normal({out});
    EXPECT_LT(gap(winograd(x, weight, bias), direct_convolve(x, weight, bias)), 1e-5);
    EXPECT_LT(gap(winograd(x, weight, {}), direct_convolve(x, weight, {})), 1e-5);
    EXPECT_LT(gap(winograd_back(g, weight), direct_convolve_back(g, weight)), 1e-5);
    EXPECT_LT(gap(winograd_weight_back(g, x), direct_convolve_weight_back(g, x, 3)), 1e-5);
  }
}

TEST(Winograd, GivesTheSameBitsOnEveryCall) {
  Random random(2, "test");
  const Tensor x = channels_last(random.normal({4, 32, 16, 16}));
  const Tensor g = channels_last(random.normal({4, 48, 16, 16}));
  EXPECT_TRUE(at::equal(winograd_weight_back(g, x), winograd_weight_back(g, x)));
}

std::vector<const WinogradLoops*> tables() {
  std::vector<const WinogradLoops*> found{&winograd_loops_any};
#ifdef __x86_64__
  if (instruction_set() != InstructionSet::any) found.push_back(&winograd_loops_avx2);
  if (instruction_set() == InstructionSet::avx512) found.push_back(&winograd_loops_avx512);
#endif
  return found;
}

/// One tile by the definition: the table's transforms and a product for each of the 36 places.
TEST(Winograd, EveryTableConvolvesATile) {
  constexpr std::int64_t channels = 23;
  Random random(3, "test");
  const Tensor x = random.normal({1, channels, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor w = random.normal({1, 3, 3, channels});
  const Tensor expected = at::conv2d(x, as_filters(w)).flatten();
  for (const WinogradLoops* loops : tables()) {
    const Tensor tile = at::empty({36, channels}), taps = at::empty({36, channels});
    std::vector<const float*> pixels, weights;
    for (int i = 0; i < 36; ++i) pixels.push_back(x.const_data_ptr<float>() + i * channels);
    for (int i = 0; i < 9; ++i) weights.push_back(w.const_data_ptr<float>() + i * channels);
    loops->input(channels, pixels.data(), tile.data_ptr<float>(), channels);
    loops->weight(channels, weights.data(), taps.data_ptr<float>(), channels);
    const Tensor products = (tile * taps).sum(1);
    const Tensor result = at::empty({16});
    std::vector<float*> to;
    for (int i = 0; i < 16; ++i) to.push_back(result.data_ptr<float>() + i);
    loops->output(1, products.const_data_ptr<float>(), 1, nullptr, to.data());
    EXPECT_LT(gap(result, expected), 1e-5);
  }
}

}  // namespace
}  // namespace monge::kernels
