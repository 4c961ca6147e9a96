#include "latent_space.h"

#include "monge/error.h"
#include "monge/map_file.h"

namespace monge {
namespace {

std::string text_of(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Images may meet plain points of as many numbers, but no images of another shape.
bool fit_together(const Measure& source, const Measure& target) {
  const auto from = source.shape(), to = target.shape();
  return source.dimension() == target.dimension() && (from.size() != to.size() || from == to);
}

void require_one_shape(const Measure& source, const Measure& target) {
  if (fit_together(source, target)) return;
  const auto from = source.shape(), to = target.shape();
  if (from.size() == 1 && to.size() == 1)
    fail("source and target", "points of the same dimension",
         fmt::format("{} and {}", from[0], to[0]));
  fail("source and target", "points of one shape",
       fmt::format("{} and {}", text_of(from), text_of(to)));
}

/// The first process's autoencoder, in all.
std::shared_ptr<const Autoencoder> shared(const std::shared_ptr<const Autoencoder>& own,
                                          ProcessGroup& group) {
  if (group.alone()) return own;
  const Config written{0, {{"latent", own ? latent_declaration().write(own->options()) : Table()}}};
  const Config options = parse_config(broadcast(group, config_text(written)), "latent", {});
  State state = broadcast(group, [&] {
    if (!own) return State();
    State whole = own->state();
    whole["shape"] = at::tensor(own->shape(), at::kLong);
    return whole;
  }());
  if (own) return own;
  const Tensor shape = require_tensor(state, "shape", "latent");
  const auto* sides = shape.const_data_ptr<std::int64_t>();
  Random random(0, "network");
  auto received = std::make_shared<Autoencoder>(latent_options(options),
                                                std::vector(sides, sides + shape.numel()), random);
  copy_parameters(received->state(), state, "latent");
  return received;
}

/// Throws Error where the config names another autoencoder than its file holds.
void require_named(const Config& config, const LatentOptions& held) {
  const Table named = config.options("latent"), has = latent_declaration().write(held);
  for (const char* key : {"kind", "architecture", "dimension", "hidden", "width"}) {
    const auto given = named.find(key);
    if (given == named.end() || given->second == has.at(key) ||
        given->second == Value(std::string("auto")))
      continue;
    fail(fmt::format("latent.{}", key),
         fmt::format("{}, that of the autoencoder in {}", value_text(has.at(key)),
                     latent_options(config).file),
         value_text(given->second));
  }
}

}  // namespace

LatentOptions latent_options(const Config& config) {
  return latent_declaration().read(config.options("latent"), "latent");
}

bool uses_latent(const LatentOptions& options) {
  return options.kind != "none" || !options.file.empty();
}

void require_sides(const Split& source, const Split& target, const LatentOptions& latent) {
  if (!uses_latent(latent))
    require_one_shape(*source.train, *target.train);
  else if (latent.file.empty())
    sides_of_data(*source.train, *target.train, latent.dimension);
}

std::pair<bool, bool> sides_of_data(const Measure& source, const Measure& target,
                                    std::int64_t latent_dimension) {
  if (fit_together(source, target)) return {true, true};
  const auto is_code = [&](const Measure& measure) {
    return measure.shape() == std::vector{latent_dimension};
  };
  if (is_code(source) == is_code(target))
    fail("source and target",
         fmt::format("points of one shape, or one of them of the latent dimension {}",
                     latent_dimension),
         fmt::format("{} and {}", text_of(source.shape()), text_of(target.shape())));
  return {!is_code(source), !is_code(target)};
}

LatentSpace read_latent_space(const Config& config, const Measure& source, const Measure& target,
                              ProcessGroup& group) {
  const std::string file = latent_options(config).file;
  const auto autoencoder = shared(group.leads() ? load_autoencoder(file) : nullptr, group);
  require_named(config, autoencoder->options());
  const auto [source_is_data, target_is_data] =
      sides_of_data(source, target, autoencoder->latent_dimension());
  const auto shape = (target_is_data ? target : source).shape();
  if (autoencoder->shape() != shape)
    fail(file, fmt::format("an autoencoder of points {}", text_of(shape)),
         fmt::format("one of {}", text_of(autoencoder->shape())));
  return {autoencoder, source_is_data, target_is_data};
}

}  // namespace monge
