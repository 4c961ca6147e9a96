#pragma once

#include "monge/cost.h"
#include "monge/options.h"
#include "monge/potential.h"
#include "monge/random.h"
#include "monge/solver.h"

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace monge {

/// A solver in the table of solvers: what `monge fit` can choose by name.
struct SolverRow {
  PartInfo info;
  /// The solver for points of `dimension`; both tables come back with every option resolved.
  std::function<std::unique_ptr<Solver>(std::int64_t dimension, Table& solver, Table& network,
                                        Random& random)>
      make;
  /// Steps that usually suffice in that dimension; the budget where the user names none.
  std::function<std::int64_t(std::int64_t dimension)> usual_steps;
};

/// A network that a map file can hold.
struct NetworkRow {
  PartInfo info;
  /// The network with these options, its parameters still arbitrary; for reading map files.
  std::function<std::shared_ptr<Potential>(std::int64_t dimension, const Table& options)> make;
};

std::span<const SolverRow> solver_rows();
std::span<const NetworkRow> network_rows();
std::span<const PartInfo> cost_infos();

/// The row of that name; throws Error at `where` naming the nearest one and the list.
const SolverRow& find_solver(std::string_view name, std::string_view where);
const NetworkRow& find_network(std::string_view name, std::string_view where);

/// The cost of that name (only "quadratic" so far); throws Error.
std::unique_ptr<Cost> make_cost(std::string_view name, std::string_view where);

/// Every part of every kind and the config's sections, for `monge list` and `monge describe`.
std::vector<PartInfo> all_parts();

}  // namespace monge
