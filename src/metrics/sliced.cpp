#include "monge/error.h"
#include "monge/metric.h"

#include <numeric>

namespace monge {
namespace {

constexpr std::int64_t kProjected = 1 << 22;  // projected numbers held at a time

/// The monotone plan between n and m equally weighted, sorted numbers: the intervals of [0, 1) on
/// which both quantile functions are constant.
struct MonotonePlan {
  Tensor rows, columns;  // int64 [k]
  Tensor mass;           // float64 [k]
};

MonotonePlan monotone_plan(std::int64_t n, std::int64_t m) {
  // In units of 1 / lcm(n, m) every breakpoint is an integer.
  const std::int64_t row = m / std::gcd(n, m), column = n / std::gcd(n, m);
  const Tensor ends = std::get<0>(at::_unique(
      at::cat({at::arange(1, n + 1, at::kLong) * row, at::arange(1, m + 1, at::kLong) * column})));
  const Tensor mass = at::diff(ends, 1, 0, at::zeros({1}, at::kLong)).to(at::kDouble);
  return {at::floor_divide(ends - 1, row), at::floor_divide(ends - 1, column),
          mass / static_cast<double>(n * row)};
}

Tensor sorted_projections(const Tensor& points, const Tensor& directions) {
  return std::get<0>(at::matmul(directions, points.t()).sort(1));  // [projections, n]
}

}  // namespace

double sliced_w2_squared(const Tensor& x, const Tensor& y, std::int64_t projections,
                         Random& random) {
  if (x.dim() != 2 || y.dim() != 2 || x.size(1) != y.size(1) || x.size(0) < 1 || y.size(0) < 1)
    fail("sliced W2", "[n, d] and [m, d] with n, m >= 1",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  if (projections < 1) fail("sliced W2", "projections >= 1", fmt::format("{}", projections));
  const at::NoGradGuard no_graph;
  const Tensor from = x.to(at::kDouble), to = y.to(at::kDouble);
  Tensor directions = random.normal({projections, x.size(1)}).to(at::kDouble);
  directions /= directions.norm(2, {1}, /*keepdim=*/true);
  const MonotonePlan plan = monotone_plan(x.size(0), y.size(0));
  double sum = 0;
  const std::int64_t rows = std::max<std::int64_t>(1, kProjected / (x.size(0) + y.size(0)));
  for (const Tensor& some : directions.split(rows)) {
    const Tensor gap = sorted_projections(from, some).index_select(1, plan.rows) -
                       sorted_projections(to, some).index_select(1, plan.columns);
    sum += gap.square_().mv(plan.mass).sum().item<double>();
  }
  return sum / static_cast<double>(projections);
}

}  // namespace monge
