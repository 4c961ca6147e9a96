#include "monge/map_file.h"

#include "monge/affine_span.h"
#include "monge/average_map.h"
#include "monge/conjugate.h"
#include "monge/error.h"
#include "monge/image_brenier_map.h"
#include "monge/latent_map.h"
#include "monge/measures/crops.h"
#include "monge/mixture_plan.h"
#include "monge/network_map.h"
#include "monge/networks/autoencoder.h"
#include "monge/networks/mlp.h"
#include "monge/networks/song_unet.h"
#include "monge/networks/unet.h"
#include "monge/registry.h"
#include "monge/safetensors.h"
#include "monge/smoothing.h"
#include "monge/unet_map.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <sstream>

namespace monge {
namespace {

using Json = nlohmann::ordered_json;

constexpr int map_version = 1;

Json json_of(const Table& table) {
  Json json = Json::object();
  for (const auto& [key, value] : table)
    json[key] = std::visit([](const auto& held) { return Json(held); }, value);
  return json;
}

Table table_of(const Json& json) {
  Table table;
  for (const auto& [key, value] : json.items()) {
    if (value.is_boolean())
      table[key] = value.get<bool>();
    else if (value.is_number_integer())
      table[key] = value.get<std::int64_t>();
    else if (value.is_number())
      table[key] = value.get<double>();
    else if (value.is_string())
      table[key] = value.get<std::string>();
    else
      table[key] = value.get<std::vector<std::int64_t>>();
  }
  return table;
}

/// What a file holds of a caller's network.
State state_of(const AutogradNetwork& network) {
  State state = network.parameters();
  state.merge(network.buffers());
  return state;
}

/// The description of one map; its tensors go into `tensors`.
Json describe_map(const TransportMap& map, State& tensors) {
  if (const auto* affine = dynamic_cast<const AffineTransportMap*>(&map)) {
    tensors = {{"matrix", affine->affine().matrix}, {"offset", affine->affine().offset}};
    return {{"kind", "affine"}, {"dimension", map.dimension()}};
  }
  const auto free = [&](const char* kind, const Network& any, bool residual) -> Json {
    Json json{{"kind", kind},
              {"dimension", map.dimension()},
              {"inputs", any.inputs()},
              {"residual", residual}};
    const auto* given = dynamic_cast<const AutogradNetwork*>(&any);
    insert_state(tensors, "network", given ? state_of(*given) : any.parameters());
    if (given)
      json["given"] = true;
    else
      json["options"] = json_of(mlp_declaration().write(dynamic_cast<const Mlp&>(any).settings()));
    return json;
  };
  if (const auto* network = dynamic_cast<const NetworkMap*>(&map)) {
    insert_state(tensors, "frame", network->frame().state());
    return free("network", network->network(), network->residual());
  }
  if (const auto* network = dynamic_cast<const StochasticNetworkMap*>(&map))
    return free("stochastic_network", network->network(), network->residual());
  const auto image = [&](const char* kind, const ImageNetwork& network, bool residual) -> Json {
    insert_state(tensors, "network", network.parameters());
    insert_state(tensors, "statistics", network.statistics());
    return {{"kind", kind},
            {"dimension", map.dimension()},
            {"network", network.name()},
            {"residual", residual},
            {"options", json_of(network.options())}};
  };
  if (const auto* unet = dynamic_cast<const UNetMap*>(&map))
    return image("unet", unet->network(), unet->residual());
  if (const auto* unet = dynamic_cast<const StochasticUNetMap*>(&map)) {
    Json json = image("stochastic_unet", unet->network(), unet->residual());
    json["noise_scale"] = unet->noise_scale();
    return json;
  }
  const auto of_potential = [&](const char* kind, const Potential& potential) -> Json {
    insert_state(tensors, "potential", potential.parameters());
    return {{"kind", kind},
            {"dimension", map.dimension()},
            {"network", potential.name()},
            {"options", json_of(potential.options())}};
  };
  if (const auto* inverse = dynamic_cast<const ConjugateMap*>(&map)) {
    insert_state(tensors, "frame", inverse->frame().state());
    Json json = of_potential("conjugate", inverse->potential());
    json["tolerance"] = inverse->options().tolerance;
    json["evaluations"] = inverse->options().evaluations;
    if (inverse->options().low.defined()) {
      tensors["low"] = inverse->options().low;
      tensors["high"] = inverse->options().high;
    }
    return json;
  }
  if (const auto* brenier = dynamic_cast<const ImageBrenierMap*>(&map)) {
    Json json = of_potential("image_brenier", brenier->potential());
    json["shape"] = map.shape();
    return json;
  }
  if (const auto* kantorovich = dynamic_cast<const KantorovichMap*>(&map))
    return of_potential("kantorovich", kantorovich->potential());
  const auto of_plan = [&](const char* kind, const MixturePlan& plan) -> Json {
    tensors = plan.mixture().state();
    insert_state(tensors, "frame", plan.frame().state());
    return {{"kind", kind}, {"dimension", map.dimension()}, {"epsilon", plan.epsilon()}};
  };
  if (const auto* plan = dynamic_cast<const MixturePlan*>(&map))
    return of_plan("mixture_plan", *plan);
  if (const auto* barycentric = dynamic_cast<const BarycentricMap*>(&map))
    return of_plan("mixture_barycentric", barycentric->plan());
  if (const auto* average = dynamic_cast<const AverageMap*>(&map)) {
    Json json{{"kind", "average"}, {"dimension", map.dimension()}, {"weights", average->weights()}};
    json["inner"] = Json::array();
    for (std::size_t i = 0; i < average->maps().size(); ++i) {
      State inside;
      json["inner"].push_back(describe_map(*average->maps()[i], inside));
      insert_state(tensors, fmt::format("inner.{}", i), inside);
    }
    return json;
  }
  const auto wrapped = [&](const char* kind, const TransportMap& inner) -> Json {
    State inside;
    Json json{
        {"kind", kind}, {"dimension", map.dimension()}, {"inner", describe_map(inner, inside)}};
    insert_state(tensors, "inner", inside);
    return json;
  };
  if (const auto* smoothed = dynamic_cast<const SmoothedMap*>(&map)) {
    Json json = wrapped("smoothed", *smoothed->map());
    json["keep"] = smoothed->noise().keep;
    json["variance"] = smoothed->noise().variance;
    return json;
  }
  if (const auto* in_span = dynamic_cast<const SpanMap*>(&map)) {
    insert_state(tensors, "span", in_span->span().state());
    return wrapped("span", *in_span->map());
  }
  const auto& brenier = dynamic_cast<const BrenierMap&>(map);
  insert_state(tensors, "frame", brenier.frame().state());
  return of_potential("brenier", brenier.potential());
}

std::shared_ptr<const TransportMap> rebuild_potential_map(const Json& description,
                                                          const State& tensors,
                                                          const std::string& where) {
  const auto dimension = description.at("dimension").get<std::int64_t>();
  const NetworkRow& row = find_network(description.at("network").get<std::string>(), where);
  auto potential = row.make(dimension, table_of(description.at("options")));
  load_parameters(*potential, extract_state(tensors, "potential"), where);
  if (description.at("kind") == "kantorovich") return std::make_shared<KantorovichMap>(potential);
  if (description.at("kind") == "image_brenier")
    return std::make_shared<ImageBrenierMap>(
        potential, description.at("shape").get<std::vector<std::int64_t>>());
  const AffineFrame frame =
      frame_from_state(extract_state(tensors, "frame"), dimension).to_dtype(at::kFloat);
  if (description.at("kind") == "brenier") return std::make_shared<BrenierMap>(potential, frame);
  ConjugateOptions options{description.at("tolerance").get<double>(),
                           description.at("evaluations").get<std::int64_t>(),
                           {},
                           {}};
  if (tensors.contains("low") || tensors.contains("high")) {
    options.low = require_tensor(tensors, "low", where);
    options.high = require_tensor(tensors, "high", where);
  }
  return std::make_shared<ConjugateMap>(potential, frame, options);
}

/// What the parts of a file are rebuilt with.
struct Reading {
  std::string where;
  NetworkMaker maker;
  std::map<std::string, std::string> notes;
};

std::shared_ptr<const Network> rebuild_given_network(std::int64_t inputs, std::int64_t outputs,
                                                     const State& tensors, const Reading& from) {
  if (!from.maker)
    fail(
        from.where,
        "the torch.nn.Module that its map was trained with, as monge.load(path, map=module) of the "
        "Python package takes it",
        "none");
  auto network = from.maker(inputs, outputs, from.notes);
  const State state = state_of(*network);
  if (state.size() != tensors.size())
    fail(from.where, fmt::format("a module of {} parameters and buffers", tensors.size()),
         fmt::format("one of {}", state.size()));
  copy_parameters(state, tensors, from.where);
  return network;
}

std::shared_ptr<const Network> rebuild_perceptron(const Json& description, std::int64_t inputs,
                                                  std::int64_t outputs, const State& tensors,
                                                  const std::string& where) {
  Random random(0, "network");
  auto network = std::make_shared<Mlp>(
      inputs, outputs, mlp_declaration().read(table_of(description.at("options")), where), random);
  copy_parameters(network->parameters(), tensors, where);
  return network;
}

std::shared_ptr<const TransportMap> rebuild_network_map(const Json& description,
                                                        const State& tensors, const Reading& from) {
  constexpr std::int64_t most = 1 << 24;
  const auto dimension = description.at("dimension").get<std::int64_t>();
  const auto inputs = description.at("inputs").get<std::int64_t>();
  if (inputs < dimension || inputs > most)
    fail(from.where, fmt::format("a network of {} to {} inputs", dimension, most),
         fmt::format("{}", inputs));
  const State parameters = extract_state(tensors, "network");
  const auto network =
      description.value("given", false)
          ? rebuild_given_network(inputs, dimension, parameters, from)
          : rebuild_perceptron(description, inputs, dimension, parameters, from.where);
  const bool residual = description.at("residual").get<bool>();
  if (description.at("kind") == "stochastic_network")
    return std::make_shared<StochasticNetworkMap>(network, residual);
  return std::make_shared<NetworkMap>(
      network, residual,
      frame_from_state(extract_state(tensors, "frame"), dimension).to_dtype(at::kFloat));
}

/// A file without the name of the network is of a version that knew only one.
std::shared_ptr<const ImageNetwork> make_image_network(const Json& description,
                                                       const std::string& where) {
  const Table options = table_of(description.at("options"));
  const std::string name = description.value("network", "unet");
  Random random(0, "network");
  if (name == "unet")
    return std::make_shared<UNet>(unet_declaration().read(options, where), random);
  if (name != "song_unet") fail(where, "a network unet or song_unet", name);
  return std::make_shared<SongUNet>(song_unet_declaration().read(options, where), random);
}

std::shared_ptr<const TransportMap> rebuild_image_map(const Json& description, const State& tensors,
                                                      const std::string& where) {
  const auto network = make_image_network(description, where);
  const ImageShape shape = network->shape();
  const auto dimension = description.at("dimension").get<std::int64_t>();
  const std::int64_t numbers = shape.channels * shape.size * shape.size;
  if (numbers != dimension)
    fail(where, fmt::format("images of {} numbers", dimension), fmt::format("{}", numbers));
  copy_parameters(network->parameters(), extract_state(tensors, "network"), where);
  copy_parameters(network->statistics(), extract_state(tensors, "statistics"), where);
  const bool residual = description.at("residual").get<bool>();
  if (description.at("kind") == "unet") return std::make_shared<UNetMap>(network, residual);
  return std::make_shared<StochasticUNetMap>(network, residual,
                                             description.at("noise_scale").get<double>());
}

/// The plan's constructor checks the mixture.
std::shared_ptr<const TransportMap> rebuild_mixture_plan(const Json& description,
                                                         const State& tensors,
                                                         const std::string& where) {
  const auto dimension = description.at("dimension").get<std::int64_t>();
  const auto part = [&](const char* name) { return require_tensor(tensors, name, where); };
  if (part("centres").dim() != 2 || part("centres").size(1) != dimension)
    fail(where, fmt::format("centres [K, {}]", dimension), shape_text(part("centres")));
  auto plan = std::make_shared<MixturePlan>(
      PlanMixture{part("heights"), part("centres"), part("log_spreads")},
      description.at("epsilon").get<double>(),
      frame_from_state(extract_state(tensors, "frame"), dimension));
  if (description.at("kind") == "mixture_plan") return plan;
  return std::make_shared<BarycentricMap>(std::move(plan));
}

std::shared_ptr<const TransportMap> rebuild_map(const Json& description, const State& tensors,
                                                const Reading& from);

/// A map within another one; a file that was made up cannot nest them without end.
std::shared_ptr<const TransportMap> rebuild_wrapped_map(const Json& description,
                                                        const State& tensors, const Reading& from) {
  const std::string& where = from.where;
  const auto dimension = description.at("dimension").get<std::int64_t>();
  const Json& within = description.at("inner");
  const bool smoothed = description.at("kind") == "smoothed";
  const auto kind = within.at("kind").get<std::string>();
  if (kind == "smoothed" || kind == "average" || (kind == "span" && !smoothed))
    fail(where, "a map with at most one noise and one span", "more of them");
  auto inner = rebuild_map(within, extract_state(tensors, "inner"), from);
  if (!smoothed)
    return std::make_shared<SpanMap>(std::move(inner),
                                     span_from_state(extract_state(tensors, "span"), dimension));
  const Noise noise{description.at("keep").get<double>(), description.at("variance").get<double>()};
  if (!(noise.keep > 0 && noise.keep <= 1 && noise.variance > 0 && std::isfinite(noise.variance)) ||
      inner->dimension() != dimension)
    fail(where, fmt::format("a noise of positive variance on a map of {} dimensions", dimension),
         fmt::format("{:g} x + {:g} n, {} dimensions", noise.keep, noise.variance,
                     inner->dimension()));
  return std::make_shared<SmoothedMap>(std::move(inner), noise);
}

/// Averages do not nest either.
std::shared_ptr<const TransportMap> rebuild_average(const Json& description, const State& tensors,
                                                    const Reading& from) {
  const std::string& where = from.where;
  constexpr std::size_t most = 256;
  const Json& within = description.at("inner");
  if (!within.is_array() || within.empty() || within.size() > most)
    fail(where, fmt::format("an average of 1 to {} maps", most),
         fmt::format("{}", within.is_array() ? within.size() : 0));
  std::vector<std::shared_ptr<const TransportMap>> maps;
  for (const Json& one : within) {
    if (one.at("kind") == "average") fail(where, "an average of maps", "one of averages");
    maps.push_back(
        rebuild_map(one, extract_state(tensors, fmt::format("inner.{}", maps.size())), from));
  }
  return std::make_shared<AverageMap>(std::move(maps),
                                      description.at("weights").get<std::vector<double>>());
}

std::shared_ptr<const TransportMap> rebuild_map(const Json& description, const State& tensors,
                                                const Reading& from) {
  const std::string& where = from.where;
  const auto dimension = description.at("dimension").get<std::int64_t>();
  if (dimension < 1 || dimension > (1 << 24))
    fail(where, "a dimension", fmt::format("{}", dimension));
  const auto kind = description.at("kind").get<std::string>();
  if (kind == "affine") {
    AffineMap affine{require_tensor(tensors, "matrix", where),
                     require_tensor(tensors, "offset", where)};
    if (affine.matrix.sizes() != at::IntArrayRef{dimension, dimension})
      fail(where, fmt::format("a matrix [{0}, {0}]", dimension), shape_text(affine.matrix));
    if (affine.offset.sizes() != at::IntArrayRef{dimension})
      fail(where, fmt::format("an offset [{}]", dimension), shape_text(affine.offset));
    return std::make_shared<AffineTransportMap>(std::move(affine));
  }
  if (kind == "network" || kind == "stochastic_network")
    return rebuild_network_map(description, tensors, from);
  if (kind == "unet" || kind == "stochastic_unet")
    return rebuild_image_map(description, tensors, where);
  if (kind == "mixture_plan" || kind == "mixture_barycentric")
    return rebuild_mixture_plan(description, tensors, where);
  if (kind == "average") return rebuild_average(description, tensors, from);
  if (kind == "smoothed" || kind == "span") return rebuild_wrapped_map(description, tensors, from);
  if (kind != "brenier" && kind != "image_brenier" && kind != "conjugate" && kind != "kantorovich")
    fail(where,
         "a map of kind affine, brenier, image_brenier, conjugate, kantorovich, network, "
         "stochastic_network, unet, stochastic_unet, mixture_plan, mixture_barycentric, average, "
         "smoothed, span or latent",
         kind);
  return rebuild_potential_map(description, tensors, where);
}

/// An autoencoder, which the maps of a solution share in the file.
Json describe_autoencoder(const Autoencoder& autoencoder) {
  return {{"shape", autoencoder.shape()},
          {"options", json_of(latent_declaration().write(autoencoder.options()))}};
}

std::shared_ptr<const Autoencoder> rebuild_autoencoder(const Json& description,
                                                       const State& tensors,
                                                       const std::string& where) {
  const auto shape = description.at("shape").get<std::vector<std::int64_t>>();
  constexpr std::int64_t most = 1 << 24;
  double numbers = 1;  // cannot overflow
  for (const std::int64_t side : shape)
    numbers *= side < 1 ? most + 1.0 : static_cast<double>(side);
  if ((shape.size() != 1 && shape.size() != 3) || numbers > most)
    fail(where, "an autoencoder of points [d] or images [channels, height, width]",
         fmt::format("[{}]", fmt::join(shape, ", ")));
  Random random(0, "network");
  auto autoencoder = std::make_shared<Autoencoder>(
      latent_declaration().read(table_of(description.at("options")), where), shape, random);
  copy_parameters(autoencoder->state(), tensors, where);
  return autoencoder;
}

/// A map of a solution: a map through a latent space holds the one between codes.
Json describe_side(const TransportMap& map, State& tensors) {
  const auto parts = latent_parts(map);
  if (!parts) return describe_map(map, tensors);
  return {{"kind", "latent"},
          {"source_is_data", parts->space.source_is_data},
          {"target_is_data", parts->space.target_is_data},
          {"inner", describe_map(*parts->map, tensors)}};
}

std::shared_ptr<const TransportMap> rebuild_side(
    const Json& description, const State& tensors,
    const std::shared_ptr<const Autoencoder>& autoencoder, const Reading& from) {
  if (description.at("kind") != "latent") return rebuild_map(description, tensors, from);
  if (!autoencoder) fail(from.where, "the autoencoder of the latent space", "none");
  return through_latent_space(rebuild_map(description.at("inner"), tensors, from),
                              {autoencoder, description.at("source_is_data").get<bool>(),
                               description.at("target_is_data").get<bool>()});
}

}  // namespace

void save_map(const std::filesystem::path& path, const Solution& solution,
              const std::map<std::string, std::string>& notes, Existing existing) {
  TensorFile file;
  file.metadata = notes;
  file.metadata["format"] = "monge-map";
  file.metadata["version"] = std::to_string(map_version);
  const auto add = [&](const char* name, const std::shared_ptr<const TransportMap>& map) {
    if (!map) return;
    State tensors;
    file.metadata[name] = describe_side(*map, tensors).dump();
    insert_state(file.tensors, name, tensors);
  };
  if (const auto parts = latent_parts(*solution.map)) {
    const Autoencoder& autoencoder = *parts->space.autoencoder;
    file.metadata["autoencoder"] = describe_autoencoder(autoencoder).dump();
    insert_state(file.tensors, "autoencoder", autoencoder.state());
  }
  add("map", solution.map);
  add("inverse", solution.inverse);
  write_safetensors(path, file, existing);
}

std::vector<std::int64_t> LoadedMap::shape() const {
  std::vector<std::int64_t> own = solution.map->shape();
  const auto note = notes.find("shape");
  if (own.size() > 1 || note == notes.end()) return own;
  std::vector<std::int64_t> noted;
  std::istringstream sides(note->second);
  for (std::string side; std::getline(sides, side, 'x');) {
    std::int64_t length = 0;
    const auto [end, code] = std::from_chars(side.data(), side.data() + side.size(), length);
    if (code != std::errc() || end != side.data() + side.size() || length < 1 ||
        length > solution.map->dimension())
      return own;
    noted.push_back(length);
  }
  double product = 1;  // cannot overflow
  for (const std::int64_t length : noted) product *= static_cast<double>(length);
  const bool fits = noted.size() == 3 && product == static_cast<double>(own[0]);
  return fits ? noted : own;
}

bool LoadedMap::of_crops() const {
  const auto note = notes.find("source");
  return note != notes.end() && note->second == crops_declaration().info().name &&
         shape().size() == 3;
}

std::int64_t LoadedMap::downscale() const {
  const auto note = notes.find("downscale");
  if (note == notes.end()) return 1;
  std::int64_t times = 0;
  const char* last = note->second.data() + note->second.size();
  const auto [end, code] = std::from_chars(note->second.data(), last, times);
  if (code != std::errc() || end != last) fail("downscale", "a whole number", note->second);
  return crops_declaration().read({{"downscale", times}}, "map file").downscale;
}

bool LoadedMap::grey() const { return notes.contains("grey"); }

ColourSpace LoadedMap::colour_space() const {
  const auto note = notes.find("space");
  return note == notes.end() ? ColourSpace::srgb : colour_space_of(note->second, "space");
}

LoadedMap load_map(const std::filesystem::path& path, const NetworkMaker& maker) {
  const TensorFile file = read_safetensors(path);
  const std::string where = path.string();
  const auto text = [&](const char* key) {
    const auto entry = file.metadata.find(key);
    return entry == file.metadata.end() ? std::string() : entry->second;
  };
  if (text("format") != "monge-map")
    fail(where, "a map file written by monge",
         text("format").empty() ? "a safetensors file of something else" : text("format"));
  if (text("version") != std::to_string(map_version))
    fail(where, fmt::format("version {} of the map format", map_version), text("version"));
  LoadedMap loaded;
  loaded.notes = file.metadata;
  try {
    std::shared_ptr<const Autoencoder> autoencoder;
    if (!text("autoencoder").empty())
      autoencoder = rebuild_autoencoder(Json::parse(text("autoencoder")),
                                        extract_state(file.tensors, "autoencoder"), where);
    const auto rebuild = [&](const char* name) {
      return rebuild_side(Json::parse(text(name)), extract_state(file.tensors, name), autoencoder,
                          {where, maker, file.metadata});
    };
    loaded.solution.map = rebuild("map");
    if (!text("inverse").empty()) loaded.solution.inverse = rebuild("inverse");
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(where)) throw;
    throw Error(fmt::format("{}: {}", where, error.what()));
  } catch (const Json::exception& error) {
    fail(where, "a readable description of the map", error.what());
  }
  return loaded;
}

std::shared_ptr<const Autoencoder> load_autoencoder(const std::filesystem::path& path) {
  const bool folder = std::filesystem::is_directory(path);
  const auto file = folder ? path / "map.safetensors" : path;
  const auto parts = latent_parts(*load_map(file).solution.map);
  if (!parts)
    fail(file.string(), "a map through the latent space of an autoencoder", "another map");
  return parts->space.autoencoder;
}

void save_autoencoder(const std::filesystem::path& path,
                      const std::shared_ptr<const Autoencoder>& autoencoder) {
  save_map(path, {reconstruction_map(autoencoder), nullptr},
           {{"solver", autoencoder->options().kind}});
}

}  // namespace monge
