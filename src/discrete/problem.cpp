#include "discrete/problem.h"

#include "monge/error.h"

namespace monge {
namespace {

void check_shapes(std::string_view where, const Tensor& x, const Tensor& y) {
  if (x.dim() != 2 || y.dim() != 2 || x.size(1) != y.size(1) || x.size(0) < 1 || y.size(0) < 1)
    fail(where, "[n, d] and [m, d] with n, m >= 1",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  constexpr std::int64_t most = std::int64_t{1} << 30;  // nodes have 32-bit numbers
  if (x.size(0) >= most || y.size(0) >= most || x.size(0) + y.size(0) >= most)
    fail(where, "fewer than 2^30 points", fmt::format("{} + {}", x.size(0), y.size(0)));
}

Tensor finite(std::string_view where, std::string_view side, const Tensor& points) {
  const Tensor numbers = points.to(at::kCPU, at::kDouble).contiguous();
  const Tensor wrong = numbers.sum(1).isfinite().logical_not();
  if (wrong.any().item<bool>())
    fail(where, fmt::format("finite {} points", side),
         fmt::format("row {} with a value that is not finite",
                     wrong.to(at::kInt).argmax().item<std::int64_t>()));
  return numbers;
}

}  // namespace

Tensor checked_weights(std::string_view where, std::string_view side, const Tensor& weights,
                       std::int64_t n) {
  if (!weights.defined()) return at::full({n}, 1 / static_cast<double>(n), at::kDouble);
  if (weights.dim() != 1 || weights.size(0) != n)
    fail(where, fmt::format("{} weights [{}]", side, n), shape_text(weights));
  const Tensor numbers = weights.to(at::kCPU, at::kDouble).contiguous();
  const Tensor wrong = numbers.gt(0).logical_and(numbers.isfinite()).logical_not();
  if (wrong.any().item<bool>()) {
    const auto first = wrong.to(at::kInt).argmax().item<std::int64_t>();
    fail(where, fmt::format("positive {} weights", side),
         fmt::format("{} at {}", numbers[first].item<double>(), first));
  }
  const double sum = numbers.sum().item<double>();
  if (std::abs(sum - 1) > 1e-8)
    fail(where, fmt::format("{} weights that sum to 1", side), fmt::format("{:.10g}", sum));
  return numbers / sum;
}

DiscreteProblem discrete_problem(std::string_view where, const Tensor& x, const Tensor& y,
                                 const DiscreteWeights& weights) {
  check_shapes(where, x, y);
  return {finite(where, "source", x), finite(where, "target", y),
          checked_weights(where, "source", weights.source, x.size(0)),
          checked_weights(where, "target", weights.target, y.size(0))};
}

}  // namespace monge
