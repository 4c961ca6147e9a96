#include "monge/solver.h"

namespace monge {

Solution learned(const Solver& solver, const Problem& problem) {
  Solution solution = solver.solution();
  if (const auto& span = problem.span) {
    solution.map = std::make_shared<SpanMap>(solution.map, span->target);
    if (solution.inverse)
      solution.inverse =
          span->source ? std::make_shared<SpanMap>(solution.inverse, *span->source) : nullptr;
  }
  if (const auto noise = problem.source.noise())
    solution = {std::make_shared<SmoothedMap>(solution.map, *noise), nullptr};
  if (const auto& latent = problem.latent) {
    solution.map = through_latent_space(std::move(solution.map), *latent);
    if (solution.inverse)
      solution.inverse = through_latent_space(std::move(solution.inverse), latent->reversed());
  }
  return solution;
}

}  // namespace monge
