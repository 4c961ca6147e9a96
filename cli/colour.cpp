#include "monge/average_map.h"
#include "monge/colour_space.h"
#include "monge/config.h"
#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/image.h"
#include "monge/map_file.h"
#include "monge/measures/file.h"
#include "monge/metric.h"

#include "commands.h"
#include "interrupt.h"
#include "show.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

namespace monge::cli {
namespace {

struct ColourArguments {
  std::string photo, out, map, lut;
  std::vector<std::string> palettes;
  std::vector<double> weights;
  std::string space = "srgb";
  double strength = 1;
  std::int64_t lut_size = 33;
  std::vector<std::string> settings;
  bool force = false;
};

/// What is learned for one palette.
struct Learned {
  Experiment experiment;
  TrainSummary summary;
  Solution solution;
};

Config colour_config(const ColourArguments& arguments, const std::string& palette) {
  Config config = recipe_config("colour");
  const auto here = std::filesystem::current_path();
  const auto pixels = [&](const std::string& file) {
    return Table{{"name", std::string("pixels")},
                 {"file", absolute_location(file, here)},
                 {"space", arguments.space}};
  };
  config.sections["source"] = pixels(arguments.photo);
  config.sections["target"] = pixels(palette);
  for (const std::string& setting : arguments.settings) apply_setting(config, setting);
  return config;
}

void require_outputs(const ColourArguments& arguments, Existing existing) {
  std::vector<std::string> outputs;
  for (const std::string& path : {arguments.out, arguments.map, arguments.lut}) {
    if (path.empty()) continue;
    require_writable(path, existing);
    outputs.push_back(absolute_location(path, std::filesystem::current_path()));
    if (std::ranges::count(outputs, outputs.back()) > 1)
      throw Error(path + ": expected another file for each output, got the same twice");
  }
}

void require_sound(const ColourArguments& arguments, Existing existing) {
  require_outputs(arguments, existing);
  if (!is_writable_image_path(arguments.out))
    throw Error(arguments.out +
                ": expected a picture's extension (jpg, png, tif, webp), got another");
  if (!arguments.weights.empty() && arguments.weights.size() != arguments.palettes.size())
    throw Error("--weights: expected " + std::to_string(arguments.palettes.size()) +
                ", one for each palette, got " + std::to_string(arguments.weights.size()));
  for (const double weight : arguments.weights)
    if (!(weight >= 0) || std::isinf(weight))
      throw Error("--weights: expected finite numbers at or above 0, got " +
                  std::to_string(weight));
  if (!arguments.weights.empty() && std::ranges::max(arguments.weights) <= 0)
    throw Error("--weights: expected a positive sum, got 0");
}

/// One for each palette, so that all files are read before the work begins.
std::vector<Learned> prepared(const ColourArguments& arguments) {
  std::vector<Learned> all;
  all.reserve(arguments.palettes.size());
  for (const std::string& palette : arguments.palettes)
    all.push_back({build_experiment(colour_config(arguments, palette)), {}, {}});
  return all;
}

/// False where it was interrupted.
bool learn(Learned& one) {
  Experiment& experiment = one.experiment;
  Random random(experiment.config.seed, "start");
  experiment.solver->start(experiment.problem, random);
  StopOnInterrupt stop;
  ShowProgress progress;
  Callback* const callbacks[] = {&stop, &progress};
  one.summary = train(*experiment.solver, experiment.problem, experiment.train,
                      experiment.evaluator(), callbacks);
  one.solution = learned(*experiment.solver, experiment.problem);
  if (one.summary.reason != StopReason::interrupted) return true;
  std::fprintf(stderr, "monge: %s; nothing was written\n", one.summary.message.c_str());
  return false;
}

/// The map to the palette, or to the barycentre of several.
Solution combined(const std::vector<Learned>& all, std::vector<double> weights) {
  if (all.size() == 1) return all.front().solution;
  if (weights.empty()) weights.assign(all.size(), 1.0);
  std::vector<std::shared_ptr<const TransportMap>> maps;
  maps.reserve(all.size());
  for (const Learned& one : all) maps.push_back(one.solution.map);
  return {std::make_shared<AverageMap>(std::move(maps), std::move(weights)), nullptr};
}

/// How far the photograph's colours are from each palette, as they were and as they are.
std::vector<EvaluatedFigure> palette_figures(const ColourArguments& arguments,
                                             const std::vector<Learned>& all,
                                             const TransportMap& map) {
  const auto& first = all.front().experiment;
  Random random(first.config.seed, "figures");
  const Tensor x = first.source.held_out->sample(first.evaluate.points, random);
  const Tensor moved = map.at_time(x, arguments.strength);
  std::vector<EvaluatedFigure> figures;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor y = all[i].experiment.target.held_out->sample(x.size(0), random);
    const std::string name = "to_palette_" + std::to_string(i + 1);
    const std::string& file = arguments.palettes[i];
    figures.push_back({name, energy_distance(moved, y),
                       "energy distance between the result's colours and " + file});
    figures.push_back(
        {name + "_before", energy_distance(x, y), "the same of the photograph as it was"});
  }
  return figures;
}

std::vector<EvaluatedFigure> figures_of(const ColourArguments& arguments,
                                        const std::vector<Learned>& all, const Solution& solution) {
  const Experiment& first = all.front().experiment;
  std::vector<EvaluatedFigure> figures;
  if (all.size() == 1)
    figures = evaluate_solution(solution, *first.source.held_out, *first.target.held_out,
                                first.evaluate.points, first.config.seed);
  if (all.size() > 1 || arguments.strength != 1)
    std::ranges::move(palette_figures(arguments, all, *solution.map), std::back_inserter(figures));
  return figures;
}

void write(const ColourArguments& arguments, const Solution& solution, const Config& config,
           Existing existing) {
  const std::string space =
      pixels_declaration().read(config.options("source"), "source").space;  // --set may name it too
  const ColourFunction map = in_space(
      [&](const Tensor& colours) {
        StopOnInterrupt::check();
        return solution.map->at_time(colours, arguments.strength);
      },
      colour_space_of(space, "--space"));
  Photograph(arguments.photo).recolour(map, arguments.out, existing);
  if (!arguments.map.empty())
    save_map(arguments.map, solution,
             {{"solver", "w2gn"}, {"seed", std::to_string(config.seed)}, {"space", space}},
             existing);
  if (!arguments.lut.empty())
    write_cube(arguments.lut, map, static_cast<int>(arguments.lut_size), "monge colour", existing);
}

int colour(const ColourArguments& arguments) {
  const Existing existing = arguments.force ? Existing::replace : Existing::keep;
  require_sound(arguments, existing);
  std::vector<Learned> all = prepared(arguments);
  for (Learned& one : all)
    if (!learn(one)) return interrupted_exit_code;
  const Solution solution = combined(all, arguments.weights);
  const StopOnInterrupt stop;
  write(arguments, solution, all.front().experiment.config, existing);
  for (const Learned& one : all)
    std::printf("%s in %.1f s\n", one.summary.message.c_str(), one.summary.seconds);
  print_figures(figures_of(arguments, all, solution));
  for (const std::string& path : {arguments.out, arguments.map, arguments.lut})
    if (!path.empty()) std::printf("wrote %s\n", path.c_str());
  const bool diverged = std::ranges::any_of(
      all, [](const Learned& one) { return one.summary.reason == StopReason::diverged; });
  return diverged ? 1 : 0;
}

}  // namespace

void add_colour(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ColourArguments>();
  CLI::App* command =
      app.add_subcommand("colour", "Gives a photograph the colours of another, or of several.");
  command->add_option("photo", arguments->photo, "The photograph to recolour.")->required();
  command
      ->add_option("palettes", arguments->palettes,
                   "The photographs whose colours it takes; of several their barycentre.")
      ->required();
  command->add_option("-o,--out", arguments->out, "The recoloured photograph.")->required();
  command
      ->add_option("--weights", arguments->weights,
                   "Of several palettes: their shares, such as 2,1,1; without it equal ones.")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--strength", arguments->strength,
                   "From 0 to 1: how far every colour goes on its way.")
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--space", arguments->space,
                   "The coordinates in which the map is optimal: srgb, linear, lab or oklab.")
      ->check(CLI::IsMember(colour_space_names()));
  command->add_option("--save-map", arguments->map,
                      "Keeps the map at full strength, for monge apply.");
  command->add_option("--lut", arguments->lut, "Writes the map as a 3-D LUT (.cube).");
  command->add_option("--lut-size", arguments->lut_size, "Points a side of the LUT.")
      ->check(CLI::Range(2, 256));
  command->add_option("--set", arguments->settings, "An option as section.key=value; repeatable.")
      ->allow_extra_args(false);
  command->add_flag("--force", arguments->force, "Replaces existing outputs.");
  command->callback([arguments, &exit_code] { exit_code = colour(*arguments); });
}

}  // namespace monge::cli
