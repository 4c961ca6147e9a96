#include "monge/random.h"

#include "monge/error.h"

#include "kernels/random_loops.h"

#include <numeric>

namespace monge {
namespace {

using kernels::RandomLoops;

std::vector<std::pair<std::string, const RandomLoops*>> supported_loops() {
  std::vector<std::pair<std::string, const RandomLoops*>> tables{
      {"any", &kernels::random_loops_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::random_loops_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::random_loops_avx512);
#endif
  return tables;
}

std::array<std::uint64_t, RandomLoops::state_words> state_of(const Random& random) {
  std::array<std::uint64_t, RandomLoops::state_words> words;
  std::memcpy(words.data(), random.state().const_data_ptr(), sizeof(words));
  return words;
}

/// Pearson's statistic of counts that should be equal.
double chi_squared(const std::vector<std::int64_t>& counts) {
  const double expected =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})) /
      static_cast<double>(counts.size());
  double sum = 0;
  for (const std::int64_t count : counts) {
    const double gap = static_cast<double>(count) - expected;
    sum += gap * gap / expected;
  }
  return sum;
}

/// The largest gap between the distribution of the sorted probabilities and the uniform one, times
/// the root of their number: above 2.6 with probability 2 exp(-2 · 2.6²) = 3e-6 (Kolmogorov).
double kolmogorov(std::vector<double> levels) {
  std::ranges::sort(levels);
  const auto n = static_cast<double>(levels.size());
  double gap = 0;
  for (std::size_t i = 0; i < levels.size(); ++i)
    gap = std::max(
        {gap, static_cast<double>(i + 1) / n - levels[i], levels[i] - static_cast<double>(i) / n});
  return gap * std::sqrt(n);
}

/// The correlation of two series of mean 0 and variance `variance` in standard errors.
double correlation(const Tensor& a, const Tensor& b, double variance) {
  const auto n = static_cast<double>(a.numel());
  return (a * b).sum().item<double>() / (variance * std::sqrt(n));
}

TEST(Random, BitsAreThoseOfXoshiro) {
  const Random random(3, "data");
  auto state = state_of(random);
  std::array<std::uint64_t, 80> drawn;
  Random(random).fill_bits(drawn);
  const auto rotated = [](std::uint64_t word, int by) {
    return (word << by) | (word >> (64 - by));
  };
  for (std::size_t g = 0; g < 8; ++g)
    for (std::size_t block = 0; block < 10; ++block) {
      // Blackman & Vigna 2021, figure "xoshiro256++".
      std::uint64_t &s0 = state[g], &s1 = state[8 + g], &s2 = state[16 + g], &s3 = state[24 + g];
      ASSERT_EQ(drawn[8 * block + g], rotated(s0 + s3, 23) + s0);
      const std::uint64_t shifted = s1 << 17;
      s2 ^= s0;
      s3 ^= s1;
      s1 ^= s2;
      s0 ^= s3;
      s2 ^= shifted;
      s3 = rotated(s3, 45);
    }
}

TEST(Random, AllInstructionSetsGiveTheSameNumbers) {
  for (const auto& [name, loops] : supported_loops()) {
    auto one = state_of(Random(1, "sets")), other = one;
    std::vector<std::uint64_t> bits(8 * 33), expected_bits(bits.size());
    loops->bits(one.data(), 33, bits.data());
    kernels::random_loops_any.bits(other.data(), 33, expected_bits.data());
    EXPECT_EQ(bits, expected_bits) << name;
    std::vector<float> numbers(16 * 1001), expected(numbers.size());
    loops->uniform(one.data(), 1001, numbers.data());
    kernels::random_loops_any.uniform(other.data(), 1001, expected.data());
    EXPECT_EQ(numbers, expected) << name;
    loops->normal(one.data(), 500, numbers.data());
    kernels::random_loops_any.normal(other.data(), 500, expected.data());
    for (std::size_t i = 0; i < numbers.size(); ++i)
      ASSERT_NEAR(numbers[i], expected[i], 1e-6f * (1 + std::abs(expected[i]))) << name;
    EXPECT_EQ(one, other) << name;
  }
}

/// Means of powers within 6 standard errors: false alarms 4 · 2e-9 for each set.
TEST(Random, NormalsHaveTheirMoments) {
  for (const auto& [name, loops] : supported_loops()) {
    auto state = state_of(Random(2, name));
    constexpr std::int64_t n = 1 << 22;
    const Tensor numbers = at::empty({n}, at::kFloat);
    loops->normal(state.data(), n / RandomLoops::normal_block, numbers.data_ptr<float>());
    const Tensor x = numbers.to(at::kDouble);
    // E x^k and Var x^k = E x^2k - (E x^k)².
    const std::vector<std::array<double, 2>> truth{{0, 1}, {1, 2}, {0, 15}, {3, 96}};
    for (int power = 1; power <= 4; ++power) {
      const auto [mean, variance] = truth[power - 1];
      const double error = x.pow(power).mean().item<double>() - mean;
      EXPECT_LT(std::abs(error), 6 * std::sqrt(variance / static_cast<double>(n)))
          << name << " power " << power;
    }
  }
}

TEST(Random, NormalsAndUniformsHaveTheirDistribution) {
  for (const auto& [name, loops] : supported_loops()) {
    auto state = state_of(Random(3, name));
    std::vector<float> numbers(1 << 20);
    loops->normal(state.data(), std::ssize(numbers) / RandomLoops::normal_block, numbers.data());
    std::vector<double> levels;
    for (const float x : numbers) levels.push_back(0.5 * std::erfc(-x / std::sqrt(2.0)));
    EXPECT_LT(kolmogorov(levels), 2.6) << name;
    loops->uniform(state.data(), std::ssize(numbers) / RandomLoops::uniform_block, numbers.data());
    EXPECT_LT(kolmogorov({numbers.begin(), numbers.end()}), 2.6) << name;
    for (const float u : numbers) {
      ASSERT_TRUE(u >= 0 && u < 1);
      ASSERT_EQ(u * 0x1p24f, std::floor(u * 0x1p24f));
    }
  }
}

/// How many of 2^29 numbers lie beyond 3 to 5.5 standard deviations. Within 6 standard errors and
/// within [1, 48] where 20.4 are expected: false alarms 1e-7 together, by the Poisson distribution.
TEST(Random, NormalsHaveTheirTails) {
  constexpr std::array<double, 6> bounds{3, 3.5, 4, 4.5, 5, 5.5};
  std::array<double, bounds.size()> counts{};
  constexpr std::int64_t size = 1 << 14, repetitions = 1 << 15;
  std::vector<float> numbers(size);
  Random random(4, "tails");
  for (std::int64_t i = 0; i < repetitions; ++i) {
    random.fill_normal(numbers);
    for (const float x : numbers)
      if (std::abs(x) > 3)
        for (std::size_t k = 0; k < bounds.size(); ++k) counts[k] += std::abs(x) > bounds[k];
  }
  for (std::size_t k = 0; k < bounds.size(); ++k) {
    const double expected =
        static_cast<double>(size * repetitions) * std::erfc(bounds[k] / std::sqrt(2.0));
    EXPECT_NEAR(counts[k], expected, 6 * std::sqrt(expected) + (bounds[k] > 5 ? 1 : 0))
        << bounds[k];
  }
  EXPECT_GE(counts.back(), 1);
  EXPECT_LE(counts.back(), 48);
}

/// Neighbours of every distance up to two blocks, and their squares (both numbers of a pair share
/// their radius), within 6 standard errors: false alarms 128 · 2e-9.
TEST(Random, NumbersOfAStreamAreIndependent) {
  constexpr std::int64_t n = 1 << 20;
  const Tensor x = Random(5, "neighbours").normal({n + 64}).to(at::kDouble);
  const Tensor square = x.square() - 1;
  const auto from = [](const Tensor& series, std::int64_t lag) { return series.narrow(0, lag, n); };
  for (std::int64_t lag = 1; lag <= 64; ++lag) {
    EXPECT_LT(std::abs(correlation(from(x, 0), from(x, lag), 1)), 6) << lag;
    EXPECT_LT(std::abs(correlation(from(square, 0), from(square, lag), 2)), 6) << lag;
  }
}

/// 60 streams, 1770 pairs within 6 standard errors: false alarms 4e-6.
TEST(Random, StreamsOfDifferentNamesAndSeedsAreIndependent) {
  constexpr std::int64_t n = 1 << 14;
  std::vector<Tensor> streams;
  for (const char* name : {"source", "target", "network", "start", "a", "b"})
    for (std::uint64_t seed = 0; seed < 10; ++seed)
      streams.push_back(Random(seed, name).normal({n}).to(at::kDouble));
  EXPECT_TRUE(at::equal(streams[1], Random(1, "source").normal({n}).to(at::kDouble)));
  const Tensor all = at::stack(streams);
  Tensor products = all.matmul(all.t()) / std::sqrt(static_cast<double>(n));
  products.fill_diagonal_(0);
  EXPECT_LT(products.abs().max().item<double>(), 6);
}

TEST(Random, GoesOnFromASavedStateAnywhere) {
  for (const std::int64_t before : {0, 1, 7, 16, 31, 32, 33, 1000}) {
    Random random(6, "data");
    random.normal({before});
    random.uniform({before / 2});
    random.integers(10, before);
    const Tensor state = random.state();
    EXPECT_EQ(state.numel(), 256);
    Random other(7, "other");
    other.set_state(state);
    for (const std::int64_t n : {1, 33, 1000}) {
      EXPECT_TRUE(at::equal(random.normal({n}), other.normal({n})));
      EXPECT_TRUE(at::equal(random.uniform({n}), other.uniform({n})));
      EXPECT_TRUE(at::equal(random.permutation(n), other.permutation(n)));
    }
    EXPECT_TRUE(at::equal(random.state(), other.state()));
  }
}

TEST(Random, RefusesWhatIsNoState) {
  Random random(8, "data");
  const Tensor before = random.state();
  EXPECT_THROW(random.set_state(at::ones({3}, at::kByte)), Error);
  EXPECT_THROW(random.set_state(at::ones({5056}, at::kByte)), Error);
  EXPECT_THROW(random.set_state(at::ones({256}, at::kFloat)), Error);
  EXPECT_THROW(random.set_state(at::zeros({256}, at::kByte)), Error);
  EXPECT_TRUE(at::equal(random.state(), before));
}

TEST(Random, ACopyGoesOnByItself) {
  Random random(9, "data");
  Random copy = random;
  const Tensor expected = random.normal({100});
  random.normal({100});
  EXPECT_TRUE(at::equal(copy.normal({100}), expected));
}

/// Chi-squared with high - 1 degrees of freedom, above its mean by 7 standard deviations or 40:
/// false alarms below 1e-5 each.
TEST(Random, IntegersAreUniform) {
  for (const std::int64_t high : {1, 2, 3, 6, 7, 100, 1000}) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(high));
    const Tensor drawn = Random(10, "integers").integers(high, 200000);
    for (std::int64_t i = 0; i < drawn.numel(); ++i)
      ++counts.at(static_cast<std::size_t>(drawn.const_data_ptr<std::int64_t>()[i]));
    const auto freedom = static_cast<double>(high - 1);
    EXPECT_LE(chi_squared(counts), freedom + std::max(7 * std::sqrt(2 * freedom), 40.0)) << high;
  }
  EXPECT_THROW(Random(1, "integers").integers(0, 5), Error);
}

/// With 3 · 2^61 = 3/8 · 2^64 values, an upper half that is taken as it comes has the remainders
/// 3/8, 3/8 and 2/8 of the time. Chi-squared with 2 degrees of freedom above 30: exp(-15) = 3e-7.
TEST(Random, IntegersBelowALargeBoundHaveNoBias) {
  const Tensor drawn = Random(11, "integers").integers(std::int64_t{3} << 61, 100000);
  std::vector<std::int64_t> counts(3);
  for (std::int64_t i = 0; i < drawn.numel(); ++i)
    ++counts.at(static_cast<std::size_t>(drawn.const_data_ptr<std::int64_t>()[i] % 3));
  EXPECT_LT(chi_squared(counts), 30);
}

TEST(Random, PermutationsHoldEveryNumberOnce) {
  Random random(12, "order");
  for (const std::int64_t n : {0, 1, 2, 63, 1000}) {
    const Tensor order = random.permutation(n);
    EXPECT_TRUE(at::equal(std::get<0>(order.sort()), at::arange(n, at::kLong)));
  }
}

/// All 24 orders of four, chi-squared with 23 degrees of freedom above 75: false alarms 2e-7.
TEST(Random, PermutationsAreUniform) {
  Random random(13, "order");
  std::map<std::array<std::int64_t, 4>, std::int64_t> counts;
  for (int i = 0; i < 48000; ++i) {
    std::array<std::int64_t, 4> order;
    random.fill_permutation(order);
    ++counts[order];
  }
  ASSERT_EQ(counts.size(), 24u);
  std::vector<std::int64_t> all;
  for (const auto& [order, count] : counts) all.push_back(count);
  EXPECT_LT(chi_squared(all), 75);
}

TEST(Random, FillsMemoryWithTheNumbersOfTheTensors) {
  for (const std::size_t n : {1u, 31u, 64u, 1001u}) {
    Random one(14, "fill"), other = one;
    std::vector<float> numbers(n);
    std::vector<std::int64_t> integers(n);
    const auto size = static_cast<std::int64_t>(n);
    one.fill_normal(numbers);
    EXPECT_TRUE(at::equal(at::tensor(numbers), other.normal({size})));
    one.fill_uniform(numbers);
    EXPECT_TRUE(at::equal(at::tensor(numbers), other.uniform({size})));
    one.fill_integers(77, integers);
    EXPECT_TRUE(at::equal(at::tensor(integers), other.integers(77, size)));
    one.fill_permutation(integers);
    EXPECT_TRUE(at::equal(at::tensor(integers), other.permutation(size)));
  }
}

}  // namespace
}  // namespace monge
