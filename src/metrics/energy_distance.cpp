#include "monge/error.h"
#include "monge/metric.h"

namespace monge {
namespace {

constexpr std::int64_t kPairs = 1 << 22;  // distances held at a time, 32 MiB

Tensor distances(const Tensor& x, const Tensor& y) { return at::cdist(x, y, 2, /*always mm=*/1); }

double mean_distance(const Tensor& x, const Tensor& y) {
  const std::int64_t rows = std::max<std::int64_t>(1, kPairs / y.size(0));
  double sum = 0;
  for (const Tensor& block : x.split(rows)) sum += distances(block, y).sum().item<double>();
  return sum / (static_cast<double>(x.size(0)) * static_cast<double>(y.size(0)));
}

/// The mean over pairs of two different rows; each pair is taken once.
double mean_distance_within(const Tensor& x) {
  const std::int64_t n = x.size(0), rows = std::max<std::int64_t>(1, kPairs / n);
  double sum = 0;
  for (std::int64_t start = 0; start < n; start += rows) {
    const Tensor block = x.narrow(0, start, std::min(rows, n - start));
    sum += distances(block, x.narrow(0, start, n - start)).triu_(1).sum().item<double>();
  }
  return sum / (0.5 * static_cast<double>(n) * static_cast<double>(n - 1));
}

}  // namespace

double energy_distance(const Tensor& x, const Tensor& y) {
  if (x.dim() != 2 || y.dim() != 2 || x.size(1) != y.size(1) || x.size(0) < 2 || y.size(0) < 2)
    fail("energy distance", "[n, d] and [m, d] with n, m >= 2",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  const at::NoGradGuard no_graph;
  // Centred, so that an offset costs no digits in the matrix products below.
  const Tensor centre = y.to(at::kDouble).mean(0);
  const Tensor from = x.to(at::kDouble) - centre, to = y.to(at::kDouble) - centre;
  return 2 * mean_distance(from, to) - mean_distance_within(from) - mean_distance_within(to);
}

}  // namespace monge
