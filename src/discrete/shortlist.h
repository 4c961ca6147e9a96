#pragma once

#include "discrete/cost_rows.h"

#include <cstdint>
#include <span>
#include <vector>

namespace monge {

/// The arcs that the simplex may use, by source. Their costs are whole units, so that the simplex
/// is exact on them. The range of the costs is 2^59 / (n + m) units, so that no sum of n + m costs
/// overflows, and 2^47 at most, which double precision still resolves.
class Shortlist {
 public:
  struct Arc {
    std::int32_t target;
    std::int64_t cost;
  };

  explicit Shortlist(const CostRows& costs);

  std::span<const Arc> arcs(std::int64_t source) const { return arcs_[source]; }
  std::int64_t whole(double cost) const;

  /// The cost of so many units; also the potential of a source, since those of targets have no
  /// least cost taken away.
  double cost(std::int64_t units) const { return costs_.least() + target_potential(units); }
  double target_potential(std::int64_t units) const { return static_cast<double>(units) / factor_; }

  /// Adds, for each source, the `count` arcs of the least c_ij - v_j; returns these minima.
  std::vector<double> add_nearest(const std::vector<double>& v, std::size_t count);

  struct Priced {
    std::vector<double> least;  ///< min_j c_ij - v_j of each source
    std::int64_t added;
  };
  /// Adds, for each source, up to `count` arcs with c_ij < u_i + v_j, those furthest below.
  Priced add_below(const std::vector<double>& u, const std::vector<double>& v, std::size_t count);

 private:
  const CostRows& costs_;
  double factor_;
  std::vector<std::vector<Arc>> arcs_;
};

}  // namespace monge
