#include "monge/conditional.h"

#include "monge/error.h"

namespace monge {
namespace {

double total_variance(const Tensor& points) {
  return points.var(0, /*unbiased=*/true).sum().item<double>();
}

/// T(x_i, z_ik) for `samples` draws of z a point, [n, samples, d] float64.
Tensor drawn(const StochasticMap& map, const Tensor& x, std::int64_t samples, Random& random) {
  std::vector<Tensor> draws;
  draws.reserve(static_cast<std::size_t>(samples));
  for (std::int64_t k = 0; k < samples; ++k) draws.push_back(map.sample(x, random).to(at::kDouble));
  return at::stack(draws, 1);
}

constexpr int rounds = 100;   // by then the means have all but settled
constexpr double part = 0.2;  // whole mixtures go too far: what is mixed cannot be parted again

/// Mixes the laws of random disjoint pairs of points, a part of what lowers the cost most: their
/// means move.
void mix_pairs(const Tensor& x, Tensor& means, double gamma, Random& random) {
  const std::int64_t pairs = x.size(0) / 2;
  const Tensor order = random.permutation(x.size(0));
  const Tensor first = order.narrow(0, 0, pairs), second = order.narrow(0, pairs, pairs);
  const Tensor gap = means.index_select(0, first) - means.index_select(0, second);
  const Tensor along = ((x.index_select(0, first) - x.index_select(0, second)) * gap).sum(1);
  const Tensor weight = gamma * gap.square().sum(1);
  const Tensor share =
      ((weight - along) / (2 * weight)).nan_to_num(0).clamp(0, 1).mul(part).unsqueeze(1);
  means.index_add_(0, first, -share * gap);
  means.index_add_(0, second, share * gap);
}

}  // namespace

ConditionalSpread conditional_spread(const StochasticMap& map, const Tensor& x, double gamma,
                                     std::int64_t samples, Random& random) {
  constexpr std::int64_t least_points = 4;
  const char* const where = "conditional spread";
  const at::NoGradGuard no_graph;
  if (x.dim() != 2 || x.size(0) < least_points || x.size(1) != map.dimension())
    fail(where, fmt::format("points [n, {}], n >= {}", map.dimension(), least_points),
         shape_text(x));
  if (!(gamma >= 0 && gamma <= 1)) fail(where, "gamma in [0, 1]", fmt::format("{}", gamma));
  if (samples < 2) fail(where, "at least 2 draws a point", fmt::format("{}", samples));

  const Tensor mapped = drawn(map, x, samples, random);
  if (!mapped.isfinite().all().item<bool>())
    fail(where, "a map of finite values", "values that are not finite");
  Tensor means = mapped.mean(1);
  const Tensor inside = mapped.var(1, /*unbiased=*/true).sum(1).mean();
  const double within = inside.item<double>();
  // The means of a few draws vary by `within` / samples more than the true ones.
  const double between =
      std::max(0.0, total_variance(means) - within / static_cast<double>(samples));
  const double all = within + between;
  if (all == 0) return {0, 0, 0};

  const Tensor gaps = mapped.select(1, 0) - mapped.select(1, 1);
  ConditionalSpread spread{within / all, within / all,
                           gaps.norm(2, at::IntArrayRef{1}).mean().item<double>()};
  if (gamma == 0) return spread;
  const Tensor points = x.to(at::kDouble);
  for (int round = 0; round < rounds; ++round) mix_pairs(points, means, gamma, random);
  // Mixing keeps the law of T(x, z) over all x: what the means lose the conditional laws gain.
  spread.target = std::clamp(1 - total_variance(means) / all, spread.variance, 1.0);
  return spread;
}

}  // namespace monge
