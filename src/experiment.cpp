#include "monge/experiment.h"

#include "monge/affine.h"
#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/image.h"
#include "monge/latent_map.h"
#include "monge/latent_stage.h"
#include "monge/measures/crops.h"
#include "monge/measures/file.h"
#include "monge/measures/images.h"
#include "monge/measures/registry.h"
#include "monge/registry.h"

#include "evaluation_points.h"
#include "latent_space.h"

namespace monge {
namespace {

constexpr std::int64_t least_held_out = 50;

/// Which of n points are trained on and which are held out.
struct Shares {
  Tensor train, held_out;
};

/// A share of the points drawn once from the stream "holdout" is kept out of training. A share of
/// fewer than `least_held_out` points says nothing: nullopt, the training points serve for both.
std::optional<Shares> shares_of(std::int64_t n, double holdout, Random random) {
  const auto held = std::min<std::int64_t>(std::llround(holdout * static_cast<double>(n)), 20000);
  if (held < least_held_out) return std::nullopt;
  const Tensor order = random.permutation(n);
  return Shares{order.narrow(0, held, n - held), order.narrow(0, 0, held)};
}

std::shared_ptr<const Measure> rows_of(const ArrayMeasure& all, const Tensor& which) {
  return std::make_shared<ArrayMeasure>(all.points(which), all.shape());
}

/// Evaluation halves the points of each measure and compares pairs; points that are all the same
/// have no map onto others.
void require_enough(std::int64_t count, std::string_view kind, std::string_view where) {
  constexpr std::int64_t least = 4;
  if (count < least)
    fail(where, fmt::format("at least {} {}", least, kind), fmt::format("{}", count));
}

void require_different(const ArrayMeasure& points, std::string_view file) {
  const auto [low, high] = at::aminmax(points.rows(), 0);
  if (at::equal(low, high))
    fail(file, "points that differ", fmt::format("the same point {} times", points.size()));
}

std::string measure_name(const Config& config, std::string_view section) {
  const Table options = config.options(section);
  const auto file = options.find("file");
  if (file == options.end()) return config.part(section, "");
  const auto* path = std::get_if<std::string>(&file->second);
  if (path && is_image_collection(*path)) return config.part(section, "images");
  return config.part(section, path && is_image_path(*path) ? "pixels" : "array");
}

/// Whose parts play images, and crops of photographs.
const char* recipe_of_images(bool crops) { return crops ? "style-transfer" : "not-images"; }

/// Images are played by the networks for them where a config names neither solver nor network, and
/// no latent space in which they are plain points.
Config with_parts_for_images(const Config& config) {
  const std::string name = measure_name(config, "source");
  const bool images = name == "images" || name == "crops";
  if (!images || name != measure_name(config, "target") || uses_latent(latent_options(config)) ||
      !config.part("solver", "").empty() || !config.part("network", "").empty())
    return config;
  return merged(recipe_config(recipe_of_images(name == "crops")), config);
}

Split build_measure(const Config& config, std::string_view section) {
  const std::string name = measure_name(config, section);
  if (name.empty())
    throw Error(fmt::format(
        "{0}: expected a measure ([{0}] with name or file, or --{0} FILE), got none", section));
  const Table options = config.options(section);
  if (name != "array") return hold_out(make_measure(name, options, section), config, section);
  const std::string file = array_declaration().read(options, section).file;
  if (file.empty()) fail(fmt::format("{}.file", section), "a file", "none");
  return hold_out(read_array_measure(file), config, section, file);
}

/// The space of a side's colours; "" of other measures.
std::string space_of(const Config& config, std::string_view section) {
  if (measure_name(config, section) != "pixels") return "";
  return pixels_declaration().read(config.options(section), section).space;
}

void require_one_space(const Config& config) {
  const std::string source = space_of(config, "source"), target = space_of(config, "target");
  if (!source.empty() && !target.empty() && source != target)
    fail("target.space", fmt::format("{}, as the source's", source), target);
}

/// Of the points that a solver is to learn from: that of both measures, [d] where they are not of
/// one shape.
std::vector<std::int64_t> common_shape(const Measure& source, const Measure& target) {
  if (source.shape() == target.shape()) return source.shape();
  return {source.dimension()};
}

/// What levels of smoothing in the source's unit are measured in.
double smoothing_unit(const Measure& source, std::uint64_t seed) {
  Random random(seed, "smoothing unit");
  const double variance = effective_variance(source, random);
  if (!(variance > 0))
    fail("smoothing.unit", "\"data\" for a source whose points are all equal", "source");
  return variance;
}

/// The network that the solver works with; null where it has none. Throws Error on one that it does
/// not take.
const PartInfo* chosen_network(const Config& config, const SolverRow& solver) {
  if (solver.networks.empty()) {
    const auto section = config.sections.find("network");
    if (section != config.sections.end() && !section->second.empty())
      fail("network", fmt::format("none, since the solver '{}' has no network", solver.info.name),
           fmt::format("{}", section->second.begin()->first));
    return nullptr;
  }
  const NetworkRow& row =
      find_network(config.part("network", solver.networks.front()), "network.name");
  require_served(solver, "network", row.info.name, solver.networks);
  return &row.info;
}

/// Size, and sums over a few points, of what is trained on and of what is held out.
Tensor fingerprint(const Split& split, std::uint64_t seed) {
  constexpr std::int64_t few = 64;
  std::vector<double> numbers;
  for (const auto& measure : {split.train, split.held_out}) {
    Random random(seed, "fingerprint");
    const Tensor points = measure->sample(few, random).to(at::kDouble);
    const auto* finite = dynamic_cast<const FiniteMeasure*>(measure.get());
    for (const double number : {finite ? static_cast<double>(finite->size()) : 0,
                                static_cast<double>(measure->dimension()),
                                points.sum().item<double>(), points.square().sum().item<double>()})
      numbers.push_back(number);
  }
  return at::tensor(numbers, at::kDouble);
}

/// Throws Error, the same in all processes, where one has other points than the first one.
void require_same_points(const Split& split, std::string_view section, std::uint64_t seed,
                         ProcessGroup& group) {
  if (group.alone()) return;
  const Tensor mine = fingerprint(split, seed), first = mine.clone();
  group.broadcast(first);
  const Tensor others = at::zeros({group.size()}, at::kLong);
  constexpr double rounding = 1e-4;
  others[group.rank()] = !at::allclose(mine, first, rounding, rounding);
  group.sum(others);
  if (others.any().item<bool>())
    fail(section, "the same points in every process",
         fmt::format("others in process {}", others.argmax().item<std::int64_t>()));
}

/// What a config chooses; every name and key of it has been looked at.
struct Choices {
  const SolverRow& row;
  const PartInfo& cost;
  const PartInfo* network;  // null: none
  TrainOptions train;
  SmoothingOptions smoothing;
  LatentOptions latent;
  EvaluateOptions evaluate;
  SolverParts parts;
};

Choices choices_of(const Config& config, const GivenNetworks& given) {
  const SolverRow& row =
      find_solver(config.part("solver", solver_rows().front().info.name), "solver.name");
  const PartInfo& cost = find_cost(config.part("cost", row.costs.front()), "cost.name");
  if ((given.potential || given.map) && !row.takes_given)
    fail("solver.name", "saddle_point, since a network was given", row.info.name);
  const PartInfo* network = given.potential ? nullptr : chosen_network(config, row);
  require_served(row, "cost", cost.name, row.costs);
  Choices choices{row,
                  cost,
                  network,
                  train_declaration().read(config.options("train"), "train"),
                  smoothing_declaration().read(config.options("smoothing"), "smoothing"),
                  latent_options(config),
                  evaluate_declaration().read(config.options("evaluate"), "evaluate"),
                  {config.options("solver"), network ? network->name : "",
                   config.options("network"), cost.name, config.options("cost"), given}};
  if (choices.smoothing.kind == "none")
    for (const auto& [key, value] : config.options("smoothing"))
      if (key != "kind" && value != smoothing_declaration().write(SmoothingOptions()).at(key))
        fail("smoothing.kind", fmt::format("gaussian or variance_preserving for smoothing.{}", key),
             "none");
  require_known_keys(choices.parts.solver, row.info, "solver");
  if (network) require_known_keys(choices.parts.network_options, *network, "network");
  require_known_keys(choices.parts.cost_options, cost, "cost");
  return choices;
}

/// Throws Error on what the solver or the smoothing would refuse, before an autoencoder is trained.
void require_solvable(Choices choices, std::uint64_t seed) {
  Random random(seed, "network");
  choices.row.make({choices.latent.dimension}, choices.parts, random);
  if (choices.smoothing.kind == "none") return;
  choices.smoothing.steps = std::max<std::int64_t>(choices.smoothing.steps, 1);
  const Smoothing sound(choices.smoothing);
}

/// The latent space that a config asks for, its autoencoder read or trained; nullopt for none.
std::optional<LatentSpace> latent_space(const Choices& choices, const Config& config,
                                        const Split& source, const Split& target,
                                        const std::shared_ptr<ProcessGroup>& group,
                                        const LatentTraining& train_autoencoder) {
  const LatentOptions& options = choices.latent;
  if (!uses_latent(options)) return std::nullopt;
  if (!options.file.empty()) return read_latent_space(config, *source.train, *target.train, *group);
  const auto [source_is_data, target_is_data] =
      sides_of_data(*source.train, *target.train, options.dimension);
  require_solvable(choices, config.seed);
  LatentStage stage = make_latent_stage(options, choices.train, source_is_data ? source : target,
                                        target_is_data ? target : source, config.seed, group);
  if (train_autoencoder)
    train_autoencoder(stage);
  else
    train_latent(stage);
  return LatentSpace{stage.autoencoder, source_is_data, target_is_data};
}

/// The options of a latent space as its autoencoder has them.
LatentOptions described(const LatentSpace& space, const std::string& file) {
  LatentOptions options = space.autoencoder->options();
  options.file = file;
  return options;
}

/// What a solver learns from.
struct Sides {
  std::shared_ptr<const Measure> source, target;
};

/// The points that are trained on, or their codes.
Sides sides_of(const Split& source, const Split& target, const std::optional<LatentSpace>& latent) {
  const auto side = [&](const Split& split, bool is_data) {
    return latent && is_data ? encoded(split.train, latent->autoencoder) : split.train;
  };
  return {side(source, latent && latent->source_is_data),
          side(target, latent && latent->target_is_data)};
}

/// The config with every option of the parts as it is.
Config resolved(Config config, const Choices& choices) {
  auto& sections = config.sections;
  sections["latent"] = latent_declaration().write(choices.latent);
  sections["smoothing"] = smoothing_declaration().write(choices.smoothing);
  sections["cost"] = choices.parts.cost_options;
  sections["cost"]["name"] = choices.cost.name;
  sections["solver"] = choices.parts.solver;
  sections["solver"]["name"] = choices.row.info.name;
  if (choices.network) {
    sections["network"] = choices.parts.network_options;
    sections["network"]["name"] = choices.network->name;
  }
  sections["train"] = train_declaration().write(choices.train);
  sections["evaluate"] = evaluate_declaration().write(choices.evaluate);
  return config;
}

/// The experiment of a config; its measures are made when the rest of it has proved sound.
Experiment build(const Config& config, const std::shared_ptr<ProcessGroup>& group,
                 const GivenNetworks& given, const LatentTraining& train_autoencoder,
                 const std::function<std::pair<Split, Split>()>& measures) {
  Choices choices = choices_of(config, given);
  const auto [source, target] = measures();
  evaluation_settings(config, *source.train, *target.train);  // refused before, not after training
  require_same_points(source, "source", config.seed, *group);
  require_same_points(target, "target", config.seed, *group);
  ProblemOptions setting{
      .latent = latent_space(choices, config, source, target, group, train_autoencoder),
      .group = group};
  if (setting.latent) choices.latent = described(*setting.latent, choices.latent.file);
  const Sides sides = sides_of(source, target, setting.latent);
  const bool of_images =
      choices.network && find_network(choices.network->name, "network").of_images;
  if (!of_images && choices.row.in_span && choices.row.in_span(choices.parts))
    setting.span = ProblemSpan::of(*sides.source, *sides.target, config.seed);
  const std::vector<std::int64_t> shape = setting.span ? std::vector{setting.span->target.rank()}
                                                       : common_shape(*sides.source, *sides.target);
  const std::int64_t dimension = c10::multiply_integers(shape);
  TrainOptions& train = choices.train;
  if (choices.row.give_time && train.max_seconds > 0)
    choices.row.give_time(dimension, train.max_seconds, choices.parts);
  Random random(config.seed, "network");
  auto solver = choices.row.make(shape, choices.parts, random);

  SmoothingOptions& smoothing = choices.smoothing;
  if (train.max_steps == 0 && train.max_seconds == 0)
    train.max_steps = choices.row.usual_steps(dimension);
  train = sized_for(train);
  if (smoothing.kind != "none") {
    if (smoothing.steps == 0) smoothing.steps = 7 * train.max_steps / 10;
    if (train.max_steps > 0 && smoothing.steps > train.max_steps)
      fail("smoothing.steps", fmt::format("at most train.max_steps = {}", train.max_steps),
           fmt::format("{}", smoothing.steps));
    setting.smoothing.emplace(
        smoothing, smoothing.unit == "source" ? smoothing_unit(*sides.source, config.seed) : 1);
  }
  return {resolved(config, choices),
          source,
          target,
          std::move(solver),
          make_problem(sides.source, sides.target, config.seed, setting),
          train,
          choices.evaluate};
}

}  // namespace

Split hold_out(const std::shared_ptr<const Measure>& measure, const Config& config,
               std::string_view section, std::string_view where) {
  const auto* points = dynamic_cast<const ArrayMeasure*>(measure.get());
  const auto* images = dynamic_cast<const ImageMeasure*>(measure.get());
  if (!points && !images) return {measure, measure};
  const std::int64_t count = images ? images->count() : points->size();
  require_enough(count, images ? "images" : "points", where.empty() ? section : where);
  if (points) require_different(*points, where.empty() ? section : where);
  const double holdout =
      evaluate_declaration().read(config.options("evaluate"), "evaluate").holdout;
  const auto shares =
      shares_of(count, holdout, Random(config.seed, fmt::format("holdout {}", section)));
  if (!shares) return {measure, measure};
  if (points) return {rows_of(*points, shares->train), rows_of(*points, shares->held_out)};
  return {images->part(shares->train, images->mirrored()),
          images->part(shares->held_out, Mirrored::no)};
}

std::pair<Split, Split> build_measures(const Config& config) {
  require_one_space(config);
  const Split source = build_measure(config, "source");
  const Split target = build_measure(config, "target");
  require_sides(source, target, latent_options(config));
  return {source, target};
}

std::string recipe_for_images(const Measure& source, const Measure& target) {
  const auto is_crops = [](const Measure& measure) {
    return dynamic_cast<const CropMeasure*>(&measure) != nullptr;
  };
  const bool images = source.shape().size() == 3 && target.shape().size() == 3;
  if (!images || is_crops(source) != is_crops(target)) return "";
  return recipe_of_images(is_crops(source));
}

Experiment build_experiment(const Config& config, const std::shared_ptr<ProcessGroup>& group,
                            const LatentTraining& train_autoencoder) {
  Experiment experiment = build(with_parts_for_images(config), group, {}, train_autoencoder,
                                [&] { return build_measures(config); });
  for (const char* section : {"source", "target"})
    experiment.config.sections[section]["name"] = measure_name(config, section);
  return experiment;
}

Experiment build_experiment(const Config& config, const Split& source, const Split& target,
                            const GivenNetworks& given, const LatentTraining& train_autoencoder) {
  require_sides(source, target, latent_options(config));
  return build(config, std::make_shared<ProcessGroup>(), given, train_autoencoder,
               [&] { return std::pair(source, target); });
}

Evaluator Experiment::evaluator() const {
  constexpr std::int64_t most_images = 256;  // each costs a UNet's pass, again and again
  const bool images = source.held_out->shape().size() == 3 || target.held_out->shape().size() == 3;
  const std::int64_t count = images ? std::min(evaluate.points, most_images) : evaluate.points;
  const auto points = std::make_shared<const EvaluationPoints>(
      draw_evaluation_points(*source.held_out, *target.held_out, count, config.seed));
  return [points](const Solution& solution) { return watched_quality(solution, *points); };
}

}  // namespace monge
