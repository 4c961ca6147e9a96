#include "measures/categorical.h"

#include "monge/error.h"

namespace monge {

Tensor cumulative_weights(const Tensor& weights, std::int64_t k, std::string_view where) {
  if (weights.sizes() != at::IntArrayRef{k})
    fail(where, fmt::format("weights [{}]", k), shape_text(weights));
  const Tensor sums = weights.to(at::kDouble).cumsum(0);
  const auto total = sums[-1].item<double>();
  if (!std::isfinite(total) || !(total > 0) || weights.lt(0).any().item<bool>())
    fail(where, "finite weights of at least 0 with a positive sum",
         fmt::format("a sum of {} and a smallest weight of {}", total,
                     weights.min().to(at::kDouble).item<double>()));
  return sums / total;
}

Tensor probabilities(const Tensor& cumulative) {
  return at::diff(cumulative, 1, 0, at::zeros({1}, cumulative.options()));
}

Tensor draw_indices(const Tensor& cumulative, std::int64_t n, Random& random) {
  // float64: float32 numbers could not tell more than 2^24 indices apart.
  const Tensor level = at::rand({n}, random.generator(), at::kDouble);
  return at::searchsorted(cumulative, level, /*out_int32=*/false, /*right=*/true);
}

}  // namespace monge
