#pragma once

#include "monge/affine.h"
#include "monge/config.h"
#include "monge/features.h"
#include "monge/measure.h"
#include "monge/networks/network.h"
#include "monge/plan_check.h"
#include "monge/solver.h"
#include "monge/trainer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace monge {

struct EvaluateOptions {
  std::int64_t points = 1000;
  double holdout = 0.1;
  std::string features = {};
  std::string perceptual = {};
  std::string statistics = {};
};

const Declaration<EvaluateOptions>& evaluate_declaration();

/// What images are compared by.
struct ImageMetrics {
  std::shared_ptr<const FeatureNetwork> features = offline_features();
  std::shared_ptr<const PerceptualDistance> perceptual = offline_perceptual();
  std::optional<Moments> target = {};  ///< of the features of the whole target
};

/// What figures need to know besides the measures.
struct EvaluationSettings {
  double gamma = 0;  ///< of the γ-weak quadratic cost that the map was made for, 0 for other costs
  ImageMetrics images = {};
};

/// Those of a config: the cost's γ and the files that [evaluate] names. Throws Error on a file that
/// does not hold what it should, on statistics of another dimension than the features', and on any
/// file where the map makes no images, which alone are compared by them.
EvaluationSettings evaluation_settings(const Config& config, const Measure& source,
                                       const Measure& target);

/// One measure of an experiment: what is trained on and what is held out. A measure that is sampled
/// without end holds nothing out: fresh draws serve.
struct Split {
  std::shared_ptr<const Measure> train;
  std::shared_ptr<const Measure> held_out;
};

/// A config made into parts, ready to train.
struct Experiment {
  Config config;  ///< resolved: every option with its value
  Split source;
  Split target;
  std::unique_ptr<Solver> solver;
  Problem problem;
  TrainOptions train;
  EvaluateOptions evaluate;

  /// The quality watched in training, on fixed held-out points.
  Evaluator evaluator() const;
};

struct LatentStage;
/// How an autoencoder is trained where a config asks for one; empty: by train_latent().
using LatentTraining = std::function<void(LatentStage&)>;

/// Builds the parts of a config and resolves it; two measures of images take the recipe not-images
/// where neither a solver, a network nor a latent space is named. Throws Error on every mistake in
/// it: unknown names, keys and values, files that do not load, measures that do not fit together.
/// Where a group's processes build it together, they have to have the same points, which is looked
/// at. The autoencoder of a latent space is loaded, or trained when all else has proved sound.
Experiment build_experiment(
    const Config& config,
    const std::shared_ptr<ProcessGroup>& group = std::make_shared<ProcessGroup>(),
    const LatentTraining& train_autoencoder = {});

/// The same of measures that exist already, with hold_out() or without; the config's "source" and
/// "target" are not read, nor is its "network" where the potential is given. The parts of
/// recipe_for_images() are not taken.
Experiment build_experiment(const Config& config, const Split& source, const Split& target,
                            const GivenNetworks& given = {},
                            const LatentTraining& train_autoencoder = {});

/// The recipe whose parts two measures of images take where neither a solver, a network nor a
/// latent space is named: "not-images", of crops "style-transfer"; "" of other measures.
std::string recipe_for_images(const Measure& source, const Measure& target);

/// The split of a measure as build_experiment() makes it of the same points in a file: rows drawn
/// from the config's seed for `section` ("source" or "target"). Throws Error, naming `where`
/// (empty: the section), on fewer than 4 points or images, and on an array of one point repeated.
Split hold_out(const std::shared_ptr<const Measure>& measure, const Config& config,
               std::string_view section, std::string_view where = "");

/// The measures alone, for evaluating a map that was fitted before.
std::pair<Split, Split> build_measures(const Config& config);

/// A figure of `monge evaluate`.
struct EvaluatedFigure {
  std::string name;  ///< a JSON key, such as "energy_distance"
  double value;
  std::string meaning;
};

/// The figures that say how right a solution is, on `points` held-out points a measure: energy
/// distance and exact W2² of T#P to Q with their sampling floors, transport cost beside the exact
/// one, cycle error, and L2-UVP and cosine where the true map is known (both measures Gaussian). Of
/// images (docs/metrics-images.md) distances in features with their floor and that of the source
/// itself, and the change of the images. Of stochastic maps the spread over z. Of maps through a
/// latent space also the figures between the codes.
std::vector<EvaluatedFigure> evaluate_solution(const Solution& solution, const Measure& source,
                                               const Measure& target, std::int64_t points,
                                               std::uint64_t seed,
                                               const EvaluationSettings& settings = {});

/// The same on what is held out; a side that holds nothing out is said to be trained on.
std::vector<EvaluatedFigure> evaluate_splits(const Solution& solution, const Split& source,
                                             const Split& target, std::int64_t points,
                                             std::uint64_t seed,
                                             const EvaluationSettings& settings = {});

/// What the figures give reason to warn of, a sentence each: conditional collapse.
std::vector<std::string> warnings_of(std::span<const EvaluatedFigure> figures);

/// The plan check of `monge evaluate`: of at most 1000 points of each measure, and of the cost only
/// where the map was made for |x - y|², which weak costs and entropic plans are not. A plan through
/// a latent space is judged there.
PlanCheck judge_plan(const Solution& solution, const Measure& source, const Measure& target,
                     std::string_view cost, std::int64_t points, std::uint64_t seed);

}  // namespace monge
