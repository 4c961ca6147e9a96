#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/image.h"
#include "monge/map_file.h"
#include "monge/run.h"

#include "commands.h"
#include "interrupt.h"

#include <memory>

namespace monge::cli {
namespace {

struct ApplyArguments {
  std::string map, in, out;
  bool inverse = false, force = false;
  double time = 1;

  /// T(x), or where x is at that time of its way there.
  Tensor moved(const TransportMap& by, const Tensor& x) const {
    return time == 1 ? by.transport(x) : by.at_time(x, time);
  }
};

constexpr std::int64_t rows_at_once = 1 << 16;

void apply_to_array(const TransportMap& map, const ApplyArguments& arguments, Existing existing) {
  const auto reader = open_array(arguments.in);
  if (reader->columns() != map.dimension())
    throw Error(arguments.in + ": expected points of dimension " + std::to_string(map.dimension()) +
                ", that of the map, got " + std::to_string(reader->columns()));
  const auto writer = create_array(arguments.out, map.dimension(), existing);
  Tensor rows = reader->next(rows_at_once);
  if (rows.size(0) == 0) throw Error(arguments.in + ": expected at least one row, got none");
  for (; rows.size(0) > 0; rows = reader->next(rows_at_once)) {
    StopOnInterrupt::check();
    writer->append(arguments.moved(map, rows));
  }
  writer->close();
}

void apply_to_image(const TransportMap& map, const ApplyArguments& arguments, Existing existing) {
  if (map.dimension() != 3)
    throw Error(arguments.in + ": a picture needs a map of colours (dimension 3), got dimension " +
                std::to_string(map.dimension()));
  Photograph(arguments.in)
      .recolour(
          [&](const Tensor& colours) {
            StopOnInterrupt::check();
            return arguments.moved(map, colours);
          },
          arguments.out, existing);
}

void apply(const ApplyArguments& arguments) {
  const Existing existing = arguments.force ? Existing::replace : Existing::keep;
  const std::filesystem::path path = arguments.map;
  const LoadedMap loaded =
      load_map(std::filesystem::is_directory(path) ? open_run(path).map() : path);
  const auto& map = arguments.inverse ? loaded.solution.inverse : loaded.solution.map;
  if (!map) throw Error(arguments.map + ": this map has no inverse");
  require_time(arguments.time);
  require_writable(arguments.out, existing);
  const StopOnInterrupt stop;
  if (is_array_location(arguments.in))
    apply_to_array(*map, arguments, existing);
  else if (is_image_path(arguments.in))
    apply_to_image(*map, arguments, existing);
  else
    throw Error(
        arguments.in +
        ": expected an array (npy, npz, safetensors, csv) or a picture, got another extension");
}

}  // namespace

void add_apply(CLI::App& app) {
  auto arguments = std::make_shared<ApplyArguments>();
  CLI::App* command =
      app.add_subcommand("apply", "Moves new points, or a picture's colours, through a map.");
  command->add_option("map", arguments->map, "A run directory or a map file.")->required();
  command->add_option("--in", arguments->in, "Points (npy, npz, safetensors, csv) or a picture.")
      ->required();
  command->add_option("--out", arguments->out, "Where the moved points go; format by extension.")
      ->required();
  command->add_flag("--inverse", arguments->inverse, "Maps from the target back to the source.");
  command->add_option(
      "--time", arguments->time,
      "From 0 to 1: where the points are on their way, on a Schroedinger bridge for "
      "a plan of light_sb, on straight lines for any other map.");
  command->add_flag("--force", arguments->force, "Replaces an existing output.");
  command->callback([arguments] { apply(*arguments); });
}

}  // namespace monge::cli
