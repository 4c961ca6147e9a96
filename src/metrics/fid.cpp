#include "monge/fid.h"

#include "monge/affine.h"
#include "monge/error.h"

#include "arrays/npz_archive.h"
#include "arrays/readers.h"

namespace monge {
namespace {

/// The sum of the kernel over all pairs of rows.
double kernel_sum(const Tensor& x, const Tensor& y) {
  return (at::matmul(x, y.t()) / static_cast<double>(x.size(1)) + 1).pow_(3).sum().item<double>();
}

/// The mean over pairs of different rows.
double mean_within(const Tensor& x) {
  const auto n = static_cast<double>(x.size(0));
  const Tensor own = (x.square().sum(1) / static_cast<double>(x.size(1)) + 1).pow_(3).sum();
  return (kernel_sum(x, x) - own.item<double>()) / (n * (n - 1));
}

Tensor read_statistic(const std::filesystem::path& path, const char* key) {
  const std::string location = fmt::format("{}:{}", path.string(), key);
  Tensor numbers = read_npz_double(parse_location(location));
  if (!numbers.isfinite().all().item<bool>())
    fail(location, "finite numbers", "values that are not finite");
  return numbers;
}

}  // namespace

double frechet_distance(const Moments& a, const Moments& b) {
  if (a.mean.numel() != b.mean.numel())
    fail("Fréchet distance", fmt::format("features of the dimension {}", a.mean.numel()),
         fmt::format("{}", b.mean.numel()));
  return bures_wasserstein_squared(a, b);
}

double kernel_distance(const Tensor& x, const Tensor& y) {
  if (x.dim() != 2 || y.dim() != 2 || x.size(1) != y.size(1) || x.size(0) < 2 || y.size(0) < 2)
    fail("kernel distance", "[n, d] and [m, d] with n, m >= 2",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  const at::NoGradGuard no_graph;
  const Tensor from = x.to(at::kDouble), to = y.to(at::kDouble);
  const double pairs = static_cast<double>(x.size(0)) * static_cast<double>(y.size(0));
  return mean_within(from) + mean_within(to) - 2 * kernel_sum(from, to) / pairs;
}

Moments read_feature_statistics(const std::filesystem::path& path) {
  Moments moments{read_statistic(path, "mu"), read_statistic(path, "sigma")};
  const Tensor& sigma = moments.covariance;
  if (moments.mean.dim() != 1 || sigma.dim() != 2 || sigma.size(0) != moments.mean.size(0) ||
      sigma.size(1) != sigma.size(0))
    fail(path.string(), "mu [d] and sigma [d, d]",
         fmt::format("{} and {}", shape_text(moments.mean), shape_text(sigma)));
  const double rounding = 1e-6 * sigma.abs().max().item<double>();
  if ((sigma - sigma.t()).abs().max().item<double>() > rounding)
    fail(path.string(), "a symmetric sigma", "another matrix");
  return moments;
}

void write_feature_statistics(const std::filesystem::path& path, const Moments& moments,
                              Existing existing) {
  write_npz_double(path, {{"mu", moments.mean}, {"sigma", moments.covariance}}, existing);
}

}  // namespace monge
