#include "monge/experiment.h"

#include "monge/affine.h"
#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/image.h"
#include "monge/measures/file.h"
#include "monge/measures/images.h"
#include "monge/measures/registry.h"
#include "monge/registry.h"

#include "evaluation.h"

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

/// Images are played by the networks for them where a config names neither solver nor network.
Config with_parts_for_images(const Config& config) {
  const bool images =
      measure_name(config, "source") == "images" && measure_name(config, "target") == "images";
  if (!images || !config.part("solver", "").empty() || !config.part("network", "").empty())
    return config;
  return merged(recipe_config("not-images"), config);
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

/// Images may meet plain points of as many numbers, but no images of another shape.
void require_one_shape(const Split& source, const Split& target) {
  const auto from = source.train->shape(), to = target.train->shape();
  if (source.train->dimension() != target.train->dimension() && from.size() == 1 && to.size() == 1)
    fail("source and target", "points of the same dimension",
         fmt::format("{} and {}", from[0], to[0]));
  if (source.train->dimension() != target.train->dimension() ||
      (from.size() == to.size() && from != to))
    fail("source and target", "points of one shape",
         fmt::format("[{}] and [{}]", fmt::join(from, ", "), fmt::join(to, ", ")));
}

/// Of the points that a solver is to learn from: that of both measures, [d] where they are not of
/// one shape.
std::vector<std::int64_t> common_shape(const Measure& source, const Measure& target) {
  if (source.shape() == target.shape()) return source.shape();
  return {source.dimension()};
}

/// The mean over the coordinates.
double coordinate_variance(const Measure& measure, std::uint64_t seed) {
  Random random(seed, "smoothing unit");
  const double variance = coordinate_variances(measure, random).mean().item<double>();
  if (!(variance > 0)) fail("smoothing.unit", "data where all source points are one", "source");
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

/// The experiment of a config; its measures are made when the rest of it has proved sound.
Experiment build(const Config& config, const std::shared_ptr<ProcessGroup>& group,
                 const std::function<std::pair<Split, Split>()>& measures) {
  Config resolved = config;
  const SolverRow& row =
      find_solver(config.part("solver", solver_rows().front().info.name), "solver.name");
  const PartInfo& cost = find_cost(config.part("cost", row.costs.front()), "cost.name");
  const PartInfo* network = chosen_network(config, row);
  require_served(row, "cost", cost.name, row.costs);
  TrainOptions train = train_declaration().read(config.options("train"), "train");
  SmoothingOptions smoothing =
      smoothing_declaration().read(config.options("smoothing"), "smoothing");
  const EvaluateOptions evaluate =
      evaluate_declaration().read(config.options("evaluate"), "evaluate");
  SolverParts parts{config.options("solver"), network ? network->name : "",
                    config.options("network"), cost.name, config.options("cost")};
  require_known_keys(parts.solver, row.info, "solver");
  if (network) require_known_keys(parts.network_options, *network, "network");
  require_known_keys(parts.cost_options, cost, "cost");

  const auto [source, target] = measures();
  require_same_points(source, "source", config.seed, *group);
  require_same_points(target, "target", config.seed, *group);
  ProblemOptions setting{.group = group};
  if (row.in_span) setting.span = ProblemSpan::of(*source.train, *target.train, config.seed);
  const std::vector<std::int64_t> shape = setting.span ? std::vector{setting.span->target.rank()}
                                                       : common_shape(*source.train, *target.train);
  const std::int64_t dimension = c10::multiply_integers(shape);
  Random random(config.seed, "network");
  auto solver = row.make(shape, parts, random);

  if (train.max_steps == 0 && train.max_seconds == 0) train.max_steps = row.usual_steps(dimension);
  train = sized_for(train);
  if (smoothing.kind != "none") {
    if (smoothing.steps == 0) smoothing.steps = 7 * train.max_steps / 10;
    setting.smoothing.emplace(smoothing, smoothing.unit == "source"
                                             ? coordinate_variance(*source.train, config.seed)
                                             : 1);
  }
  resolved.sections["smoothing"] = smoothing_declaration().write(smoothing);
  resolved.sections["cost"] = parts.cost_options;
  resolved.sections["cost"]["name"] = cost.name;
  resolved.sections["solver"] = parts.solver;
  resolved.sections["solver"]["name"] = row.info.name;
  if (network) {
    resolved.sections["network"] = parts.network_options;
    resolved.sections["network"]["name"] = network->name;
  }
  resolved.sections["train"] = train_declaration().write(train);
  resolved.sections["evaluate"] = evaluate_declaration().write(evaluate);
  return {std::move(resolved),
          source,
          target,
          std::move(solver),
          make_problem(source.train, target.train, config.seed, setting),
          train,
          evaluate};
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
  const Split source = build_measure(config, "source");
  const Split target = build_measure(config, "target");
  require_one_shape(source, target);
  return {source, target};
}

Experiment build_experiment(const Config& config, const std::shared_ptr<ProcessGroup>& group) {
  Experiment experiment =
      build(with_parts_for_images(config), group, [&] { return build_measures(config); });
  for (const char* section : {"source", "target"})
    experiment.config.sections[section]["name"] = measure_name(config, section);
  return experiment;
}

Experiment build_experiment(const Config& config, const Split& source, const Split& target) {
  require_one_shape(source, target);
  return build(config, std::make_shared<ProcessGroup>(), [&] { return std::pair(source, target); });
}

Evaluator Experiment::evaluator() const {
  constexpr std::int64_t most_images = 256;  // each costs a UNet's pass, again and again
  const std::int64_t count = source.held_out->shape().size() == 3
                                 ? std::min(evaluate.points, most_images)
                                 : evaluate.points;
  const auto points = std::make_shared<const EvaluationPoints>(
      draw_evaluation_points(*source.held_out, *target.held_out, count, config.seed));
  return [points](const Solution& solution) { return watched_quality(solution, *points); };
}

}  // namespace monge
