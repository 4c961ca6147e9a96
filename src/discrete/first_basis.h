#pragma once

#include "discrete/shortlist.h"
#include "discrete/spanning_tree.h"

#include <cstdint>
#include <span>
#include <vector>

namespace monge {

/// A feasible basis from potentials u and v that are nearly optimal: mass goes along the arcs of
/// the shortlist in the order of their reduced costs, what is left then by whole rows of costs.
/// Each tree of arcs with flow hangs on the root by an arc without flow, at the price u of its
/// source; nothing can ever flow there, since no arc leaves the root.
SpanningTree first_basis(const Shortlist& shortlist, const CostRows& costs,
                         std::span<const std::int64_t> supplies,
                         std::span<const std::int64_t> demands, const std::vector<double>& u,
                         const std::vector<double>& v);

}  // namespace monge
