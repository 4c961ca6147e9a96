#include "discrete/shortlist.h"

#include "kernels/transport_loops.h"

#include <atomic>

namespace monge {
namespace {

/// The `count` least numbers below a bound, with their places.
class Least {
 public:
  Least(std::size_t count, double bound) : count_(count), bound_(bound) {}

  void offer(double value, std::int32_t place) {
    if (value >= bound_) return;
    kept_.emplace_back(value, place);
    std::ranges::push_heap(kept_);
    if (kept_.size() <= count_) return;
    std::ranges::pop_heap(kept_);
    kept_.pop_back();
    bound_ = kept_.front().first;
  }
  const std::vector<std::pair<double, std::int32_t>>& kept() const { return kept_; }

 private:
  std::size_t count_;
  double bound_;
  std::vector<std::pair<double, std::int32_t>> kept_;  // a heap, the largest in front
};

Least least_reduced(const double* row, const std::vector<double>& v, std::size_t count,
                    double bound) {
  Least least(count, bound);
  for (std::size_t j = 0; j < v.size(); ++j)
    least.offer(row[j] - v[j], static_cast<std::int32_t>(j));
  return least;
}

}  // namespace

Shortlist::Shortlist(const CostRows& costs)
    : costs_(costs), arcs_(static_cast<std::size_t>(costs.sources())) {
  const double range = costs.largest() - costs.least();
  const auto nodes = static_cast<double>(costs.sources() + costs.targets());
  factor_ = range > 0 ? std::min(0x1p59 / nodes, 0x1p47) / range : 1;
}

std::int64_t Shortlist::whole(double cost) const {
  // Where all costs are one up to rounding, a guessed potential can lie far outside their range.
  constexpr double most = 0x1p59;
  return std::llround(std::clamp((cost - costs_.least()) * factor_, -most, most));
}

std::vector<double> Shortlist::add_nearest(const std::vector<double>& v, std::size_t count) {
  std::vector<double> minima(arcs_.size());
  costs_.for_each_row([&](std::int64_t i, const double* row) {
    const Least least = least_reduced(row, v, count, std::numeric_limits<double>::infinity());
    minima[i] = std::ranges::min(least.kept()).first;
    for (const auto& [reduced, j] : least.kept()) arcs_[i].push_back({j, whole(row[j])});
  });
  return minima;
}

Shortlist::Priced Shortlist::add_below(const std::vector<double>& u, const std::vector<double>& v,
                                       std::size_t count) {
  // Costs of arcs were rounded by up to half a unit.
  const double slack = 0.75 / factor_;
  Priced priced{std::vector<double>(u.size()), 0};
  std::atomic<std::int64_t> added = 0;
  const auto& loops = kernels::transport_loops();
  costs_.for_each_row([&](std::int64_t i, const double* row) {
    priced.least[i] = loops.least(costs_.targets(), row, v.data());
    if (priced.least[i] >= u[i] - slack) return;
    const Least below = least_reduced(row, v, count, u[i] - slack);
    for (const auto& [reduced, j] : below.kept()) {
      if (std::ranges::find(arcs_[i], j, &Arc::target) != arcs_[i].end()) continue;
      arcs_[i].push_back({j, whole(row[j])});
      ++added;
    }
  });
  priced.added = added;
  return priced;
}

}  // namespace monge
