#include "plan_measurements.h"

#include "monge/cost.h"
#include "monge/discrete.h"
#include "monge/error.h"
#include "monge/metric.h"
#include "monge/smoothing.h"

#include "evaluation_points.h"

#include <functional>
#include <numeric>

namespace monge {
namespace {

constexpr double thin = 1e-3;  // of the largest variance: a direction not looked at
constexpr double flat = 1e-6;  // of the largest variance: a direction without points

Tensor square_distances(const Tensor& a, const Tensor& b) { return (a - b).square().sum(1); }

double mean_square(const Tensor& a, const Tensor& b) {
  return square_distances(a, b).mean().item<double>();
}

double total_variance(const Tensor& points) { return points.var(0).sum().item<double>(); }

/// Variances along the principal directions of points [n, d], ascending, and those directions in
/// columns. Where points are fewer than coordinates they are the n of them that show, by the
/// points' products: no [d, d] matrix.
struct Principal {
  Tensor values, vectors;

  static Principal of(const Tensor& points) {
    const std::int64_t n = points.size(0), d = points.size(1);
    const auto whole = static_cast<double>(n - 1);
    const Tensor centred = points - points.mean(0, true);
    const bool few = n < d;
    auto [values, vectors] =
        at::linalg_eigh((few ? centred.mm(centred.t()) : centred.t().mm(centred)) / whole);
    if (few) {
      vectors = centred.t().mm(vectors);
      vectors /= vectors.norm(2, {0}, true).clamp_min(std::numeric_limits<double>::min());
    }
    return {values, vectors};
  }
};

/// T(x), and the points that T sees: those with noise where it smooths its source.
struct Moved {
  Tensor seen, mapped;
};

Moved move(const TransportMap& map, const Tensor& x, const Tensor& z) {
  if (const auto* smoothed = dynamic_cast<const SmoothedMap*>(&map)) {
    Tensor seen = x.clone();
    smoothed->noise().add_to(seen, z.narrow(1, 0, x.size(1)));
    return {seen, smoothed->transport(x, z)};
  }
  const auto* stochastic = dynamic_cast<const StochasticMap*>(&map);
  return {x, stochastic ? stochastic->transport(x, z) : map.transport(x)};
}

Tensor noise_for(const TransportMap& map, const Tensor& x, Random& random) {
  const auto* stochastic = dynamic_cast<const StochasticMap*>(&map);
  return random.normal({x.size(0), stochastic ? stochastic->noise_dimension() : 0});
}

PlanSamples draw_samples(const TransportMap& map, const Measure& source, const Measure& target,
                         Random& random, const PlanCheckOptions& options) {
  PlanSamples sets;
  for (std::int64_t i = 0; i < options.repetitions; ++i) {
    std::uint64_t seed = 0;
    random.fill_bits({&seed, 1});
    const EvaluationPoints points = draw_evaluation_points(source, target, options.points, seed);
    const Moved moved = move(map, points.x, noise_for(map, points.x, random));
    Random again(seed, "second sample");
    const Tensor other = move(map, points.x_other, noise_for(map, points.x_other, again)).mapped;
    for (const Tensor& mapped : {moved.mapped, other})
      if (!mapped.isfinite().all().item<bool>())
        throw Error("plan check: the map gives values that are not finite");
    const auto keep = [](std::vector<Tensor>& into, const Tensor& set) {
      into.push_back(set.to(at::kDouble));
    };
    keep(sets.x, points.x);
    keep(sets.x_other, points.x_other);
    keep(sets.seen, moved.seen);
    keep(sets.mapped, moved.mapped);
    keep(sets.mapped_other, other);
    keep(sets.y, points.y);
    keep(sets.y_other, points.y_other);
  }
  return sets;
}

Repeated repeated(const std::vector<Tensor>& a, const std::vector<Tensor>& b,
                  const std::function<double(const Tensor&, const Tensor&)>& figure) {
  Repeated result;
  for (std::size_t i = 0; i < a.size(); ++i) result.values.push_back(figure(a[i], b[i]));
  return result;
}

/// Exact W2² between samples x and y, and its potentials, continued to other points as c-transforms
/// of one another.
class ContinuedPlan {
 public:
  ContinuedPlan(Tensor x, Tensor y) : x_(std::move(x)), y_(std::move(y)) {
    const DiscretePlan plan = exact_plan(x_, y_, QuadraticCost());
    w2_ = 2 * plan.cost;  // the cost is ½ |x - y|²
    at_x_ = 2 * plan.source_potential;
    at_y_ = 2 * plan.target_potential;
  }
  double w2() const { return w2_; }
  Tensor of_source(const Tensor& points) const { return transform(points, y_, at_y_); }
  Tensor of_target(const Tensor& points) const { return transform(points, x_, at_x_); }

 private:
  static Tensor transform(const Tensor& points, const Tensor& atoms, const Tensor& potential) {
    return (at::cdist(points, atoms).square() - potential).amin(1);
  }

  double w2_ = 0;
  Tensor x_, y_, at_x_, at_y_;
};

/// How many different points a measure has.
double distinct(const Measure& measure) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  return finite ? static_cast<double>(finite->size()) : std::numeric_limits<double>::infinity();
}

/// To first order chance moves W2² between samples by the means of its potentials over them. So
/// those of another repetition's plan are taken away from each sample's W2², and their means over
/// all the other repetitions' points added: the same in the mean, with less noise.
CostBesideW2 costs_of(const PlanSamples& sets, const Measure& source, const Measure& target) {
  const std::size_t repetitions = sets.x.size();
  const auto mean = [](const Tensor& values) { return values.mean().item<double>(); };
  const auto variance = [](const std::vector<Tensor>& values) {
    return at::cat(values).var().item<double>();
  };
  std::vector<ContinuedPlan> plans;
  plans.reserve(repetitions);
  for (std::size_t i = 0; i < repetitions; ++i) plans.emplace_back(sets.x[i], sets.y[i]);
  Repeated rest, first_order, source_variance, target_variance;
  std::vector<Tensor> costs;
  for (std::size_t i = 0; i < repetitions; ++i) {
    const ContinuedPlan& plan = plans[(i + 1) % repetitions];
    std::vector<Tensor> at_source, at_target, waste;
    // From i backwards to all but the plan's own.
    for (std::size_t step = 0; step + 1 < repetitions; ++step) {
      const std::size_t k = (i + repetitions - step) % repetitions;
      for (const auto& [x, mapped] : {std::pair(sets.x[k], sets.mapped[k]),
                                      std::pair(sets.x_other[k], sets.mapped_other[k])}) {
        at_source.push_back(plan.of_source(x));
        waste.push_back(square_distances(x, mapped) - at_source.back());
      }
      for (const Tensor& y : {sets.y[k], sets.y_other[k]}) at_target.push_back(plan.of_target(y));
    }
    rest.values.push_back(plans[i].w2() - mean(at_source.front()) - mean(at_target.front()));
    first_order.values.push_back(mean(at::cat(at_source)) + mean(at::cat(at_target)));
    source_variance.values.push_back(variance(waste));
    target_variance.values.push_back(variance(at_target));
    for (const auto& [x, mapped] :
         {std::pair(sets.x[i], sets.mapped[i]), std::pair(sets.x_other[i], sets.mapped_other[i])})
      costs.push_back(square_distances(x, mapped));
  }
  const double draws =
      2 * static_cast<double>(repetitions) * static_cast<double>(sets.x[0].size(0));
  return {.cost = mean(at::cat(costs)),
          .w2 = rest.mean() + first_order.mean(),
          .noise = std::sqrt(source_variance.mean() / std::min(draws, distinct(source)) +
                             target_variance.mean() / std::min(draws, distinct(target)) +
                             rest.error() * rest.error())};
}

Reached reached_by(const PlanSamples& sets, const Repeated& within_target) {
  Reached reached;
  for (std::size_t i = 0; i < sets.x.size(); ++i) {
    const Tensor &one = sets.mapped[i], &two = sets.mapped_other[i];
    const Tensor &y = sets.y[i], &other = sets.y_other[i];
    reached.distance.values.push_back(0.25 *
                                      (exact_w2_squared(one, y) + exact_w2_squared(one, other) +
                                       exact_w2_squared(two, y) + exact_w2_squared(two, other)));
    reached.floor.values.push_back(0.5 * (exact_w2_squared(two, one) + within_target.values[i]));
  }
  return reached;
}

Spreads spreads_of(const Tensor& points, const Tensor& y) {
  const auto [values, vectors] = Principal::of(y);
  const Tensor kept = vectors.index_select(1, values.ge(thin * values[-1]).nonzero().squeeze(1));
  const auto variances = [&](const Tensor& set) { return set.mm(kept).var(0); };
  return {0.5 * std::log(total_variance(points) / total_variance(y)),
          0.5 * (variances(points) / variances(y)).log()};
}

/// Estimate of the dimension of the set that points lie on, from the ratios of their two nearest
/// distances (Facco et al. 2017); 0 where most points are repeated.
double nearest_dimension(const Tensor& points) {
  const Tensor nearest =
      std::get<0>(at::topk(at::cdist(points, points), 3, 1, /*largest=*/false, /*sorted=*/true));
  const Tensor first = nearest.select(1, 1), second = nearest.select(1, 2);
  const Tensor apart = (first > 0).nonzero().squeeze(1);
  if (2 * apart.size(0) < points.size(0)) return 0;
  const double mean =
      (second.index_select(0, apart) / first.index_select(0, apart)).log().mean().item<double>();
  return mean > 0 ? 1 / mean : 0;
}

/// The source's support: its directions with points, and the estimate over that for a Gaussian with
/// the same covariance, which takes the estimate's bias away. Where n points fill the n - 1
/// directions that they can show, all d count.
Support support_of(const Tensor& points, Random& random) {
  const std::int64_t n = points.size(0), d = points.size(1);
  if (n < 3) return {static_cast<double>(d), 1, n};
  const Tensor values = Principal::of(points).values;
  const Tensor kept = values.gt(flat * values[-1]).nonzero().squeeze(1);
  if (kept.size(0) == 0) return {0, 1, n};
  const double rank = static_cast<double>(kept.size(0) < n - 1 ? kept.size(0) : d);
  const Tensor normal =
      random.normal({n, kept.size(0)}).to(at::kDouble) * values.index_select(0, kept).sqrt();
  const double full = nearest_dimension(normal);
  return {rank, std::min(1.0, nearest_dimension(points) / full), n};
}

}  // namespace

double Repeated::mean() const {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Repeated::largest() const {
  return std::abs(*std::ranges::max_element(values, {}, [](double v) { return std::abs(v); }));
}

double Repeated::deviation() const {
  const double centre = mean();
  double sum = 0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double Repeated::error() const {
  return deviation() / std::sqrt(static_cast<double>(values.size()));
}

Repeated operator-(const Repeated& a, const Repeated& b) {
  Repeated result;
  for (std::size_t i = 0; i < a.values.size(); ++i)
    result.values.push_back(a.values[i] - b.values[i]);
  return result;
}

PlanMeasurements PlanMeasurements::of(const TransportMap& map, const Measure& source,
                                      const Measure& target, Random& random,
                                      const PlanCheckOptions& options) {
  PlanSamples sets = draw_samples(map, source, target, random, options);
  const Tensor y = at::cat(sets.y);
  const double p = total_variance(at::cat(sets.x)), q = total_variance(y);
  if (!(q > 0)) fail("plan check", "a target of points that differ", "the same point");
  const double distance = at::cdist(sets.y[0], sets.y_other[0]).mean().item<double>();
  const auto energy = [&](const Tensor& a, const Tensor& b) {
    return energy_distance(a, b) / distance;
  };
  const auto excess = [](const Tensor& seen, const Tensor& mapped) {
    return mean_square(seen, mapped) - exact_w2_squared(seen, mapped);
  };
  const auto n = static_cast<double>(sets.x[0].size(0));
  const Repeated target_floor = repeated(sets.y_other, sets.y, exact_w2_squared);
  return {.samples = sets,
          .source_variance = p,
          .target_variance = q,
          .scale = 2 * std::sqrt(p * q),
          .costs = costs_of(sets, source, target),
          .source_floor = repeated(sets.x_other, sets.x, exact_w2_squared),
          .target_floor = target_floor,
          .energy = repeated(sets.mapped, sets.y, energy),
          .energy_floor = repeated(sets.y_other, sets.y, energy),
          .excess = repeated(sets.seen, sets.mapped, excess),
          .reached = reached_by(sets, target_floor),
          .spread = spreads_of(at::cat(sets.mapped), y),
          .spread_floor =
              repeated(sets.y_other, sets.y,
                       [](const Tensor& a, const Tensor& b) { return spreads_of(a, b).all; })
                  .largest(),
          .direction_floor =
              repeated(sets.y_other, sets.y,
                       [](const Tensor& a, const Tensor& b) { return spreads_of(a, b).widest(); })
                  .largest(),
          .support = support_of(at::cat({sets.x[0], sets.x_other[0]}), random),
          .smoothed = dynamic_cast<const SmoothedMap*>(&map) != nullptr,
          .share = std::min(0.5, n / std::min(distinct(source), distinct(target)))};
}

double plan_sensitivity(const TransportMap& map, const Tensor& x, double source_variance,
                        double target_variance, Random& random) {
  constexpr double share = 1e-4;
  const Tensor z = noise_for(map, x, random);
  const double std = std::sqrt(share * source_variance / static_cast<double>(x.size(1)));
  const Tensor near = x + std * random.normal(x.sizes());
  const auto mapped = [&](const Tensor& points) {
    return move(map, points, z).mapped.to(at::kDouble);
  };
  return mean_square(mapped(near), mapped(x)) / (share * target_variance);
}

}  // namespace monge
