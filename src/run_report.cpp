#include "monge/cells.h"
#include "monge/colour_space.h"
#include "monge/density.h"
#include "monge/error.h"
#include "monge/image.h"
#include "monge/map_file.h"
#include "monge/measures/file.h"
#include "monge/report.h"
#include "monge/run.h"

#include "cells/cell_report.h"
#include "evaluation_points.h"
#include "image/png.h"
#include "image_evaluation.h"
#include "image_samples.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <unistd.h>

namespace monge {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t cloud_points = 3000;
constexpr int preview_side = 720;

std::string readable(std::string name) {
  std::ranges::replace(name, '_', ' ');
  return name;
}

std::vector<Curve> read_curves(const std::filesystem::path& path) {
  std::vector<Curve> curves;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object()) continue;
    for (const auto& [name, value] : entry.items()) {
      if (name == "step" || name == "seconds" || !value.is_number()) continue;
      auto curve = std::ranges::find(curves, readable(name), &Curve::name);
      if (curve == curves.end())
        curve = curves.insert(curves.end(), {.name = readable(name),
                                             .logarithmic = name == "quality" || name == "cycle"});
      curve->steps.push_back(entry["step"].get<double>());
      curve->values.push_back(value.get<double>());
    }
  }
  return curves;
}

/// Points in the plane or in space: themselves up to three dimensions, above that their two first
/// principal components of `reference`.
class Projection {
 public:
  explicit Projection(const Tensor& reference) {
    if (reference.size(1) <= 3) return;
    mean_ = reference.mean(0);
    axes_ = std::get<2>(at::linalg_svd((reference - mean_).to(at::kDouble), false))
                .narrow(0, 0, 2)
                .t()
                .to(at::kFloat);
  }
  bool reduces() const { return axes_.defined(); }
  Tensor operator()(const Tensor& points) const {
    if (axes_.defined()) return (points - mean_).mm(axes_);
    if (points.size(1) == 1) return at::cat({points, at::zeros_like(points)}, 1);
    return points;
  }

 private:
  Tensor mean_, axes_;
};

/// A photograph's preview moved through a map of colours, as JPEG or PNG bytes.
Picture mapped_preview(const PixelsOptions& pixels, const TransportMap& map,
                       const std::string& caption) {
  Picture picture{.caption = caption};
  const std::string small = Photograph(pixels.file).preview(preview_side, &picture.mime);
  const std::string extension = picture.mime == "image/png" ? ".png" : ".jpg";
  const auto folder = std::filesystem::temp_directory_path();
  const auto before = folder / fmt::format("monge-preview-{}-in{}", getpid(), extension);
  const auto after = folder / fmt::format("monge-preview-{}-out{}", getpid(), extension);
  write_text(before, small);
  const auto moved = in_space([&](const Tensor& colours) { return map.transport(colours); },
                              colour_space_of(pixels.space, "space"));
  Photograph(before).recolour(moved, after, Existing::replace);
  picture.bytes = read_text(after);
  std::filesystem::remove(before);
  std::filesystem::remove(after);
  return picture;
}

Picture plain_preview(const PixelsOptions& pixels, const std::string& caption) {
  Picture picture{.caption = caption};
  picture.bytes = Photograph(pixels.file).preview(preview_side, &picture.mime);
  return picture;
}

/// Those of a side, if its measure is a photograph's colours.
std::optional<PixelsOptions> pixels_of(const Config& config, std::string_view section) {
  if (config.part(section, "") != "pixels") return std::nullopt;
  return pixels_declaration().read(config.options(section), section);
}

void add_pictures(Report& report, const Config& config, const Solution& solution) {
  if (const auto source = pixels_of(config, "source")) {
    report.pictures.push_back(plain_preview(*source, "before"));
    report.pictures.push_back(mapped_preview(*source, *solution.map, "after"));
  }
  if (const auto target = pixels_of(config, "target")) {
    report.pictures.push_back(plain_preview(*target, "the palette"));
    if (solution.inverse)
      report.pictures.push_back(mapped_preview(*target, *solution.inverse,
                                               "the palette's picture in the source's colours"));
  }
}

/// From pale to dark, [n, 3], of shares [n] in [0, 1].
Tensor shades(const Tensor& shares) {
  static const Tensor stops =
      at::tensor({0.99, 0.88, 0.55, 0.96, 0.54, 0.30, 0.71, 0.21, 0.48, 0.28, 0.07, 0.44})
          .view({4, 3});
  const Tensor at_stop = shares.clamp(0, 1) * 3, below = at_stop.floor().clamp_max(2);
  const Tensor index = below.to(at::kLong), rest = (at_stop - below).unsqueeze(1);
  return at::lerp(stops.index_select(0, index).to(rest.scalar_type()),
                  stops.index_select(0, index + 1).to(rest.scalar_type()), rest);
}

/// The density of the mapped source in the plane, on a grid over the target's points; what is less
/// than a thousandth of its largest is left out. Shades go with the square root of the density.
std::optional<Cloud> density_cloud(const Solution& solution, const Measure& source,
                                   const Tensor& y) {
  constexpr std::int64_t side = 70;  // 4900 points: a cloud keeps 5000
  constexpr double least = 1e-3;
  if (y.size(1) != 2 || !has_log_det(*solution.map) || !source.log_density(y)) return std::nullopt;
  const auto [low, high] = at::aminmax(y, 0);
  const Tensor unit = at::linspace(-0.05, 1.05, side, y.options());
  const std::vector<Tensor> axes = at::meshgrid({unit, unit}, "ij");
  const Tensor grid = low + at::stack({axes[0].flatten(), axes[1].flatten()}, 1) * (high - low);
  const auto* start = dynamic_cast<const BrenierMap*>(solution.inverse.get());
  const Tensor density =
      pushed_log_density(
          *solution.map, start, [&](const Tensor& x) { return *source.log_density(x); }, grid)
          .value;
  const Tensor share = (density - density.max()).exp();
  const Tensor kept = (share >= least).nonzero().squeeze(1);
  if (kept.size(0) == 0) return std::nullopt;
  return Cloud{"learned density", grid.index_select(0, kept),
               shades(share.index_select(0, kept).sqrt())};
}

/// Of runs on images: held-out ones with what the map makes of them, and some of the target.
void add_grids(Report& report, const Config& config, const Solution& solution, const Split& source,
               const Split& target) {
  constexpr std::int64_t shown = 8;
  const Tensor x = sample_images(*source.held_out, shown, config.seed);
  std::vector<SampleGrid> grids = sample_grids(*solution.map, x, source.held_out->shape());
  grids.push_back(
      target_grid(sample_images(*target.held_out, shown, config.seed), target.held_out->shape()));
  for (const SampleGrid& grid : grids)
    report.pictures.push_back({grid.caption, "image/png", image::png_of(grid.image)});
}

void add_scatter(Report& report, const Config& config, const Solution& solution,
                 const Split& source, const Split& target) {
  Random random(config.seed, "report");
  constexpr std::int64_t numbers = 1 << 20;  // of a cloud
  const std::int64_t count = affordable(*source.held_out, cloud_points, numbers);
  const Tensor x = source.held_out->sample(count, random);
  const Tensor y = target.held_out->sample(count, random);
  const Tensor mapped = solution.map->transport(x);
  const auto pixels = pixels_of(config, "source");
  const bool colours = pixels && pixels_of(config, "target");
  const Projection project(y);
  const auto cloud = [&](const std::string& name, const Tensor& points) {
    return Cloud{name, project(points),
                 colours ? to_srgb(points, colour_space_of(pixels->space, "space")) : Tensor()};
  };
  Scatter scatter{.title = project.reduces() ? "Points on the target's two principal components"
                           : colours         ? "Palettes"
                                             : "Points"};
  const bool one_space = source.held_out->dimension() == target.held_out->dimension();
  if (one_space) scatter.clouds.push_back(cloud("source", x));
  scatter.clouds.push_back(cloud("mapped source", mapped));
  scatter.clouds.push_back(cloud("target", y));
  if (one_space && solution.inverse)
    scatter.clouds.push_back(cloud("target mapped back", solution.inverse->transport(y)));
  if (auto density = density_cloud(solution, *source.held_out, y))
    scatter.clouds.push_back(std::move(*density));
  report.scatters.push_back(std::move(scatter));
  Scatter way{.title = "On the way: displacement interpolation"};
  for (const double time : {0.25, 0.5, 0.75})
    way.clouds.push_back(cloud(fmt::format("t = {}", time), solution.map->at_time(x, time)));
  report.scatters.push_back(std::move(way));
}

/// "china.jpg", or the name of a measure that is not a file.
std::string described(const Config& config, std::string_view section) {
  const Table options = config.options(section);
  const auto entry = options.find("file");
  if (entry == options.end()) return readable(config.part(section, "?"));
  const auto& file = std::get<std::string>(entry->second);
  if (is_cells_location(file)) return cells_title(file);
  return std::filesystem::path(file).filename().string();
}

void add_figures(Report& report, const Evaluation& evaluation) {
  const auto add = [](std::vector<Figure>& rows, const auto& figures) {
    for (const auto& figure : figures)
      rows.push_back({readable(figure.name), fmt::format("{:.4g}", figure.value), figure.meaning});
  };
  add(report.figures, evaluation.figures);
  report.plan_figures = {
      {"verdict", verdict_text(evaluation.plan.verdict), evaluation.plan.reason}};
  add(report.plan_figures, evaluation.plan.figures);
  for (const std::string& warning : evaluation.warnings)
    report.summary += fmt::format(" Warning: {}.", warning);
}

}  // namespace

void report_run(const RunDirectory& run) {
  const Config config = read_config(run.config());
  const LoadedMap loaded = load_map(run.map());
  const auto note = [&](const char* key) {
    const auto entry = loaded.notes.find(key);
    return entry == loaded.notes.end() ? std::string("?") : entry->second;
  };
  Report report;
  report.title = fmt::format("{} to {}", described(config, "source"), described(config, "target"));
  report.summary = fmt::format(
      "The optimal transport map learned by {}, as it was at step {}, and how right it is.",
      note("solver"), note("step"));
  report.configuration = config_text(config);
  const auto [source, target] = build_measures(config);
  add_figures(report, evaluate_run(run, source, target));
  report.tables = cell_tables(config, loaded.solution, source, target);
  add_pictures(report, config, loaded.solution);
  if (makes_images(*source.held_out, *target.held_out))
    add_grids(report, config, loaded.solution, source, target);
  else
    add_scatter(report, config, loaded.solution, source, target);
  report.curves = read_curves(run.metrics());
  write_report(run.report(), report);
}

}  // namespace monge
