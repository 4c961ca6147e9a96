#include "solvers/frame_entry.h"

#include "monge/random.h"

namespace monge {
namespace {

TEST(FrameEntry, EntersAsTheFrameDoes) {
  Random random(1, "frame");
  for (const std::int64_t d : {1, 2, 8, 9, 40}) {
    const AffineFrame frame{random.normal({d, d}), 100 + random.normal({d}), random.normal({d}), 3};
    FrameEntry entry(frame);
    for (const std::int64_t n : {5, 200, 5}) {
      const Tensor x = 100 + random.normal({n, d});
      const Tensor plain = frame.enter(x);
      EXPECT_TRUE(at::allclose(entry.enter(x), plain, 1e-5, 1e-5)) << d;
    }
  }
}

TEST(FrameEntry, TheIdentityLeavesThePointsWhereTheyAre) {
  FrameEntry entry(identity_frame(3).to_dtype(at::kFloat));
  const Tensor x = at::ones({4, 3});
  EXPECT_TRUE(entry.enter(x).is_same(x));
}

TEST(FrameEntry, KeepsItsMemory) {
  Random random(2, "frame");
  const AffineFrame frame{random.normal({2, 2}), at::zeros({2}), at::zeros({2}), 1};
  FrameEntry entry(frame);
  const void* memory = entry.enter(random.normal({6, 2})).data_ptr();
  EXPECT_EQ(entry.enter(random.normal({6, 2})).data_ptr(), memory);
}

}  // namespace
}  // namespace monge
