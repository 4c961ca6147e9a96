#include "cells/cell_report.h"

#include "monge/cells.h"
#include "monge/measures/array.h"
#include "monge/metric.h"

#include "arrays/location.h"
#include "cells/cell_file.h"
#include "evaluation_points.h"

namespace monge {
namespace {

constexpr std::int64_t shown_features = 20;

/// The location of a side, "" where it is in no AnnData file.
std::string cells_of(const Config& config, std::string_view section) {
  const Table options = config.options(section);
  const auto entry = options.find("file");
  if (entry == options.end()) return "";
  const auto* file = std::get_if<std::string>(&entry->second);
  return file && is_cells_location(*file) ? *file : "";
}

std::string count_text(const Measure& measure) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  return finite ? std::to_string(finite->size()) : "–";
}

std::string number_text(double number) { return fmt::format("{:.4g}", number); }

ReportTable counts_table(const CellGroup& source, const Split& from, const CellGroup& target,
                         const Split& to) {
  ReportTable table{.title = "Cells", .header = {"", "cells", "trained on", "held out"}};
  for (const auto& [role, group, split] :
       {std::tuple("source", &source, &from), std::tuple("target", &target, &to)}) {
    const bool kept = split->train != split->held_out;
    table.rows.push_back({fmt::format("{}: {}, {}", role, group->label, group->matrix),
                          std::to_string(group->cells), count_text(*split->train),
                          kept ? count_text(*split->held_out) : "none"});
  }
  return table;
}

ReportTable column_table(const CellColumn& column) {
  ReportTable table{.title = fmt::format("Cells by {}", column.name),
                    .header = {column.name, "cells"}};
  for (const auto& [value, cells] : column.counts)
    table.rows.push_back({value, std::to_string(cells)});
  return table;
}

/// Means of every feature, [d] float64, on the same held-out cells as the figures.
struct FeatureMeans {
  Tensor source, predicted, target;
  Tensor deviation;  ///< of the target's cells and the source's, pooled
};

FeatureMeans means_of(const EvaluationPoints& points, const Tensor& mapped) {
  const Tensor x = points.x.to(at::kDouble), y = points.y.to(at::kDouble);
  return {x.mean(0), mapped.to(at::kDouble).mean(0), y.mean(0),
          ((x.var(0, false) + y.var(0, false)) / 2).sqrt()};
}

ReportTable prediction_table(const EvaluationPoints& points, const Tensor& mapped,
                             const FeatureMeans& means) {
  const Tensor wanted = means.target - means.source, made = means.predicted - means.source;
  const double lengths = (wanted.norm() * made.norm()).item<double>();
  const double missed = (means.predicted - means.target).square().sum().item<double>();
  const double shift = wanted.square().sum().item<double>();
  ReportTable table{
      .title = "Prediction",
      .note = fmt::format("On {} held-out cells of each side.", points.x.size(0)),
      .header = {"", "value", "meaning"},
      .rows = {{"energy distance before", number_text(energy_distance(points.x, points.y)),
                "between the source's cells and the target's"},
               {"energy distance after", number_text(energy_distance(mapped, points.y)),
                "between the predicted cells and the target's"},
               {"energy distance floor", number_text(energy_distance(points.y_other, points.y)),
                "between two samples of the target's cells: what sampling alone gives"}}};
  if (lengths > 0)
    table.rows.push_back({"agreement of the shift",
                          number_text(wanted.dot(made).item<double>() / lengths),
                          "cosine between the predicted and the measured change of the means of "
                          "all features; 1 is perfect"});
  if (shift > 0)
    table.rows.push_back({"explained shift", fmt::format("{:.1f} %", 100 * (1 - missed / shift)),
                          "1 - |E T(x) - E y|² / |E x - E y|²"});
  return table;
}

ReportTable features_table(const FeatureMeans& means, const std::vector<std::string>& names) {
  const Tensor change = (means.target - means.source) / means.deviation.clamp_min(1e-12);
  const Tensor order = change.abs().argsort(0, /*descending=*/true);
  ReportTable table{
      .title = "Features that change most",
      .note = "Means over the same cells, by the measured change in standard deviations.",
      .header = {"feature", "source", "predicted", "target", "predicted change", "measured change",
                 "in deviations"}};
  for (std::int64_t i = 0; i < std::min(shown_features, order.size(0)); ++i) {
    const auto at = order[i].item<std::int64_t>();
    const auto value = [at](const Tensor& of) { return of[at].item<double>(); };
    const double source = value(means.source);
    table.rows.push_back({names[at], number_text(source), number_text(value(means.predicted)),
                          number_text(value(means.target)),
                          fmt::format("{:+.4g}", value(means.predicted) - source),
                          fmt::format("{:+.4g}", value(means.target) - source),
                          fmt::format("{:+.2f}", value(change))});
  }
  return table;
}

}  // namespace

std::string cells_title(const std::string& text) {
  const ArrayLocation location = parse_location(text);
  const CellSelection selection = parse_selection(location.key.value_or(""));
  const std::string name = location.path.filename().string();
  return selection.conditions.empty() ? name
                                      : fmt::format("{}, {}", name, text_of(selection.conditions));
}

std::vector<ReportTable> cell_tables(const Config& config, const Solution& solution,
                                     const Split& source, const Split& target) {
  constexpr std::int64_t numbers = 1 << 22;
  const std::string from = cells_of(config, "source"), to = cells_of(config, "target");
  if (from.empty() || to.empty()) return {};
  const CellGroup of_source = describe_cells(from), of_target = describe_cells(to);
  std::vector<ReportTable> tables{counts_table(of_source, source, of_target, target)};
  for (const CellColumn& column : of_source.columns) tables.push_back(column_table(column));
  for (const CellColumn& column : of_target.columns)
    if (parse_location(from).path != parse_location(to).path ||
        std::ranges::count(of_source.columns, column.name, &CellColumn::name) == 0)
      tables.push_back(column_table(column));
  const auto options = evaluate_declaration().read(config.options("evaluate"), "evaluate");
  const EvaluationPoints points =
      draw_evaluation_points(*source.held_out, *target.held_out,
                             affordable(*source.held_out, options.points, numbers), config.seed);
  const Tensor mapped = solution.map->transport(points.x);
  const FeatureMeans means = means_of(points, mapped);
  tables.push_back(prediction_table(points, mapped, means));
  tables.push_back(features_table(means, of_target.features));
  return tables;
}

}  // namespace monge
