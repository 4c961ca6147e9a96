#include "kernels/triangular.h"

#include "monge/random.h"

namespace monge {
namespace {

TEST(Triangular, ProductInPlaceIsThePlainOne) {
  Random random(1, "triangular");
  for (const std::int64_t d : {1, 3, 8, 9, 64, 65, 130, 200})
    for (const std::int64_t n : {1, 7, 128, 300}) {
      const Tensor x = random.normal({n, d}), r = random.normal({d, d}).triu();
      const Tensor offset = random.normal({d});
      const Tensor expected = x.to(at::kDouble).matmul(r.to(at::kDouble)) + offset.to(at::kDouble);
      kernels::times_triangular(n, d, x.data_ptr<float>(), r.const_data_ptr<float>(),
                                offset.const_data_ptr<float>());
      EXPECT_LT((x - expected).abs().max().item<double>(), 2e-6 * static_cast<double>(d) + 1e-5)
          << n << " x " << d;
    }
}

}  // namespace
}  // namespace monge
