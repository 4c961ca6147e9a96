#include "monge/sampler.h"

#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"

namespace monge {
namespace {

std::shared_ptr<const Measure> numbered(std::int64_t n) {
  return std::make_shared<ArrayMeasure>(at::arange(n, at::kFloat).unsqueeze(1));
}

TEST(Sampler, AFiniteMeasureIsSeenInShuffledPasses) {
  Sampler sampler(numbered(10), Random(4, "source"));
  std::vector<Tensor> drawn;
  for (int i = 0; i < 10; ++i) drawn.push_back(sampler.next(3));
  const Tensor all = at::cat(drawn).flatten();
  for (int pass = 0; pass < 3; ++pass) {
    const Tensor sorted = std::get<0>(all.narrow(0, 10 * pass, 10).sort());
    EXPECT_TRUE(at::equal(sorted, at::arange(10, at::kFloat)));
  }
  EXPECT_FALSE(at::equal(all.narrow(0, 0, 10), all.narrow(0, 10, 10)));
}

TEST(Sampler, ABatchMayBeLargerThanTheMeasure) {
  Sampler sampler(numbered(4), Random(5, "source"));
  const Tensor batch = sampler.next(10).flatten();
  EXPECT_EQ(batch.size(0), 10);
  EXPECT_TRUE(at::equal(std::get<0>(batch.narrow(0, 0, 4).sort()), at::arange(4, at::kFloat)));
}

TEST(Sampler, ARestoredStreamGoesOnWithTheSamePoints) {
  const auto gaussian = std::make_shared<GaussianMeasure>(
      Moments{at::zeros({2}, at::kDouble), at::eye(2, at::kDouble)});
  for (const std::shared_ptr<const Measure>& measure :
       {numbered(100), std::shared_ptr<const Measure>(gaussian)}) {
    for (const int before : {0, 1, 5, 40}) {
      Sampler one(measure, Random(6, "source"));
      for (int i = 0; i < before; ++i) one.next(7);
      State saved;
      for (const auto& [name, tensor] : one.state()) saved[name] = tensor.clone();
      Sampler other(measure, Random(99, "other"));
      other.next(3);
      other.restore(saved);
      for (int i = 0; i < 40; ++i) ASSERT_TRUE(at::equal(one.next(7), other.next(7)));
    }
  }
}

TEST(Sampler, AHeldBatchStaysAndAFreeOneIsUsedAgain) {
  Sampler sampler(numbered(100), Random(7, "source"));
  const Tensor held = sampler.next(7);
  const Tensor kept = held.clone();
  const Tensor view = sampler.next(7).narrow(0, 1, 2);
  const Tensor kept_view = view.clone();
  const void* memory = sampler.next(7).data_ptr();
  EXPECT_EQ(sampler.next(7).data_ptr(), memory);
  EXPECT_TRUE(at::equal(held, kept));
  EXPECT_TRUE(at::equal(view, kept_view));
}

TEST(Sampler, TellsWhereThePointsOfABatchStand) {
  Sampler sampler(numbered(10), Random(8, "source"));
  EXPECT_TRUE(sampler.indices().empty());
  for (const std::int64_t n : {3, 3, 3, 3, 25, 1}) {  // passes end within the fourth and the fifth
    const Tensor batch = sampler.next(n).flatten();
    const auto indices = sampler.indices();
    ASSERT_EQ(std::ssize(indices), n);
    for (std::int64_t i = 0; i < n; ++i)
      EXPECT_EQ(batch[i].item<float>(), static_cast<float>(indices[i]));
  }
  const auto gaussian = std::make_shared<GaussianMeasure>(
      Moments{at::zeros({2}, at::kDouble), at::eye(2, at::kDouble)});
  Sampler endless(gaussian, Random(8, "source"));
  endless.next(5);
  EXPECT_TRUE(endless.indices().empty());
}

TEST(Problem, RefusesMeasuresOfDifferentDimension) {
  const auto plane = std::make_shared<GaussianMeasure>(
      Moments{at::zeros({2}, at::kDouble), at::eye(2, at::kDouble)});
  EXPECT_THROW(make_problem(numbered(5), plane, 0), Error);
}

}  // namespace
}  // namespace monge
