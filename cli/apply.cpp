#include "monge/arrays.h"
#include "monge/cells.h"
#include "monge/colour_space.h"
#include "monge/density.h"
#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/image.h"
#include "monge/log.h"
#include "monge/map_file.h"
#include "monge/map_images.h"
#include "monge/run.h"

#include "commands.h"
#include "inputs.h"
#include "interrupt.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>

namespace monge::cli {
namespace {

struct ApplyArguments {
  std::string map, in, out, noise;
  bool inverse = false, log_det = false, log_density = false, force = false;
  double time = 1;
  std::int64_t seed = -1, samples = 1;

  /// T(x), or where x is at that time of its way there.
  Tensor moved(const TransportMap& by, const Tensor& x) const {
    return time == 1 ? by.transport(x) : by.at_time(x, time);
  }
};

/// Points that are held together.
std::int64_t rows_at_once(std::int64_t dimension) {
  constexpr std::int64_t most = 1 << 16, numbers = 1 << 24;
  return std::clamp<std::int64_t>(numbers / dimension, 1, most);
}

/// The rows of an array that belong to the rows of another one.
using RowFunction = std::function<Tensor(const Tensor&)>;

/// Between AnnData files the cells that the rows belong to come along.
std::unique_ptr<ArrayWriter> output_for(const RowFormat& format, const ApplyArguments& arguments,
                                        Existing existing) {
  if (format.shape.size() == 1 && is_cells_location(arguments.in) &&
      is_cells_location(arguments.out))
    return create_cells(arguments.out, format.columns(), arguments.in, existing);
  return create_array(arguments.out, format, existing);
}

/// Throws Error where the points of an array are not of that dimension.
std::unique_ptr<ArrayReader> open_points(const ApplyArguments& arguments, std::int64_t dimension) {
  auto reader = open_array(arguments.in);
  if (reader->columns() != dimension)
    throw Error(arguments.in + ": expected points of dimension " + std::to_string(dimension) +
                ", that of the map, got " + std::to_string(reader->columns()));
  return reader;
}

void apply_to_rows(const RowFunction& function, ArrayReader& reader, ArrayWriter& writer,
                   const ApplyArguments& arguments) {
  const std::int64_t count = rows_at_once(reader.columns());
  Tensor rows = reader.next(count);
  if (rows.size(0) == 0) throw Error(arguments.in + ": expected at least one row, got none");
  for (; rows.size(0) > 0; rows = reader.next(count)) {
    StopOnInterrupt::check();
    writer.append(function(rows));
  }
  writer.close();
}

void apply_to_array(const RowFunction& function, std::int64_t dimension, const RowFormat& format,
                    const ApplyArguments& arguments, Existing existing) {
  const auto reader = open_points(arguments, dimension);
  apply_to_rows(function, *reader, *output_for(format, arguments, existing), arguments);
}

/// The map as one of sRGB colours.
ColourFunction recolouring(const LoadedMap& loaded, const TransportMap& map,
                           const ApplyArguments& arguments) {
  if (arguments.seed >= 0 || arguments.samples > 1)
    throw Error("--seed, --samples: expected points or images, got a picture for a map of colours");
  if (map.dimension() != 3)
    throw Error(arguments.in + ": a picture needs a map of colours (dimension 3), got dimension " +
                std::to_string(map.dimension()));
  return in_space(
      [&](const Tensor& colours) {
        StopOnInterrupt::check();
        return arguments.moved(map, colours);
      },
      loaded.colour_space());
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
        map.dimension(), RowFormat{{columns}}, arguments, existing);
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
      map.dimension(), RowFormat{{columns}}, arguments, existing);
  warn_of_residuals(open, seen);
}

/// What does not go together, before anything is read.
void require_sound(const ApplyArguments& arguments) {
  require_time(arguments.time);
  const bool noise = !arguments.noise.empty(), draws = arguments.seed >= 0 || arguments.samples > 1;
  if (noise && draws)
    throw Error("--noise: expected neither --seed nor --samples, got one of them");
  if ((noise || draws) && (arguments.time != 1 || arguments.log_det || arguments.log_density))
    throw Error(
        "--noise, --seed, --samples: expected neither --time nor densities, which draw no noise, "
        "got one of them");
  if (noise && !is_array_location(arguments.in))
    throw Error("--noise: expected an array of points, got " + arguments.in);
  if (!arguments.log_det && !arguments.log_density) return;
  const std::string option = arguments.log_det ? "--log-det" : "--log-density";
  if (arguments.log_det && arguments.log_density)
    throw Error("--log-det, --log-density: expected one of them, got both");
  if (arguments.time != 1)
    throw Error("--time: expected none with " + option + ", which is of the whole map, got one");
  if (!is_array_location(arguments.in))
    throw Error(arguments.in + ": " + option +
                " expected an array (npy, npz, safetensors, csv, h5ad), got another extension");
}

std::int64_t rows_in(const std::string& location) {
  const auto reader = open_array(location);
  if (const auto rows = reader->rows()) return *rows;
  std::int64_t rows = 0, read = 0;
  do rows += read = reader->next(rows_at_once(reader->columns())).size(0);
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

/// What asks for a map with noise.
std::string option_for_noise(const ApplyArguments& arguments) {
  if (!arguments.noise.empty()) return "--noise";
  return arguments.samples > 1 ? "--samples" : "--seed";
}

/// T(x); with the user's noise, or with fresh noise for every row where there is a seed or several
/// samples, which stand side by side, are asked for.
RowFunction moving(const TransportMap& map, const ApplyArguments& arguments) {
  const std::int64_t samples = arguments.samples;
  const bool noise = !arguments.noise.empty();
  if (!noise && arguments.seed < 0 && samples == 1)
    return [&](const Tensor& rows) { return arguments.moved(map, rows); };
  const auto* plan = dynamic_cast<const StochasticMap*>(&map);
  if (!plan)
    throw Error(arguments.map + ": " + option_for_noise(arguments) +
                " expected a map with noise, got one that has none");
  if (noise) return moving_with_noise(*plan, arguments);
  const auto seed = static_cast<std::uint64_t>(std::max<std::int64_t>(arguments.seed, 0));
  const auto random = std::make_shared<Random>(seed, "apply");
  return [plan, random, samples](const Tensor& rows) {
    std::vector<Tensor> drawn;
    drawn.reserve(static_cast<std::size_t>(samples));
    for (std::int64_t i = 0; i < samples; ++i) drawn.push_back(plan->sample(rows, *random));
    return at::cat(drawn, 1);
  };
}

/// The options of the run's images on the side that is mapped; the defaults of a map file and where
/// that side has none.
ImageOptions preparation_of(const ApplyArguments& arguments) {
  if (!std::filesystem::is_directory(arguments.map)) return {};
  const Config config = read_config(open_run(arguments.map).config());
  const char* side = arguments.inverse ? "target" : "source";
  if (config.part(side, "") != "images") return {};
  return images_declaration().read(config.options(side), side);
}

void print_folder(const MappedFolder& done, std::int64_t samples, const ApplyArguments& arguments) {
  if (!done.skipped.empty()) log::warning(arguments.in + ": " + summary_of(done.skipped));
  std::printf("%s images to %s\n", std::to_string(done.images * samples).c_str(),
              arguments.out.c_str());
}

void apply_to_folder(ImageMapping mapping, const ApplyArguments& arguments, Existing existing) {
  std::int64_t begun = 0;
  mapping.function = [&begun, function = std::move(mapping.function)](const Tensor& rows) {
    const Tensor results = function(rows);
    begun += rows.size(0);
    return results;
  };
  try {
    print_folder(map_image_folder(mapping, arguments.in, arguments.out, existing), mapping.samples,
                 arguments);
  } catch (const Interrupted&) {
    leave_interrupted("those of " + std::to_string(begun) + " pictures were written to " +
                      arguments.out);
  }
}

/// Whole photographs through a map of crops.
void apply_to_photographs(const ImageMapping& mapping, const ApplyArguments& arguments,
                          Existing existing) {
  if (mapping.samples > 1)
    throw Error("--samples: expected points or images, got photographs for a map of crops");
  if (!std::filesystem::is_directory(arguments.in)) {
    require_writable(arguments.out, existing);
    return map_photograph(mapping, arguments.in, arguments.out, existing);
  }
  try {
    print_folder(map_photograph_folder(mapping, arguments.in, arguments.out, existing), 1,
                 arguments);
  } catch (const Interrupted&) {
    leave_interrupted("the pictures that were finished are in " + arguments.out);
  }
}

void recolour_to_folder(const ColourFunction& map, const ApplyArguments& arguments,
                        Existing existing) {
  try {
    print_folder(recolour_folder(map, arguments.in, arguments.out, existing), 1, arguments);
  } catch (const Interrupted&) {
    leave_interrupted("the pictures that were finished are in " + arguments.out);
  }
}

/// Whether the input is a folder, or images for a map of images, and then maps it.
bool apply_to_images(const LoadedMap& loaded, const TransportMap& map,
                     const ApplyArguments& arguments, Existing existing) {
  const bool own = map.shape().size() > 1 || map.target_dimension() != map.dimension();
  const std::vector<std::int64_t> shape = own ? map.shape() : loaded.shape();
  const bool folder = std::filesystem::is_directory(arguments.in);
  if (shape.size() != 3) {
    if (folder && map.dimension() == 3) {
      recolour_to_folder(recolouring(loaded, map, arguments), arguments, existing);
      return true;
    }
    if (folder)
      throw Error(arguments.in + ": expected an array of points of dimension " +
                  std::to_string(map.dimension()) +
                  ", since the map moves no images and no colours, got a folder");
    return false;
  }
  ImageMapping mapping{.function =
                           [function = moving(map, arguments)](const Tensor& rows) {
                             StopOnInterrupt::check();
                             return function(rows);
                           },
                       .shape = shape,
                       .samples = arguments.samples,
                       .preparation = preparation_of(arguments)};
  if (loaded.of_crops() && (folder || is_image_path(arguments.in))) {
    if (!arguments.inverse) {
      mapping.downscale = loaded.downscale();
      mapping.grey = loaded.grey();
    }
    apply_to_photographs(mapping, arguments, existing);
    return true;
  }
  if (folder) {
    apply_to_folder(std::move(mapping), arguments, existing);
    return true;
  }
  require_writable(arguments.out, existing);
  if (holds_images(arguments.in))
    map_image_array(mapping, arguments.in, arguments.out, existing);
  else if (is_image_path(arguments.in))
    map_image(mapping, arguments.in, arguments.out, existing);
  else
    return false;
  return true;
}

/// [n, d], or [n, samples, d] of several samples.
RowFormat row_format(const TransportMap& map, const ApplyArguments& arguments) {
  if (arguments.samples == 1) return {{map.target_dimension()}};
  return {{arguments.samples, map.target_dimension()}};
}

/// Codes of a latent space to images: an array of them, a picture or a folder.
void apply_to_codes(const TransportMap& map, const ApplyArguments& arguments, Existing existing) {
  if (arguments.samples > 1)
    throw Error(arguments.map +
                ": --samples expected a map of images or points, got one from codes "
                "to images");
  const auto reader = open_points(arguments, map.dimension());
  const auto writer =
      create_points(arguments.out, map.target_shape(), rows_in(arguments.in), existing);
  apply_to_rows(moving(map, arguments), *reader, *writer, arguments);
}

/// Images to codes of a latent space, in the order of the images.
void apply_to_codes_of(const TransportMap& map, const ApplyArguments& arguments,
                       Existing existing) {
  require_writable(arguments.out, existing);
  ImageOptions options = preparation_of(arguments);
  options.file = arguments.in;
  options.labels.clear();
  options.flip = false;
  const auto images = make_images(options, "--in");
  if (images->shape() != map.shape())
    throw Error(arguments.in + ": expected images of " + std::to_string(map.dimension()) +
                " numbers, those of the map, got " + std::to_string(images->dimension()));
  const auto& finite = dynamic_cast<const FiniteMeasure&>(*images);
  const auto writer = create_array(arguments.out, row_format(map, arguments), existing);
  const RowFunction function = moving(map, arguments);
  for (const Tensor& some : at::arange(finite.size()).split(rows_at_once(map.dimension()))) {
    StopOnInterrupt::check();
    writer->append(function(finite.points(some)));
  }
  writer->close();
}

/// Whether the map leads from codes to images or back, and then applies it.
bool apply_between_spaces(const TransportMap& map, const ApplyArguments& arguments,
                          Existing existing) {
  const bool from_images = map.shape().size() == 3, to_images = map.target_shape().size() == 3;
  if (from_images == to_images) return false;
  if (from_images)
    apply_to_codes_of(map, arguments, existing);
  else if (is_array_location(arguments.in))
    apply_to_codes(map, arguments, existing);
  else
    throw Error(arguments.in + ": expected an array of codes [n, " +
                std::to_string(map.dimension()) + "] for a map from a latent space to images");
  return true;
}

/// A LUT has no inverse and moves sRGB colours.
LoadedMap load(const std::filesystem::path& path) {
  if (is_cube_path(path)) return {{read_cube(path), nullptr}, {}};
  return load_map(std::filesystem::is_directory(path) ? open_run(path).map() : path);
}

void apply(const ApplyArguments& arguments) {
  require_sound(arguments);
  require_input(arguments.in);
  const Existing existing = arguments.force ? Existing::replace : Existing::keep;
  const std::filesystem::path path = arguments.map;
  const LoadedMap loaded = load(path);
  const auto& map = arguments.inverse ? loaded.solution.inverse : loaded.solution.map;
  if (!map) throw Error(arguments.map + ": this map has no inverse");
  const StopOnInterrupt stop;
  const bool densities = arguments.log_det || arguments.log_density;
  if (!densities && apply_between_spaces(*map, arguments, existing)) return;
  if (!densities && apply_to_images(loaded, *map, arguments, existing)) return;
  require_writable(arguments.out, existing);
  if (densities)
    apply_densities(*map, arguments,
                    (arguments.inverse ? loaded.solution.map : loaded.solution.inverse).get(),
                    existing);
  else if (is_array_location(arguments.in))
    apply_to_array(moving(*map, arguments), map->dimension(), row_format(*map, arguments),
                   arguments, existing);
  else if (is_image_path(arguments.in))
    Photograph(arguments.in)
        .recolour(recolouring(loaded, *map, arguments), arguments.out, existing);
  else
    throw Error(arguments.in +
                ": expected an array (npy, npz, safetensors, csv, h5ad), a picture, or a folder or "
                "IDX file of "
                "images, got another extension");
}

}  // namespace

void add_apply(CLI::App& app) {
  auto arguments = std::make_shared<ApplyArguments>();
  CLI::App* command = app.add_subcommand(
      "apply", "Moves new points, images, or a picture's colours through a map.");
  command->add_option("map", arguments->map, "A run directory, a map file, or a LUT (.cube).")
      ->required();
  command
      ->add_option("--in", arguments->in,
                   "Points (npy, npz, safetensors, csv, h5ad), a picture, or a folder of pictures; "
                   "for a map "
                   "of images also an IDX file of them.")
      ->required();
  command
      ->add_option("--out", arguments->out,
                   "Where the moved points go, format by extension; of a folder, a folder.")
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
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  command
      ->add_option("--samples", arguments->samples,
                   "Of a map with noise: that many results for every row or image.")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
  command->add_option("--noise", arguments->noise,
                      "Of a map with noise: the array of the noise z, a row for every point or one "
                      "for all.");
  command->add_flag("--force", arguments->force, "Replaces an existing output.");
  command->callback([arguments] { apply(*arguments); });
}

}  // namespace monge::cli
