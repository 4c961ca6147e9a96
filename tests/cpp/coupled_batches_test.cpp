#include "solvers/coupled_batches.h"

#include "monge/error.h"

#include <map>

namespace monge {
namespace {

Tensor points(std::int64_t n, std::int64_t d, std::uint64_t seed) {
  return Random(seed, "points").normal({n, d});
}

Tensor rows_of(const Tensor& all, std::span<const std::int64_t> rows) {
  return all.index_select(0, at::tensor(at::IntArrayRef(rows.data(), rows.size()), at::kLong));
}

TEST(CoupledBatches, InOneDimensionTheOrdersAreSorted) {
  const Tensor x = points(64, 1, 1), y = points(64, 1, 2);
  CoupledBatches batches(0);
  batches.order(x, y);
  batches.draw(64);
  EXPECT_TRUE(at::equal(rows_of(x, batches.first()), std::get<0>(x.sort(0))));
  EXPECT_TRUE(at::equal(rows_of(y, batches.second()), std::get<0>(y.sort(0))));
}

TEST(CoupledBatches, EveryPointIsDrawnEquallyOften) {
  constexpr std::int64_t n = 300, m = 170, batch = 32, draws = 20000;
  CoupledBatches batches(3);
  batches.order(points(n, 3, 1), points(m, 3, 2));
  std::map<std::int64_t, double> first, second;
  for (std::int64_t i = 0; i < draws; ++i) {
    batches.draw(batch);
    for (const std::int64_t row : batches.first()) ++first[row];
    for (const std::int64_t row : batches.second()) ++second[row];
  }
  EXPECT_EQ(batches.drawn(), draws);
  const auto expect_even = [](const std::map<std::int64_t, double>& counts, std::int64_t size) {
    ASSERT_EQ(std::ssize(counts), size);
    const double mean = static_cast<double>(draws * batch) / static_cast<double>(size);
    for (const auto& [row, count] : counts) EXPECT_NEAR(count / mean, 1, 0.15) << row;
  };
  expect_even(first, n);
  expect_even(second, m);
}

/// The variance of the difference of two means of a smooth function.
template <class Draw>
double spread(const Tensor& x, const Tensor& y, Draw draw) {
  const auto mean = [](const Tensor& rows) { return rows.sin().sum(1).mean().item<double>(); };
  double sum = 0, squares = 0;
  constexpr int draws = 300;
  for (int i = 0; i < draws; ++i) {
    const auto [first, second] = draw();
    const double gap = mean(rows_of(x, first)) - mean(rows_of(y, second));
    sum += gap;
    squares += gap * gap;
  }
  return squares / draws - (sum / draws) * (sum / draws);
}

TEST(CoupledBatches, TakesTheNoiseOutOfADifference) {
  const Tensor x = points(4096, 3, 1), y = points(4096, 3, 2);
  CoupledBatches batches(0);
  batches.order(x, y);
  const double coupled = spread(x, y, [&] {
    batches.draw(128);
    return std::pair(batches.first(), batches.second());
  });
  Random random(0, "independent");
  std::vector<std::int64_t> first(128), second(128);
  const double independent = spread(x, y, [&] {
    random.fill_integers(4096, first);
    random.fill_integers(4096, second);
    return std::pair(std::span<const std::int64_t>(first), std::span<const std::int64_t>(second));
  });
  EXPECT_LT(coupled, independent / 10);
}

TEST(CoupledBatches, RestoredItGoesOn) {
  CoupledBatches batches(5);
  batches.order(points(50, 2, 1), points(70, 2, 2));
  batches.draw(8);
  CoupledBatches other(6);
  other.restore(batches.state());
  EXPECT_TRUE(other.orders(50, 70));
  EXPECT_EQ(other.drawn(), 1);
  batches.draw(8);
  other.draw(8);
  EXPECT_TRUE(std::ranges::equal(batches.first(), other.first()));
  EXPECT_TRUE(std::ranges::equal(batches.second(), other.second()));
}

TEST(CoupledBatches, RefusesAnOrderThatIsNone) {
  CoupledBatches batches(5);
  batches.order(points(50, 2, 1), points(70, 2, 2));
  State state = batches.state();
  state["order"] = at::full({50}, 7, at::kLong);
  EXPECT_THROW(batches.restore(state), Error);
  state["order"] = at::zeros({50});
  EXPECT_THROW(batches.restore(state), Error);
}

TEST(CoupledBatches, FewerPointsThanABatchAreRepeated) {
  CoupledBatches batches(0);
  batches.order(points(3, 2, 1), points(5, 2, 2));
  batches.draw(16);
  EXPECT_EQ(std::ssize(batches.first()), 16);
  EXPECT_TRUE(std::ranges::all_of(batches.first(), [](auto row) { return row >= 0 && row < 3; }));
  EXPECT_TRUE(std::ranges::all_of(batches.second(), [](auto row) { return row >= 0 && row < 5; }));
}

}  // namespace
}  // namespace monge
