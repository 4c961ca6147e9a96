#include "monge/registry.h"

#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/measures/registry.h"
#include "monge/metric.h"
#include "monge/networks/dense_icnn.h"
#include "monge/solvers/w2gn.h"
#include "monge/trainer.h"

namespace monge {
namespace {

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

}  // namespace

std::span<const SolverRow> solver_rows() {
  static const std::vector<SolverRow> rows{
      {w2gn_declaration().info(),
       [](std::int64_t dimension, Table& solver, Table& network, Random& random) {
         const auto icnn = sized_for(dense_icnn_declaration().read(network, "network"), dimension);
         const auto options = sized_for(w2gn_declaration().read(solver, "solver"), dimension, icnn);
         network = dense_icnn_declaration().write(icnn);
         if (!icnn.skip && options.start != "pretrain")
           fail("network.skip", "true, or solver.start = \"pretrain\"", "false");
         solver = w2gn_declaration().write(options);
         return std::make_unique<W2gn>(dimension, options, icnn, random);
       },
       w2gn_usual_steps},
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
  };
  return rows;
}

std::span<const PartInfo> cost_infos() {
  static const std::vector<PartInfo> infos{{"cost",
                                            "quadratic",
                                            "c(x, y) = ½ |x - y|²; its optimal value is ½ W2².",
                                            "Korotin et al. 2021, eq. 4",
                                            {}}};
  return infos;
}

const SolverRow& find_solver(std::string_view name, std::string_view where) {
  return find_row(solver_rows(), "solver", name, where);
}

const NetworkRow& find_network(std::string_view name, std::string_view where) {
  return find_row(network_rows(), "network", name, where);
}

std::unique_ptr<Cost> make_cost(std::string_view name, std::string_view where) {
  std::vector<std::string> names;
  for (const PartInfo& info : cost_infos()) names.push_back(info.name);
  if (name == "quadratic") return std::make_unique<QuadraticCost>();
  throw unknown_name(where, "cost", name, names);
}

std::vector<PartInfo> all_parts() {
  std::vector<PartInfo> parts;
  for (const SolverRow& row : solver_rows()) parts.push_back(row.info);
  for (const NetworkRow& row : network_rows()) parts.push_back(row.info);
  for (const PartInfo& info : cost_infos()) parts.push_back(info);
  for (const MeasureRow& row : measure_rows()) parts.push_back(row.info);
  for (const PartInfo& info : metrics()) parts.push_back(info);
  parts.push_back(train_declaration().info());
  parts.push_back(evaluate_declaration().info());
  return parts;
}

}  // namespace monge
