#include "monge/arrays.h"
#include "monge/density.h"
#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/image.h"
#include "monge/log.h"
#include "monge/map_file.h"
#include "monge/run.h"

#include "commands.h"
#include "interrupt.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <functional>
#include <memory>
#include <utility>

namespace monge::cli {
namespace {

struct ApplyArguments {
  std::string map, in, out, noise;
  bool inverse = false, log_det = false, log_density = false, force = false;
  double time = 1;
  std::int64_t seed = -1;

  /// T(x), or where x is at that time of its way there.
  Tensor moved(const TransportMap& by, const Tensor& x) const {
    return time == 1 ? by.transport(x) : by.at_time(x, time);
  }
};

constexpr std::int64_t rows_at_once = 1 << 16;

/// The rows of an array that belong to the rows of another one.
using RowFunction = std::function<Tensor(const Tensor&)>;

void apply_to_array(const RowFunction& function, std::int64_t dimension, std::int64_t columns,
                    const ApplyArguments& arguments, Existing existing) {
  const auto reader = open_array(arguments.in);
  if (reader->columns() != dimension)
    throw Error(arguments.in + ": expected points of dimension " + std::to_string(dimension) +
                ", that of the map, got " + std::to_string(reader->columns()));
  const auto writer = create_array(arguments.out, columns, existing);
  Tensor rows = reader->next(rows_at_once);
  if (rows.size(0) == 0) throw Error(arguments.in + ": expected at least one row, got none");
  for (; rows.size(0) > 0; rows = reader->next(rows_at_once)) {
    StopOnInterrupt::check();
    writer->append(function(rows));
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

/// One column, and its standard error beside it where it is estimated.
Tensor columns_of(const Tensor& value, const Tensor& standard_error, std::int64_t columns) {
  const Tensor both = columns == 1 ? value.unsqueeze(1) : at::stack({value, standard_error}, 1);
  return both.to(at::kFloat);
}

/// The measure that the map moves: the source of the run, or its target for the inverse.
std::shared_ptr<const Measure> moved_measure(const ApplyArguments& arguments) {
  if (!std::filesystem::is_directory(arguments.map))
    throw Error(arguments.map +
                ": --log-density expected a run directory, which knows its "
                "measures, got a map file");
  const Config config = read_config(open_run(arguments.map).config());
  const auto [source, target] = build_measures(config);
  const char* side = arguments.inverse ? "target" : "source";
  auto measure = arguments.inverse ? target.train : source.train;
  if (!measure->log_density(at::zeros({1, measure->dimension()})))
    throw Error(arguments.map + ": --log-density expected a " + side +
                " with a known density (gaussian, random_gaussian, gaussian_mixture, "
                "gaussian_ring, gaussian_grid or box, none of them flat), got '" +
                config.part(side, "?") + "'");
  return measure;
}

void warn_of_residuals(std::int64_t open, std::int64_t rows) {
  if (open > 0)
    log::warning(std::to_string(open) + " of " + std::to_string(rows) +
                 " points: no point was found that the map moves there; their densities are those "
                 "of the nearest");
}

/// log|det ∇T| of each row, or the log-density of the moved measure.
void apply_densities(const TransportMap& map, const ApplyArguments& arguments,
                     const TransportMap* opposite, Existing existing) {
  constexpr double reached = 1e-2;  // of the frame's standard deviations
  const char* option = arguments.log_det ? "--log-det" : "--log-density";
  if (!has_log_det(map))
    throw Error(arguments.map + ": " + option +
                " expected the gradient of a convex potential (solvers dual and w2gn, or "
                "saddle_point with one) or an affine map, got another map");
  const LogDetOptions options;
  const bool affine = dynamic_cast<const AffineTransportMap*>(&map) != nullptr;
  const std::int64_t columns = affine || map.dimension() <= options.exact_dimension ? 1 : 2;
  if (arguments.log_det)
    return apply_to_array(
        [&](const Tensor& rows) {
          const LogDet found = log_det_jacobian(map, rows, options);
          return columns_of(found.value, found.standard_error, columns);
        },
        map.dimension(), columns, arguments, existing);
  const auto measure = moved_measure(arguments);
  const auto log_density = [&](const Tensor& x) { return *measure->log_density(x); };
  // A conjugate map is a search of the same potential: the density has its own, without a box.
  const auto* start = dynamic_cast<const BrenierMap*>(opposite);
  std::int64_t open = 0, seen = 0;
  apply_to_array(
      [&](const Tensor& rows) {
        const auto found = pushed_log_density(map, start, log_density, rows, options);
        open += found.residual.gt(reached).sum().item<std::int64_t>();
        seen += rows.size(0);
        return columns_of(found.value, found.standard_error, columns);
      },
      map.dimension(), columns, arguments, existing);
  warn_of_residuals(open, seen);
}

/// What does not go together, before anything is read.
void require_sound(const ApplyArguments& arguments) {
  require_time(arguments.time);
  const bool noise = !arguments.noise.empty(), seed = arguments.seed >= 0;
  if (noise && seed) throw Error("--noise, --seed: expected one of them, got both");
  if ((noise || seed) && (arguments.time != 1 || arguments.log_det || arguments.log_density ||
                          !is_array_location(arguments.in)))
    throw Error(std::string(noise ? "--noise" : "--seed") +
                ": expected an array and neither --time nor densities, which draw no noise, got "
                "one of them");
  if (!arguments.log_det && !arguments.log_density) return;
  const std::string option = arguments.log_det ? "--log-det" : "--log-density";
  if (arguments.log_det && arguments.log_density)
    throw Error("--log-det, --log-density: expected one of them, got both");
  if (arguments.time != 1)
    throw Error("--time: expected none with " + option + ", which is of the whole map, got one");
  if (!is_array_location(arguments.in))
    throw Error(arguments.in + ": " + option +
                " expected an array (npy, npz, safetensors, csv), got another extension");
}

std::int64_t rows_in(const std::string& location) {
  const auto reader = open_array(location);
  if (const auto rows = reader->rows()) return *rows;
  std::int64_t rows = 0, read = 0;
  do rows += read = reader->next(rows_at_once).size(0);
  while (read > 0);
  return rows;
}

/// T(x, z) with z from a file: one for every row, or a single one for all.
RowFunction moving_with_noise(const StochasticMap& plan, const ApplyArguments& arguments) {
  const Tensor z = read_array(arguments.noise);
  if (z.size(1) != plan.noise_dimension())
    throw Error(arguments.noise + ": expected noise of dimension " +
                std::to_string(plan.noise_dimension()) + ", that of the map, got " +
                std::to_string(z.size(1)));
  if (z.size(0) == 1)
    return [&plan, z](const Tensor& rows) {
      return plan.transport(rows, z.expand({rows.size(0), z.size(1)}).contiguous());
    };
  const std::int64_t points = rows_in(arguments.in);
  if (z.size(0) != points)
    throw Error(arguments.noise + ": expected 1 row or " + std::to_string(points) +
                ", one for each point, got " + std::to_string(z.size(0)));
  return [&plan, z, next = std::int64_t{0}](const Tensor& rows) mutable {
    const std::int64_t from = std::exchange(next, next + rows.size(0));
    return plan.transport(rows, z.narrow(0, from, rows.size(0)));
  };
}

/// T(x), with the noise that the user gives, or a seed for fresh noise in every row.
RowFunction moving(const TransportMap& map, const ApplyArguments& arguments) {
  const bool given = !arguments.noise.empty();
  if (!given && arguments.seed < 0)
    return [&](const Tensor& rows) { return arguments.moved(map, rows); };
  const auto* plan = dynamic_cast<const StochasticMap*>(&map);
  if (!plan)
    throw Error(arguments.map + (given ? ": --noise" : ": --seed") +
                " expected a map with noise, got one that has none");
  if (given) return moving_with_noise(*plan, arguments);
  const auto noise = std::make_shared<Random>(static_cast<std::uint64_t>(arguments.seed), "apply");
  return [plan, noise](const Tensor& rows) { return plan->sample(rows, *noise); };
}

void apply(const ApplyArguments& arguments) {
  require_sound(arguments);
  const Existing existing = arguments.force ? Existing::replace : Existing::keep;
  const std::filesystem::path path = arguments.map;
  const LoadedMap loaded =
      load_map(std::filesystem::is_directory(path) ? open_run(path).map() : path);
  const auto& map = arguments.inverse ? loaded.solution.inverse : loaded.solution.map;
  if (!map) throw Error(arguments.map + ": this map has no inverse");
  require_writable(arguments.out, existing);
  const StopOnInterrupt stop;
  if (arguments.log_det || arguments.log_density)
    apply_densities(*map, arguments,
                    (arguments.inverse ? loaded.solution.map : loaded.solution.inverse).get(),
                    existing);
  else if (is_array_location(arguments.in))
    apply_to_array(moving(*map, arguments), map->dimension(), map->dimension(), arguments,
                   existing);
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
  command->add_flag(
      "--log-det", arguments->log_det,
      "Writes log|det dT| at each point, one column; above 256 dimensions an estimate "
      "and its standard error.");
  command->add_flag("--log-density", arguments->log_density,
                    "Writes the log-density of the moved measure at each point, where RUN is a run "
                    "whose source (target with --inverse) has a known density.");
  command
      ->add_option("--seed", arguments->seed,
                   "Of a map with noise: fresh noise for every row, from this seed; without it "
                   "every call draws alike.")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--noise", arguments->noise,
                      "Of a map with noise: the array of the noise z, a row for every point or one "
                      "for all.");
  command->add_flag("--force", arguments->force, "Replaces an existing output.");
  command->callback([arguments] { apply(*arguments); });
}

}  // namespace monge::cli
