#include "monge/arrays.h"
#include "monge/experiment.h"
#include "monge/map_file.h"
#include "monge/map_images.h"
#include "monge/run.h"

#include "commands.h"
#include "interrupt.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace monge::cli {
namespace {

struct SampleArguments {
  std::string run, out;
  std::int64_t count = 64, seed = 0;
  bool inverse = false, force = false;
};

/// Points of the target: images where the measure that they are like has images.
std::vector<std::int64_t> drawn_shape(const TransportMap& map, const Measure& like) {
  if (like.dimension() == map.target_dimension()) return like.shape();
  return map.target_shape();
}

Tensor moved(const TransportMap& map, const Tensor& x, Random& random) {
  const auto* stochastic = dynamic_cast<const StochasticMap*>(&map);
  return stochastic ? stochastic->sample(x, random) : map.transport(x);
}

void sample(const SampleArguments& arguments) {
  constexpr std::int64_t at_once = 1024;
  const RunDirectory run = open_run(arguments.run);
  const Existing existing = arguments.force ? Existing::replace : Existing::keep;
  const LoadedMap loaded = load_map(run.map());
  const auto& map = arguments.inverse ? loaded.solution.inverse : loaded.solution.map;
  if (!map) throw Error(arguments.run + ": this map has no inverse");
  const auto [source, target] = build_measures(read_config(run.config()));
  const Measure& from = arguments.inverse ? *target.held_out : *source.held_out;
  const Measure& like = arguments.inverse ? *source.held_out : *target.held_out;
  const StopOnInterrupt stop;
  const auto writer =
      create_points(arguments.out, drawn_shape(*map, like), arguments.count, existing);
  Random random(static_cast<std::uint64_t>(arguments.seed), "samples");
  for (std::int64_t left = arguments.count; left > 0; left -= at_once) {
    StopOnInterrupt::check();
    writer->append(moved(*map, from.sample(std::min(left, at_once), random), random));
  }
  writer->close();
}

}  // namespace

void add_sample(CLI::App& app) {
  auto arguments = std::make_shared<SampleArguments>();
  CLI::App* command = app.add_subcommand(
      "sample", "Draws points of a run's source and moves them: images where they are some.");
  command->add_option("run", arguments->run, "A run directory, which knows its measures.")
      ->required();
  command
      ->add_option("--out", arguments->out,
                   "Where the points go: an array, format by extension; of images also a picture "
                   "of all of them, or a folder.")
      ->required();
  command->add_option("--count", arguments->count, "How many points.")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 32));
  command->add_option("--seed", arguments->seed, "Of the points and of a map's noise.")
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  command->add_flag("--inverse", arguments->inverse,
                    "Draws points of the target and moves them back.");
  command->add_flag("--force", arguments->force, "Replaces an existing output.");
  command->callback([arguments] { sample(*arguments); });
}

}  // namespace monge::cli
