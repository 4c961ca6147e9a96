#include "monge/config.h"
#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/image.h"
#include "monge/map_file.h"

#include "commands.h"
#include "interrupt.h"
#include "show.h"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace monge::cli {
namespace {

struct ColourArguments {
  std::string photo, palette, out, map, lut;
  std::int64_t lut_size = 33;
  std::vector<std::string> settings;
  bool force = false;
};

Config colour_config(const ColourArguments& arguments) {
  Config config = recipe_config("colour");
  const auto here = std::filesystem::current_path();
  config.sections["source"] = {{"name", std::string("pixels")},
                               {"file", absolute_location(arguments.photo, here)}};
  config.sections["target"] = {{"name", std::string("pixels")},
                               {"file", absolute_location(arguments.palette, here)}};
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

int colour(const ColourArguments& arguments) {
  const Existing existing = arguments.force ? Existing::replace : Existing::keep;
  require_outputs(arguments, existing);
  if (!is_writable_image_path(arguments.out))
    throw Error(arguments.out +
                ": expected a picture's extension (jpg, png, tif, webp), got another");
  Experiment experiment = build_experiment(colour_config(arguments));
  const std::uint64_t seed = experiment.config.seed;
  Random random(seed, "start");
  experiment.solver->start(experiment.problem, random);
  StopOnInterrupt stop;
  ShowProgress progress;
  Callback* const callbacks[] = {&stop, &progress};
  const TrainSummary summary = train(*experiment.solver, experiment.problem, experiment.train,
                                     experiment.evaluator(), callbacks);
  if (summary.reason == StopReason::interrupted) {
    std::fprintf(stderr, "monge: %s; nothing was written\n", summary.message.c_str());
    return interrupted_exit_code;
  }
  const Solution solution = learned(*experiment.solver, experiment.problem);
  const ColourFunction map = [&](const Tensor& colours) {
    StopOnInterrupt::check();
    return solution.map->transport(colours);
  };
  Photograph(arguments.photo).recolour(map, arguments.out, existing);
  if (!arguments.map.empty())
    save_map(arguments.map, solution, {{"solver", "w2gn"}, {"seed", std::to_string(seed)}},
             existing);
  if (!arguments.lut.empty())
    write_cube(arguments.lut, map, static_cast<int>(arguments.lut_size), "monge colour", existing);
  std::printf("%s in %.1f s\n", summary.message.c_str(), summary.seconds);
  print_figures(evaluate_solution(solution, *experiment.source.held_out,
                                  *experiment.target.held_out, experiment.evaluate.points, seed));
  for (const std::string& path : {arguments.out, arguments.map, arguments.lut})
    if (!path.empty()) std::printf("wrote %s\n", path.c_str());
  return summary.reason == StopReason::diverged ? 1 : 0;
}

}  // namespace

void add_colour(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ColourArguments>();
  CLI::App* command = app.add_subcommand("colour", "Gives a photograph the colours of another.");
  command->add_option("photo", arguments->photo, "The photograph to recolour.")->required();
  command->add_option("palette", arguments->palette, "The photograph whose colours it takes.")
      ->required();
  command->add_option("-o,--out", arguments->out, "The recoloured photograph.")->required();
  command->add_option("--save-map", arguments->map, "Keeps the map, for monge apply.");
  command->add_option("--lut", arguments->lut, "Writes the map as a 3-D LUT (.cube).");
  command->add_option("--lut-size", arguments->lut_size, "Points a side of the LUT.")
      ->check(CLI::Range(2, 256));
  command->add_option("--set", arguments->settings, "An option as section.key=value; repeatable.")
      ->allow_extra_args(false);
  command->add_flag("--force", arguments->force, "Replaces existing outputs.");
  command->callback([arguments, &exit_code] { exit_code = colour(*arguments); });
}

}  // namespace monge::cli
