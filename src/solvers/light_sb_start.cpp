#include "solvers/light_sb_start.h"

namespace monge {
namespace {

constexpr int lloyd_rounds = 20;
constexpr int start_rounds = 3;  // of local maps and shares in turn
constexpr int sinkhorn_sweeps = 100;

/// Clusters of equal importance: what each of them is.
struct Clusters {
  Tensor shares;     // [K], positive, of sum 1
  Tensor means;      // [K, d]
  Tensor variances;  // [K, d]
};

Tensor squared_distances(const Tensor& a, const Tensor& b) {
  return (a.square().sum(1).unsqueeze(1) + b.square().sum(1) - 2 * a.mm(b.t())).clamp_min(0);
}

/// k-means++ (Arthur & Vassilvitskii 2007): each centre is drawn with probability proportional to
/// the squared distance to the nearest one before.
Tensor first_centres(std::int64_t count, const Tensor& y, Random& random) {
  Tensor centres = at::empty({count, y.size(1)}, y.options());
  centres[0].copy_(y[random.integers(y.size(0), 1).item<std::int64_t>()]);
  Tensor nearest = squared_distances(y, centres.narrow(0, 0, 1)).squeeze(1);
  for (std::int64_t k = 1; k < count; ++k) {
    const Tensor cumulated = nearest.cumsum(0);
    const Tensor level = random.uniform({1}).to(at::kDouble) * cumulated[-1];
    const Tensor drawn = cumulated.le(level).sum().clamp_max(y.size(0) - 1);
    centres[k].copy_(y[drawn.item<std::int64_t>()]);
    nearest = at::minimum(nearest, squared_distances(y, centres.narrow(0, k, 1)).squeeze(1));
  }
  return centres;
}

/// Moments of points under shares [n, K]; a component without mass is at `fallback` [K, d].
Clusters moments_of(const Tensor& points, const Tensor& shares, const Tensor& fallback) {
  const Tensor mass = shares.mean(0).unsqueeze(1);
  const Tensor held = mass.gt(0), safe = at::where(held, mass, at::ones_like(mass));
  const Tensor weights = shares.t() / static_cast<double>(points.size(0));
  const Tensor means = at::where(held, weights.mm(points) / safe, fallback);
  const Tensor squares = weights.mm(points.square()) / safe;
  return {mass.squeeze(1), means,
          at::where(held, squares - means.square(), at::zeros_like(means)).clamp_min(0)};
}

/// Lloyd's algorithm.
Clusters clusters_of(std::int64_t count, const Tensor& y, Random& random) {
  Clusters clusters{{}, first_centres(count, y, random), {}};
  for (int round = 0; round < lloyd_rounds; ++round) {
    const Tensor nearest = squared_distances(y, clusters.means).argmin(1);
    const Tensor shares =
        at::zeros({y.size(0), count}, y.options()).scatter_(1, nearest.unsqueeze(1), 1);
    clusters = moments_of(y, shares, clusters.means);
  }
  clusters.shares = clusters.shares.clamp_min(1e-3 / static_cast<double>(count));
  clusters.shares /= clusters.shares.sum();
  return clusters;
}

/// The shares of the source's points in components of weight exp(h / ε), [n, K].
Tensor shares_at(const Tensor& gains, const Tensor& heights, double epsilon) {
  return ((gains + heights) / epsilon).softmax(1);
}

/// Heights at which each component takes its share of the source: Sinkhorn's algorithm with a
/// falling epsilon. `gains` [n, K] are minus the costs.
Tensor balanced_heights(const Tensor& gains, const Tensor& shares, double epsilon) {
  Tensor heights = -gains.mean(0);
  const double spread = (gains + heights).std().item<double>();
  const double n = static_cast<double>(gains.size(0));
  double soft = std::max(epsilon, spread);
  const double factor = std::pow(epsilon / soft, 2.0 / sinkhorn_sweeps);
  for (int sweep = 0; sweep < sinkhorn_sweeps; ++sweep) {
    soft = std::max(soft * factor, epsilon);
    const Tensor taken = ((gains + heights) / soft).log_softmax(1).logsumexp(0) - std::log(n);
    heights = heights + soft * (shares.log() - taken);
  }
  return heights;
}

}  // namespace

PlanMixture sampled_mixture(std::int64_t components, const Tensor& y, double epsilon,
                            Random& random) {
  constexpr double slope = 0.1;
  const Tensor drawn = random.integers(y.size(0), components);
  const Tensor centres = y.index_select(0, drawn);
  return {at::full({components}, -epsilon * std::log(static_cast<double>(components)), at::kDouble),
          centres, at::full_like(centres, std::log(slope))};
}

/// Between Gaussians of variances V and σ² in a coordinate the plan's slope S solves
/// V S² + ε S = σ² (Janati et al. 2020), and r = μ - S m takes mean to mean.
PlanMixture clustered_mixture(std::int64_t components, const Tensor& x, const Tensor& y,
                              double epsilon, Random& random) {
  const Clusters target = clusters_of(components, y, random);
  PlanMixture mixture{{}, target.means, {}};
  Tensor gains = x.mm(target.means.t());
  for (int round = 0; round < start_rounds; ++round) {
    mixture.heights = balanced_heights(gains, target.shares, epsilon);
    const Clusters source =
        moments_of(x, shares_at(gains, mixture.heights, epsilon), at::zeros_like(target.means));
    const Tensor root =
        (epsilon * epsilon + 4 * source.variances * target.variances).sqrt() + epsilon;
    const Tensor slopes = (2 * target.variances / root).clamp_min(least_slope);
    mixture.log_spreads = slopes.log();
    mixture.centres = target.means - slopes * source.means;
    gains = x.mm(mixture.centres.t()) + 0.5 * x.square().mm(slopes.t());
  }
  mixture.heights = balanced_heights(gains, target.shares, epsilon);
  return mixture;
}

}  // namespace monge
