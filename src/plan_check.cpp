#include "monge/plan_check.h"

#include "monge/discrete.h"
#include "monge/error.h"
#include "monge/metric.h"
#include "monge/smoothing.h"

#include "evaluation.h"

#include <functional>
#include <numeric>

namespace monge {
namespace {

// What counts as reached and optimal; each is widened by what sampling alone gives.
constexpr double most_energy = 0.01;        // of E|y - y'|
constexpr double most_target = 0.05;        // of Var(Q), for W2²
constexpr double most_spread = 0.1;         // of all directions, as a logarithm
constexpr double most_direction = 0.15;     // of one direction, as a logarithm
constexpr double most_cost = 0.08;          // of what couplings can differ by
constexpr double most_monotonicity = 0.05;  // of the same
constexpr double sampling = 3;              // times the noise of sampling
constexpr double thin = 1e-3;               // of the largest variance: a direction not looked at
constexpr double flat = 1e-6;               // of the largest variance: a direction without points
constexpr double lower_dimension = 0.75;    // of the dimension
constexpr std::int64_t blind = 16;          // dimensions where W2² of samples is mostly its floor

double mean_square(const Tensor& a, const Tensor& b) {
  return (a - b).square().sum(1).mean().item<double>();
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

/// Over repetitions.
struct Repeated {
  std::vector<double> values;

  double mean() const {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  }
  double largest() const {
    return std::abs(*std::ranges::max_element(values, {}, [](double v) { return std::abs(v); }));
  }
  double deviation() const {
    const double centre = mean();
    double sum = 0;
    for (const double value : values) sum += (value - centre) * (value - centre);
    return std::sqrt(sum / static_cast<double>(values.size() - 1));
  }
  /// Standard error of the mean.
  double error() const { return deviation() / std::sqrt(static_cast<double>(values.size())); }
};

/// Points of all repetitions in float64 and what the map makes of them.
struct Sets {
  std::vector<Tensor> x, x_other, seen, mapped, mapped_other, y, y_other;  // each [n, d]

  static Tensor all(const std::vector<Tensor>& sets) { return at::cat(sets); }
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

Sets draw_sets(const TransportMap& map, const Measure& source, const Measure& target,
               Random& random, const PlanCheckOptions& options) {
  Sets sets;
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

Repeated operator-(const Repeated& a, const Repeated& b) {
  Repeated result;
  for (std::size_t i = 0; i < a.values.size(); ++i)
    result.values.push_back(a.values[i] - b.values[i]);
  return result;
}

/// W2² between samples of T#P and of Q, the mean over the four pairs of two of each; and what
/// sampling alone makes of it, half of that within T#P and half of that within Q, `within_target`.
/// Each sample counts as often in one as in the other, so that a chance in it, such as how many of
/// its points lie on one of two sheets, goes out of the difference.
struct Reached {
  Repeated distance, floor;

  static Reached of(const Sets& sets, const Repeated& within_target) {
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
};

/// Logarithms of the ratios of standard deviations to those of y: of all, and of the principal
/// directions of y that are not thin.
struct Spreads {
  double all;
  Tensor directions;

  static Spreads of(const Tensor& points, const Tensor& y) {
    const auto [values, vectors] = Principal::of(y);
    const Tensor kept = vectors.index_select(1, values.ge(thin * values[-1]).nonzero().squeeze(1));
    const auto variances = [&](const Tensor& set) { return set.mm(kept).var(0); };
    return {0.5 * std::log(total_variance(points) / total_variance(y)),
            0.5 * (variances(points) / variances(y)).log()};
  }
  double least() const { return directions.min().item<double>(); }
  double most() const { return directions.max().item<double>(); }
  double widest() const { return directions.abs().max().item<double>(); }
};

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

/// The dimension of the source's support: its directions with points, less where the estimate is
/// below that of a Gaussian with the same covariance, which takes the estimate's bias away. Where
/// n points fill the n - 1 directions that they can show, all d count.
double support_dimension(const Tensor& points, Random& random) {
  const std::int64_t n = points.size(0), d = points.size(1);
  if (n < 3) return static_cast<double>(d);
  const Tensor values = Principal::of(points).values;
  const Tensor kept = values.gt(flat * values[-1]).nonzero().squeeze(1);
  if (kept.size(0) == 0) return 0;
  const double rank = static_cast<double>(kept.size(0) < n - 1 ? kept.size(0) : d);
  const Tensor normal =
      random.normal({n, kept.size(0)}).to(at::kDouble) * values.index_select(0, kept).sqrt();
  const double full = nearest_dimension(normal);
  return rank * std::min(1.0, nearest_dimension(points) / full);
}

/// E|T(x + h) - T(x)|² over its value for a map that scales P to the spread of Q, for noise h of a
/// hundredth of P's spread.
double sensitivity(const TransportMap& map, const Tensor& x, double source_variance,
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

/// All that the verdict stands on.
struct Measured {
  Sets sets;
  double source_variance, target_variance, scale;  // scale: 2 √(Var P Var Q)
  Repeated cost, w2, source_floor, target_floor, energy, energy_floor, excess;
  Reached reached;
  Spreads spread;
  double spread_floor, direction_floor;  // the largest between two samples of Q
  double dimension;                      // of the source's support
  bool smoothed;
  bool shared;  // points of finite measures come again in other repetitions

  double bias() const { return 0.5 * (source_floor.mean() + target_floor.mean()); }
  Repeated d_target() const { return reached.distance - reached.floor; }
  double noise(const Repeated& figure) const {
    return shared ? figure.deviation() : figure.error();
  }
  double monotonicity() const { return scale > 0 ? excess.mean() / scale : 0; }
  bool low() const {
    return !smoothed && dimension < lower_dimension * static_cast<double>(sets.x[0].size(1));
  }
};

Measured measure(const TransportMap& map, const Measure& source, const Measure& target,
                 Random& random, const PlanCheckOptions& options) {
  Sets sets = draw_sets(map, source, target, random, options);
  const Tensor y = Sets::all(sets.y);
  const double p = total_variance(Sets::all(sets.x)), q = total_variance(y);
  if (!(q > 0)) fail("plan check", "a target of points that differ", "the same point");
  const double distance = at::cdist(sets.y[0], sets.y_other[0]).mean().item<double>();
  const auto energy = [&](const Tensor& a, const Tensor& b) {
    return energy_distance(a, b) / distance;
  };
  const auto excess = [](const Tensor& seen, const Tensor& mapped) {
    return mean_square(seen, mapped) - exact_w2_squared(seen, mapped);
  };
  const Repeated target_floor = repeated(sets.y_other, sets.y, exact_w2_squared);
  return {.sets = sets,
          .source_variance = p,
          .target_variance = q,
          .scale = 2 * std::sqrt(p * q),
          .cost = repeated(sets.x, sets.mapped, mean_square),
          .w2 = repeated(sets.x, sets.y, exact_w2_squared),
          .source_floor = repeated(sets.x_other, sets.x, exact_w2_squared),
          .target_floor = target_floor,
          .energy = repeated(sets.mapped, sets.y, energy),
          .energy_floor = repeated(sets.y_other, sets.y, energy),
          .excess = repeated(sets.seen, sets.mapped, excess),
          .reached = Reached::of(sets, target_floor),
          .spread = Spreads::of(Sets::all(sets.mapped), y),
          .spread_floor =
              repeated(sets.y_other, sets.y,
                       [](const Tensor& a, const Tensor& b) { return Spreads::of(a, b).all; })
                  .largest(),
          .direction_floor =
              repeated(sets.y_other, sets.y,
                       [](const Tensor& a, const Tensor& b) { return Spreads::of(a, b).widest(); })
                  .largest(),
          .dimension = support_dimension(sets.x[0], random),
          .smoothed = dynamic_cast<const SmoothedMap*>(&map) != nullptr,
          .shared = dynamic_cast<const FiniteMeasure*>(&source) ||
                    dynamic_cast<const FiniteMeasure*>(&target)};
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * std::abs(share)); }

/// How the target is missed, or "".
std::string miss(const Measured& m) {
  const double all = most_spread + 1.5 * m.spread_floor;
  if (std::abs(m.spread.all) > all)
    return fmt::format("{} of its spread is {}", percent(std::expm1(m.spread.all)),
                       m.spread.all < 0 ? "missing" : "too much");
  const double one = most_direction + 1.5 * m.direction_floor;
  if (m.spread.widest() > one) {
    const bool narrow = -m.spread.least() > m.spread.most();
    return fmt::format("in one direction {} of its spread is {}",
                       percent(std::expm1(narrow ? m.spread.least() : m.spread.most())),
                       narrow ? "missing" : "too much");
  }
  if (m.energy.mean() > most_energy + sampling * m.energy_floor.largest())
    return fmt::format("the energy distance is {} of the mean distance of two points",
                       percent(m.energy.mean()));
  const Repeated beyond = m.d_target();
  const double farthest = most_target * m.target_variance + sampling * m.noise(beyond);
  if (m.sets.x[0].size(1) < blind && beyond.mean() > farthest)
    return fmt::format("W2² to it is {} of its variance above the floor of sampling",
                       percent(beyond.mean() / m.target_variance));
  return "";
}

/// How the cost is not optimal, or "". Samples raise W2² by at most `bias`.
std::string waste(const Measured& m) {
  const double reference = m.w2.mean(), cost = m.cost.mean();
  const double slack = most_cost * m.scale + sampling * m.noise(m.cost - m.w2);
  if (cost - reference > slack || reference - m.bias() - cost > slack)
    return fmt::format("its cost is {:.3g} where {:.3g} is optimal", cost, reference);
  if (m.monotonicity() > most_monotonicity)
    return fmt::format("pairing its own points better saves {} of what pairings can save",
                       percent(m.monotonicity()));
  return "";
}

std::string support_text(const Measured& m) {
  return fmt::format("the source lies on a set of about {:.0f} of {} dimensions", m.dimension,
                     m.sets.x[0].size(1));
}

void conclude(PlanCheck& check, const Measured& m, bool judge_cost) {
  const std::string missed = miss(m), wasted = judge_cost ? waste(m) : "";
  const bool converged = m.low() || missed.empty();
  check.verdict = missed.empty() && wasted.empty() ? PlanVerdict::good
                  : converged                      ? PlanVerdict::fake
                                                   : PlanVerdict::unconverged;
  if (check.verdict == PlanVerdict::good) {
    check.reason = judge_cost ? "the map reaches the target at the optimal cost"
                              : "the map reaches the target; it is made for another cost than "
                                "|x - y|², so its cost is not judged";
    return;
  }
  check.reason = missed.empty() ? "the map reaches the target but " + wasted
                                : "the map does not reach the target: " + missed;
  if (m.low())
    check.reason += "; " + support_text(m) + ", where the problem has false solutions: use otp";
  else if (!missed.empty())
    check.reason +=
        "; the source it is trained on fills its space, so that only the training is at fault";
  else if (m.smoothed)
    check.reason += "; a lower smoothing.level may mend it";
}

}  // namespace

std::string verdict_text(PlanVerdict verdict) {
  switch (verdict) {
    case PlanVerdict::good:
      return "good";
    case PlanVerdict::fake:
      return "fake";
    case PlanVerdict::unconverged:
      break;
  }
  return "unconverged";
}

double PlanCheck::figure(std::string_view name) const {
  const auto found = std::ranges::find(figures, name, &PlanFigure::name);
  if (found == figures.end()) fail("plan check", "the name of a figure", name);
  return found->value;
}

PlanCheck check_plan(const TransportMap& map, const Measure& source, const Measure& target,
                     std::uint64_t seed, const PlanCheckOptions& options) {
  if (options.repetitions < 2)
    fail("plan check: repetitions", "at least 2", fmt::format("{}", options.repetitions));
  Random random(seed, "plan check");
  const Measured m = measure(map, source, target, random, options);
  PlanCheck check;
  conclude(check, m, options.judge_cost);
  const Tensor x = m.sets.x[0].to(at::kFloat);
  check.figures = {
      {"points", static_cast<double>(x.size(0)), "of each measure in a repetition"},
      {"repetitions", static_cast<double>(options.repetitions),
       "with fresh points; the figures are means over them"},
      {"cost", m.cost.mean(), "E|x - T(x)|²"},
      {"w2", m.w2.mean(), "exact squared W2 between samples of the measures"},
      {"w2_bias", m.bias(),
       "the most that sampling can have raised w2 by: half of W2² between two samples of the "
       "source and between two of the target"},
      {"d_cost", std::abs(m.cost.mean() - m.w2.mean()), "|W2²(P, Q) - E|x - T(x)|²|"},
      {"cost_scale", m.scale, "2 √(Var P · Var Q), by which costs of couplings can differ"},
      {"d_target", m.d_target().mean(), "W2²(T#P, Q) less its floor"},
      {"d_target_error", m.noise(m.d_target()), "the noise of sampling in it"},
      {"floor", m.reached.floor.mean(),
       "half of W2² between two samples of T#P and between two of Q"},
      {"energy", m.energy.mean(), "energy distance of T#P and Q over E|y - y'|"},
      {"energy_floor", m.energy_floor.largest(),
       "the largest of the same between two samples of the target"},
      {"spread", std::exp(m.spread.all), "standard deviation of T#P over that of Q"},
      {"least_spread", std::exp(m.spread.least()),
       "the smallest such ratio in a principal direction of Q"},
      {"largest_spread", std::exp(m.spread.most()), "the largest"},
      {"monotonicity", m.monotonicity(),
       "cost of the pairs (x, T(x)) less that of their best pairing, over cost_scale; 0 for a "
       "cyclically monotone plan"},
      {"sensitivity", sensitivity(map, x, m.source_variance, m.target_variance, random),
       "E|T(x + h) - T(x)|² for noise h of a hundredth of the source's spread, 1 for a scaling of "
       "P to Q; large where the map tears"},
      {"source_dimension", m.dimension, "estimated dimension of the set that the source lies on"},
  };
  return check;
}

}  // namespace monge
