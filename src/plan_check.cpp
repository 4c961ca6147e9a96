#include "monge/plan_check.h"

#include "monge/error.h"

#include "plan_measurements.h"

namespace monge {
namespace {

// What counts as reached and optimal; each is widened by what sampling alone gives.
constexpr double most_energy = 0.01;        // of E|y - y'|
constexpr double most_spread = 0.1;         // of all directions, as a logarithm
constexpr double most_direction = 0.15;     // of one direction, as a logarithm
constexpr double most_waste = 0.1;          // of W2², for squared distances; within the next four
constexpr double least_waste = 0.01;        // of their scale
constexpr double most_target = 0.05;        // of Var(Q), for W2² to Q
constexpr double most_cost = 0.08;          // of what couplings can differ by
constexpr double most_monotonicity = 0.05;  // of the same
constexpr double sampling = 3;              // times the noise of sampling
constexpr double lower_dimension = 0.75;    // of the dimension
constexpr std::int64_t blind = 16;          // dimensions where W2² of samples is mostly its floor,
constexpr double low_floor = 0.05;          // unless that is a small share of Var(Q)
constexpr std::int64_t fewest = 10;         // points of a sample: fewer tell nothing

/// Whether the points seem to lie on a set of lower dimension.
bool seems_low(const PlanMeasurements& m) {
  return !m.smoothed &&
         m.support.dimension() < lower_dimension * static_cast<double>(m.dimension());
}

/// Whether the source lies on a set of lower dimension, where the problem has fake solutions, and
/// not its few points by chance.
bool low(const PlanMeasurements& m) {
  const bool flat = m.support.rank < lower_dimension * static_cast<double>(m.dimension());
  return seems_low(m) && (flat || 1 - m.support.share > m.support.noise());
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * std::abs(share)); }

/// How far a squared distance may be off: by a share of W2², but neither by less than it is for
/// good maps where P and Q nearly agree nor by more than `most` of `scale`.
double allowance(const PlanMeasurements& m, double scale, double most) {
  return std::clamp(most_waste * m.costs.w2, least_waste * scale, most * scale);
}

/// What sampling and the allowance can make of the cost.
double cost_slack(const PlanMeasurements& m) {
  return allowance(m, m.scale, most_cost) + sampling * m.costs.noise;
}

/// How the target is missed, or "". Samples raise W2² by at most `bias`.
std::string miss(const PlanMeasurements& m, bool judge_cost) {
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
  const double farthest = allowance(m, m.target_variance, most_target) + sampling * m.noise(beyond);
  const bool judged =
      m.dimension() < blind || m.reached.floor.mean() < low_floor * m.target_variance;
  if (judged && beyond.mean() > farthest)
    return fmt::format("W2² to it is {} of its variance above the floor of sampling",
                       percent(beyond.mean() / m.target_variance));
  const double reference = m.costs.w2, cost = m.costs.cost;
  if (judge_cost && reference - m.bias() - cost > cost_slack(m))
    return fmt::format("its cost is {:.3g}, and none below {:.3g} can", cost, reference);
  return "";
}

/// How the cost is not optimal, or "".
std::string waste(const PlanMeasurements& m) {
  const double reference = m.costs.w2, cost = m.costs.cost;
  if (cost - reference > cost_slack(m))
    return fmt::format("its cost is {:.3g} where {:.3g} is optimal", cost, reference);
  if (m.excess.mean() > allowance(m, m.scale, most_monotonicity))
    return fmt::format("pairing its own points better saves {:.3g}, where {:.3g} is optimal",
                       m.excess.mean(), reference);
  return "";
}

std::string support_text(const PlanMeasurements& m) {
  return fmt::format("the source lies on a set of about {:.0f} of {} dimensions",
                     m.support.dimension(), m.dimension());
}

void conclude(PlanCheck& check, const PlanMeasurements& m, bool judge_cost) {
  const std::int64_t points = m.samples.x[0].size(0);
  if (points < fewest) {
    check.verdict = PlanVerdict::unconverged;
    check.reason = fmt::format("{} points of each measure in a sample tell nothing: at least {}",
                               points, fewest);
    return;
  }
  const std::string missed = miss(m, judge_cost), wasted = judge_cost ? waste(m) : "";
  const bool converged = low(m) || missed.empty();
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
  if (low(m))
    check.reason += "; " + support_text(m) + ", where the problem has false solutions: use otp";
  else if (seems_low(m))
    check.reason += "; so few points do not tell whether its source fills its space";
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
  const PlanMeasurements m = PlanMeasurements::of(map, source, target, random, options);
  PlanCheck check;
  conclude(check, m, options.judge_cost);
  const Tensor x = m.samples.x[0].to(at::kFloat);
  check.figures = {
      {"points", static_cast<double>(x.size(0)), "of each measure in a repetition"},
      {"repetitions", static_cast<double>(options.repetitions),
       "with fresh points; the figures are means over them"},
      {"cost", m.costs.cost, "E|x - T(x)|²"},
      {"w2", m.costs.w2, "exact squared W2 between samples of the measures"},
      {"w2_bias", m.bias(),
       "the most that sampling can have raised w2 by: half of W2² between two samples of the "
       "source and between two of the target"},
      {"d_cost", std::abs(m.costs.cost - m.costs.w2), "|W2²(P, Q) - E|x - T(x)|²|"},
      {"d_cost_error", m.costs.noise, "the noise of sampling in it"},
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
      {"sensitivity", plan_sensitivity(map, x, m.source_variance, m.target_variance, random),
       "E|T(x + h) - T(x)|² for noise h of a hundredth of the source's spread, 1 for a scaling of "
       "P to Q; large where the map tears"},
      {"source_dimension", m.support.dimension(),
       "estimated dimension of the set that the source lies on"},
  };
  return check;
}

}  // namespace monge
