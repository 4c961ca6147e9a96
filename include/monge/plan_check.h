#pragma once

#include "monge/measure.h"
#include "monge/solver.h"

#include <cstdint>
#include <string>
#include <vector>

namespace monge {

enum class PlanVerdict {
  good,         ///< T#P is Q and the cost is the optimal one, up to the tolerances
  fake,         ///< a solution that is no optimal plan, which more training need not mend
  unconverged,  ///< the target is missed where the problem has one solution only
};

/// "good", "fake" or "unconverged".
std::string verdict_text(PlanVerdict verdict);

struct PlanCheckOptions {
  std::int64_t points = 1000;    ///< of each measure in a repetition
  std::int64_t repetitions = 4;  ///< at least 2
  bool judge_cost = true;        ///< false for plans that are optimal for another cost
};

struct PlanFigure {
  std::string name;  ///< a JSON key, such as "d_cost"
  double value;
  std::string meaning;
};

/// Whether a solution is an optimal plan of the cost |x - y|², and why.
struct PlanCheck {
  PlanVerdict verdict;
  std::string reason;  ///< one sentence
  std::vector<PlanFigure> figures;

  /// The figure of that name; throws Error where there is none.
  double figure(std::string_view name) const;
};

/// Judges the map of a solution on fresh points of the measures, or on halves of the points of
/// finite ones; docs/methods/plan-check.md has every figure and rule. Reproducible from `seed`.
/// Throws Error where the map gives values that are not finite.
PlanCheck check_plan(const TransportMap& map, const Measure& source, const Measure& target,
                     std::uint64_t seed, const PlanCheckOptions& options = {});

}  // namespace monge
