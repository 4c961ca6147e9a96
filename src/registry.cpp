#include "monge/registry.h"

#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/measures/registry.h"
#include "monge/metric.h"
#include "monge/networks/autoencoder.h"
#include "monge/networks/conv_icnn.h"
#include "monge/networks/dense_icnn.h"
#include "monge/networks/mlp.h"
#include "monge/networks/noised_mlp.h"
#include "monge/networks/noised_resnet_critic.h"
#include "monge/networks/resnet_critic.h"
#include "monge/smoothing.h"
#include "monge/solvers/adversarial.h"
#include "monge/solvers/dual.h"
#include "monge/solvers/dual_ensemble.h"
#include "monge/solvers/image_saddle_point.h"
#include "monge/solvers/light_sb.h"
#include "monge/solvers/regularized_dual.h"
#include "monge/solvers/saddle_point.h"
#include "monge/solvers/w2gn.h"
#include "monge/trainer.h"

#include <ATen/Parallel.h>

namespace monge {
namespace {

using Shape = std::vector<std::int64_t>;

template <class Row>
const Row& find_row(std::span<const Row> rows, std::string_view kind, std::string_view name,
                    std::string_view where) {
  std::vector<std::string> names;
  for (const Row& row : rows) {
    if (row.info.name == name) return row;
    names.push_back(row.info.name);
  }
  throw unknown_name(where, kind, name, names);
}

/// Of images, which have no affine start: the paper's is taken where none is named.
std::unique_ptr<Solver> make_w2gn_of_images(const Shape& shape, SolverParts& parts,
                                            Random& random) {
  ConvIcnnOptions icnn = conv_icnn_declaration().read(parts.network_options, "network");
  take_shape(icnn, parts.network_options, shape);
  W2gnOptions options = w2gn_declaration().read(parts.solver, "solver");
  if (!parts.solver.contains("start")) options.start = "pretrain";
  auto solver = std::make_unique<W2gn>(options, icnn, random);
  parts.network_options = conv_icnn_declaration().write(icnn);
  parts.solver = solver->options();
  return solver;
}

std::unique_ptr<Solver> make_w2gn(const Shape& shape, SolverParts& parts, Random& random) {
  if (parts.network == conv_icnn_declaration().info().name)
    return make_w2gn_of_images(shape, parts, random);
  const std::int64_t dimension = c10::multiply_integers(shape);
  const auto icnn =
      sized_for(dense_icnn_declaration().read(parts.network_options, "network"), dimension);
  const auto options = sized_for(w2gn_declaration().read(parts.solver, "solver"), dimension, icnn);
  if (!icnn.skip && options.start != "pretrain")
    fail("network.skip", "true, or solver.start = \"pretrain\"", "false");
  parts.network_options = dense_icnn_declaration().write(icnn);
  parts.solver = w2gn_declaration().write(options);
  return std::make_unique<W2gn>(dimension, options, icnn, random);
}

std::unique_ptr<Solver> make_dual(std::int64_t dimension, SolverParts& parts, Random& random) {
  const auto icnn =
      sized_for(dense_icnn_declaration().read(parts.network_options, "network"), dimension);
  const auto options = sized_for(dual_declaration().read(parts.solver, "solver"), dimension, icnn);
  if (!icnn.skip) fail("network.skip", "true", "false");
  parts.network_options = dense_icnn_declaration().write(icnn);
  parts.solver = dual_declaration().write(options);
  if (options.members > 1) return std::make_unique<DualEnsemble>(dimension, options, icnn, random);
  return std::make_unique<Dual>(dimension, options, icnn, random);
}

/// What the user has left open becomes what there is time for.
void give_dual_time(std::int64_t dimension, double seconds, SolverParts& parts) {
  const auto icnn = dense_icnn_declaration().read(parts.network_options, "network");
  const auto options = dual_declaration().read(parts.solver, "solver");
  const DualBudget budget = dual_budget(dimension, seconds * at::get_num_threads(), options, icnn);
  if (options.network_share < 0 && !budget.live) parts.solver["network_share"] = 0.0;
  if (options.members > 0) return;
  parts.solver["members"] = budget.members;
  if (!budget.hidden.empty()) parts.network_options["hidden"] = budget.hidden;
}

/// The cost of those that the saddle point serves; its options come back resolved.
WeakCost saddle_point_cost(SolverParts& parts) {
  const auto resolved = [&](const auto& declaration) {
    const auto options = declaration.read(parts.cost_options, "cost");
    parts.cost_options = declaration.write(options);
    return WeakCost(options);
  };
  if (parts.cost == "weak_quadratic") return resolved(weak_quadratic_declaration());
  if (parts.cost == "kernel_weak") return resolved(kernel_weak_declaration());
  return WeakCost(0.0);
}

/// A game of images; the critic's options come back with every one resolved.
template <class Options>
std::unique_ptr<Solver> make_of_images(const Declaration<Options>& declaration, const Shape& shape,
                                       const SaddlePointOptions& options, const WeakCost& cost,
                                       SolverParts& parts, Random& random) {
  Options critic = declaration.read(parts.network_options, "network");
  take_shape(critic, parts.network_options, shape);
  parts.network_options = declaration.write(critic);
  return std::make_unique<ImageSaddlePoint>(critic, options, cost, random);
}

/// Whether a saddle point is sought in affine coordinates, by networks that fit any dimension.
bool in_affine_frame(const SolverParts& parts) {
  const std::string start = saddle_point_declaration().read(parts.solver, "solver").start;
  const bool icnn = parts.network == "dense_icnn";
  const bool any_dimension = (icnn || parts.network == "mlp") && !parts.given.map;
  return any_dimension && (start == "affine" || (start == "auto" && icnn));
}

bool always(const SolverParts&) { return true; }

std::unique_ptr<Solver> make_saddle_point(const Shape& shape, SolverParts& parts, Random& random) {
  const std::int64_t dimension = c10::multiply_integers(shape);
  const auto options = saddle_point_declaration().read(parts.solver, "solver");
  const WeakCost cost = saddle_point_cost(parts);
  const auto& [potential, map] = parts.given;
  std::unique_ptr<Solver> solver;
  if (potential) {
    solver = std::make_unique<SaddlePoint>(dimension, options, cost, potential, random, map);
  } else if (map && parts.network.ends_with("resnet_critic")) {
    fail("network.name", "mlp, since the map is a network that was given", parts.network);
  } else if (parts.network == "resnet_critic") {
    solver = make_of_images(resnet_critic_declaration(), shape, options, cost, parts, random);
  } else if (parts.network == "noised_resnet_critic") {
    solver =
        make_of_images(noised_resnet_critic_declaration(), shape, options, cost, parts, random);
  } else if (parts.network == "dense_icnn") {
    const auto icnn =
        sized_for(dense_icnn_declaration().read(parts.network_options, "network"), dimension);
    parts.network_options = dense_icnn_declaration().write(icnn);
    solver = std::make_unique<SaddlePoint>(dimension, options, cost, icnn, random, map);
  } else if (parts.network == "noised_mlp") {
    const auto noised =
        noised_mlp_declaration().read(parts.network_options, "network").sized_for(dimension);
    parts.network_options = noised_mlp_declaration().write(noised);
    solver = std::make_unique<SaddlePoint>(dimension, options, cost, noised, random, map);
  } else {
    const auto mlp = sized_for(mlp_declaration().read(parts.network_options, "network"), dimension);
    parts.network_options = mlp_declaration().write(mlp);
    solver = std::make_unique<SaddlePoint>(dimension, options, cost, mlp, random, map);
  }
  parts.solver = solver->options();
  return solver;
}

/// A solver whose networks are perceptrons and whose cost is quadratic.
template <class Made, class Options>
std::unique_ptr<Solver> make_of_perceptrons(const Declaration<Options>& declaration,
                                            std::int64_t dimension, SolverParts& parts,
                                            Random& random) {
  const auto mlp = sized_for(mlp_declaration().read(parts.network_options, "network"), dimension);
  auto solver =
      std::make_unique<Made>(dimension, declaration.read(parts.solver, "solver"), mlp, random);
  parts.network_options = mlp_declaration().write(mlp);
  parts.solver = solver->options();
  return solver;
}

std::unique_ptr<Solver> make_regularized_dual(std::int64_t dimension, SolverParts& parts,
                                              Random& random) {
  return make_of_perceptrons<RegularizedDual>(regularized_dual_declaration(), dimension, parts,
                                              random);
}

std::unique_ptr<Solver> make_adversarial(std::int64_t dimension, SolverParts& parts,
                                         Random& random) {
  return make_of_perceptrons<Adversarial>(adversarial_declaration(), dimension, parts, random);
}

std::unique_ptr<Solver> make_light_sb(std::int64_t dimension, SolverParts& parts, Random&) {
  const auto options = light_sb_declaration().read(parts.solver, "solver");
  parts.solver = light_sb_declaration().write(options);
  return std::make_unique<LightSb>(dimension, options);
}

/// A solver to which an image is but a vector.
auto of_vectors(std::unique_ptr<Solver> (*make)(std::int64_t, SolverParts&, Random&)) {
  return [make](const Shape& shape, SolverParts& parts, Random& random) {
    return make(c10::multiply_integers(shape), parts, random);
  };
}

}  // namespace

std::span<const SolverRow> solver_rows() {
  static const std::vector<SolverRow> rows{
      {dual_declaration().info(),
       {"dense_icnn"},
       {"quadratic"},
       of_vectors(make_dual),
       dual_usual_steps,
       always,
       false,
       give_dual_time},
      {w2gn_declaration().info(),
       {"dense_icnn", "conv_icnn"},
       {"quadratic"},
       make_w2gn,
       w2gn_usual_steps,
       always},
      {saddle_point_declaration().info(),
       {"mlp", "dense_icnn", "resnet_critic", "noised_mlp", "noised_resnet_critic"},
       {"quadratic", "weak_quadratic", "kernel_weak"},
       make_saddle_point,
       saddle_point_usual_steps,
       in_affine_frame,
       true},
      {regularized_dual_declaration().info(),
       {"mlp"},
       {"quadratic"},
       of_vectors(make_regularized_dual),
       regularized_dual_usual_steps},
      {adversarial_declaration().info(),
       {"mlp"},
       {"quadratic"},
       of_vectors(make_adversarial),
       adversarial_usual_steps},
      {light_sb_declaration().info(),
       {},
       {"quadratic"},
       of_vectors(make_light_sb),
       light_sb_usual_steps},
  };
  return rows;
}

std::span<const NetworkRow> network_rows() {
  static const std::vector<NetworkRow> rows{
      {dense_icnn_declaration().info(),
       [](std::int64_t dimension, const Table& options) -> std::shared_ptr<Potential> {
         Random random(0, "network");
         return std::make_shared<DenseIcnn>(dimension,
                                            dense_icnn_declaration().read(options, "network"),
                                            DenseIcnn::Initial::near_zero, random);
       }},
      {conv_icnn_declaration().info(),
       [](std::int64_t, const Table& options) -> std::shared_ptr<Potential> {
         Random random(0, "network");
         return std::make_shared<ConvIcnn>(conv_icnn_declaration().read(options, "network"),
                                           random);
       },
       true},
      {mlp_declaration().info(),
       [](std::int64_t dimension, const Table& options) -> std::shared_ptr<Potential> {
         Random random(0, "network");
         return std::make_shared<MlpPotential>(dimension,
                                               mlp_declaration().read(options, "network"), random);
       }},
      {noised_mlp_declaration().info(),
       [](std::int64_t dimension, const Table& options) -> std::shared_ptr<Potential> {
         Random random(0, "network");
         return std::make_shared<NoisedMlp>(
             dimension, noised_mlp_declaration().read(options, "network"), random);
       }},
      {resnet_critic_declaration().info(),
       [](std::int64_t, const Table& options) -> std::shared_ptr<Potential> {
         Random random(0, "network");
         return std::make_shared<ResNetCritic>(resnet_critic_declaration().read(options, "network"),
                                               random);
       },
       true},
      {noised_resnet_critic_declaration().info(),
       [](std::int64_t, const Table& options) -> std::shared_ptr<Potential> {
         Random random(0, "network");
         return std::make_shared<NoisedResNetCritic>(
             noised_resnet_critic_declaration().read(options, "network"), random);
       },
       true},
  };
  return rows;
}

std::span<const PartInfo> cost_infos() {
  static const std::vector<PartInfo> infos{{"cost",
                                            "quadratic",
                                            "c(x, y) = ½ |x - y|²; its optimal value is ½ W2².",
                                            "Korotin et al. 2021, eq. 4",
                                            {}},
                                           weak_quadratic_declaration().info(),
                                           kernel_weak_declaration().info()};
  return infos;
}

const SolverRow& find_solver(std::string_view name, std::string_view where) {
  return find_row(solver_rows(), "solver", name, where);
}

const NetworkRow& find_network(std::string_view name, std::string_view where) {
  return find_row(network_rows(), "network", name, where);
}

const PartInfo& find_cost(std::string_view name, std::string_view where) {
  std::vector<std::string> names;
  for (const PartInfo& info : cost_infos()) {
    if (info.name == name) return info;
    names.push_back(info.name);
  }
  throw unknown_name(where, "cost", name, names);
}

void require_served(const SolverRow& solver, std::string_view kind, const std::string& name,
                    const std::vector<std::string>& served) {
  if (std::ranges::count(served, name) > 0) return;
  fail(fmt::format("{}.name", kind),
       fmt::format("{} for the solver '{}'", fmt::join(served, " or "), solver.info.name), name);
}

std::vector<PartInfo> all_parts() {
  std::vector<PartInfo> parts;
  for (const SolverRow& row : solver_rows()) parts.push_back(row.info);
  for (const NetworkRow& row : network_rows()) parts.push_back(row.info);
  for (const PartInfo& info : cost_infos()) parts.push_back(info);
  for (const MeasureRow& row : measure_rows()) parts.push_back(row.info);
  parts.push_back({"measure",
                   "pushforward",
                   "T#P, the points T(x) of another measure's x under a map; from C++.",
                   "",
                   {}});
  for (const PartInfo& info : metrics()) parts.push_back(info);
  parts.push_back(latent_declaration().info());
  parts.push_back(smoothing_declaration().info());
  parts.push_back(train_declaration().info());
  parts.push_back(evaluate_declaration().info());
  return parts;
}

}  // namespace monge
