#include "monge/solvers/dual_ensemble.h"

#include "monge/error.h"

namespace monge {
namespace {

constexpr double speed = 3e10;  // multiplications a second of a core, nominal
constexpr double most_members = 8;
constexpr double sharpest = 0.1;    // CELU's alpha of the last member
constexpr double live_steps = 300;  // after which a live network is better than the affine map

std::string member(std::size_t i) { return fmt::format("member.{}", i); }

}  // namespace

double member_alpha(std::int64_t i, std::int64_t members, double own) {
  const double last = std::min(own, sharpest);
  return own * std::pow(last / own, static_cast<double>(i) / static_cast<double>(members - 1));
}

DualEnsemble::DualEnsemble(std::int64_t dimension, const DualOptions& options,
                           const DenseIcnnOptions& network, Random& random) {
  if (options.members < 2)
    fail("dual: an ensemble", "at least two members", fmt::format("{}", options.members));
  DenseIcnnOptions own = network;
  for (std::int64_t i = 0; i < options.members; ++i) {
    own.celu_alpha = member_alpha(i, options.members, network.celu_alpha);
    members_.push_back(std::make_unique<Dual>(dimension, options, own, random));
  }
}

void DualEnsemble::start(const Problem& problem, Random& random) {
  const DualMoments moments = dual_moments(problem, random);
  for (const auto& dual : members_) dual->start(problem, moments, random);
}

StepReport DualEnsemble::step(Problem& problem, double rate) {
  StepReport mean{.finite = true};
  const double share = 1 / static_cast<double>(members_.size());
  for (const auto& dual : members_) {
    const StepReport report = dual->step(problem, rate);
    mean.loss += share * report.loss;
    mean.gradient_norm += share * report.gradient_norm;
    mean.finite = mean.finite && report.finite;
    if (mean.terms.empty())
      for (const auto& [name, value] : report.terms) mean.terms.emplace_back(name, 0);
    for (std::size_t i = 0; i < report.terms.size(); ++i)
      mean.terms[i].second += share * report.terms[i].second;
  }
  return mean;
}

Solution DualEnsemble::solution() const {
  std::vector<const DenseIcnn*> potentials;
  potentials.reserve(members_.size());
  for (const auto& dual : members_) potentials.push_back(&dual->potential());
  return members_.front()->solution_of(mean_network(potentials));
}

State DualEnsemble::state() const {
  State state;
  for (std::size_t i = 0; i < members_.size(); ++i)
    insert_state(state, member(i), members_[i]->state());
  return state;
}

void DualEnsemble::restore(const State& state) {
  for (std::size_t i = 0; i < members_.size(); ++i)
    members_[i]->restore(extract_state(state, member(i)));
}

/// In 9 to 32 dimensions 10000 steps of a network twice as wide as usual beat 20000 of the usual
/// one, and the mean of two beats one of as many steps together; elsewhere a member wants more
/// (docs/methods/dual.md has the figures).
DualBudget dual_budget(std::int64_t dimension, double processor_seconds, const DualOptions& options,
                       const DenseIcnnOptions& network) {
  const bool middle = dimension > 8 && dimension <= 32;
  const double steps = middle ? 15'000 : 20'000;
  DenseIcnnOptions sized = sized_for(network, dimension);
  const DualOptions chosen = sized_for(options, dimension, sized);
  const auto all_steps = [&] {
    return processor_seconds * speed / dual_step_work(dimension, chosen, sized);
  };
  const auto members = [&] { return all_steps() / steps; };
  DualBudget budget;
  budget.live = all_steps() >= live_steps * static_cast<double>(chosen.members);
  if (middle && network.hidden.empty() && members() >= 1.2) {
    for (std::int64_t& width : sized.hidden) width *= 2;
    budget.hidden = sized.hidden;
  }
  budget.members = static_cast<std::int64_t>(std::clamp(std::round(members()), 1.0, most_members));
  return budget;
}

}  // namespace monge
