#pragma once

#include "monge/cost.h"
#include "monge/networks/network.h"
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

/// The parts that a solver is made of: names and options.
struct SolverParts {
  Table solver;
  std::string network;
  Table network_options;
  std::string cost;
  Table cost_options;
  GivenNetworks given = {};  ///< with a potential, `network` is empty
};

/// A solver in the table of solvers: what `monge fit` can choose by name.
struct SolverRow {
  PartInfo info;
  /// What it can take for its potential, the default first; empty: it has no network.
  std::vector<std::string> networks;
  std::vector<std::string> costs;  ///< what it solves, the default first
  /// The solver for points of that shape; the tables come back with every option resolved.
  std::function<std::unique_ptr<Solver>(const std::vector<std::int64_t>& shape, SolverParts& parts,
                                        Random& random)>
      make;
  /// Steps that usually suffice in that dimension; the budget where the user names none.
  std::function<std::int64_t(std::int64_t dimension)> usual_steps;
  /// Whether points are solved in the span of a target of lower dimension; null: never.
  std::function<bool(const SolverParts& parts)> in_span = {};
  bool takes_given = false;  ///< whether it trains networks of the caller's
  /// Chooses, of what the user has left open, that which depends on the seconds there are; null:
  /// nothing does.
  std::function<void(std::int64_t dimension, double seconds, SolverParts& parts)> give_time = {};
};

/// A network that a map file can hold.
struct NetworkRow {
  PartInfo info;
  /// The network with these options, its parameters still arbitrary; for reading map files.
  std::function<std::shared_ptr<Potential>(std::int64_t dimension, const Table& options)> make;
  bool of_images = false;  ///< knows where a pixel is, and is not one of other coordinates
};

/// The first one is what `monge fit` takes where no solver is named.
std::span<const SolverRow> solver_rows();
std::span<const NetworkRow> network_rows();
std::span<const PartInfo> cost_infos();

/// The row of that name; throws Error at `where` naming the nearest one and the list.
const SolverRow& find_solver(std::string_view name, std::string_view where);
const NetworkRow& find_network(std::string_view name, std::string_view where);

/// What is known of the cost of that name; throws Error at `where` naming the nearest one.
const PartInfo& find_cost(std::string_view name, std::string_view where);

/// Throws Error where `name` is not among those that a solver takes.
void require_served(const SolverRow& solver, std::string_view kind, const std::string& name,
                    const std::vector<std::string>& served);

/// Every part of every kind and the config's sections, for `monge list` and `monge describe`.
std::vector<PartInfo> all_parts();

}  // namespace monge
