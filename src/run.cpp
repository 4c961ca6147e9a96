#include "monge/run.h"

#include "monge/error.h"
#include "monge/latent_stage.h"
#include "monge/log.h"
#include "monge/map_file.h"
#include "monge/measures/crops.h"
#include "monge/measures/images.h"

#include "run_writer.h"

#include <nlohmann/json.hpp>
#include <sys/file.h>

#include <fcntl.h>
#include <unistd.h>

namespace monge {
namespace {

using Json = nlohmann::ordered_json;

/// Removes what writes that were killed have left.
void remove_partial_files(const std::filesystem::path& folder) {
  std::error_code failure;
  std::vector<std::filesystem::path> partial;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure))
    if (is_partial_file(entry.path())) partial.push_back(entry.path());
  for (const auto& path : partial) std::filesystem::remove(path, failure);
}

bool is_unused(const std::filesystem::path& folder) {
  std::error_code failure;
  const std::filesystem::directory_iterator entries(folder, failure);
  if (failure) fail(folder.string(), "a folder that can be read", failure.message());
  return std::ranges::all_of(entries,
                             [](const auto& entry) { return is_partial_file(entry.path()); });
}

/// Keeps other processes from writing to the run's folder while it lives; the system lets go of it
/// when a process ends in any way.
class RunLock {
 public:
  explicit RunLock(const RunDirectory& run)
      : descriptor_(::open(run.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    const std::string where = run.folder.string();
    if (descriptor_ < 0) fail(where, "a folder that can be read", std::strerror(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    ::close(descriptor_);
    fail(where, "a run that no other process is writing", "one in use");
  }
  ~RunLock() { ::close(descriptor_); }
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_;
};

/// Whether the folder is new.
bool create_folder(const RunDirectory& run) {
  std::error_code failure;
  const bool created = std::filesystem::create_directories(run.folder, failure);
  if (failure) fail(run.folder.string(), "a folder that can be created", failure.message());
  return created;
}

/// Makes room for a new run.
void clear_folder(const RunDirectory& run) {
  std::error_code failure;
  remove_partial_files(run.folder);
  for (const auto& path : {run.metrics(), run.checkpoint(), run.map(), run.autoencoder(),
                           run.evaluation(), run.report(), run.skipped()})
    std::filesystem::remove(path, failure);
  for (const auto& folder : {run.events(), run.autoencoder_training().folder})
    std::filesystem::remove_all(folder, failure);
}

/// Lists in the run's folder the files that its measures skip, and says in a log line how many of
/// them are new.
class SkippedFiles {
 public:
  explicit SkippedFiles(const RunDirectory& run) : run_(run) {}

  void report(const Experiment& experiment) {
    std::string lines;
    for (const auto& [section, split] :
         {std::pair("source", &experiment.source), std::pair("target", &experiment.target)}) {
      const std::vector<SkippedFile> skipped = skipped_by(*split->train);
      for (const SkippedFile& one : skipped)
        lines += fmt::format("{}\t{}\t{}\n", section, one.name, one.reason);
      if (skipped.size() > std::exchange(reported_[section], skipped.size()))
        log::warning(fmt::format("{}: {}", section, summary_of(skipped)));
    }
    if (!lines.empty()) write_text(run_.skipped(), lines);
  }

 private:
  static std::vector<SkippedFile> skipped_by(const Measure& measure) {
    if (const auto* images = dynamic_cast<const ImageMeasure*>(&measure)) return images->skipped();
    if (const auto* crops = dynamic_cast<const CropMeasure*>(&measure)) return crops->skipped();
    return {};
  }

  const RunDirectory& run_;
  std::map<std::string, std::size_t> reported_;
};

/// The folder of a new run, made or cleared when there is something to put into it. What is left of
/// a run that holds nothing to come back to goes with it.
class NewRun {
 public:
  explicit NewRun(const RunDirectory& run) : run_(run) {}

  void open(const Config& config) {
    if (!lock_) {
      created_ = create_folder(run_);
      lock_.emplace(run_);
      clear_folder(run_);
    }
    write_text(run_.config(), config_text(config));
  }

  void discard() {
    std::error_code failure;
    if (created_ && !can_resume(run_)) std::filesystem::remove_all(run_.folder, failure);
  }

 private:
  const RunDirectory& run_;
  bool created_ = false;
  std::optional<RunLock> lock_;
};

/// Trains an autoencoder into the run's folder, from its checkpoint where there is one.
void train_autoencoder(LatentStage& stage, const RunDirectory& run,
                       std::span<Callback* const> callbacks) {
  const RunDirectory training = run.autoencoder_training();
  create_folder(training);
  remove_partial_files(training.folder);
  std::optional<State> checkpoint;
  if (std::filesystem::exists(training.checkpoint()))
    checkpoint = read_checkpoint(training, stage.solver->name());
  TrainingWriter writer(training, *stage.target.held_out, stage.seed);
  std::vector<Callback*> all{&writer};
  all.insert(all.end(), callbacks.begin(), callbacks.end());
  train_latent(stage, all, checkpoint ? &*checkpoint : nullptr);
  save_autoencoder(run.autoencoder(), stage.autoencoder);
  std::filesystem::remove(training.checkpoint());
}

/// The result of a run that was interrupted before its transport began.
FitResult interrupted_early(LatentInterrupted interrupted) {
  FitResult result{std::move(interrupted.summary), std::nullopt};
  result.summary.message =
      fmt::format("training of the autoencoder {}; its checkpoint is kept", result.summary.message);
  return result;
}

/// Throws where a batch is smaller than the number of the processes that are to share it.
void require_shares(const Config& config, const ProcessGroup& group) {
  const Table options = config.options("solver");
  const auto batch = options.find("batch");
  if (batch == options.end()) return;
  const auto* n = std::get_if<std::int64_t>(&batch->second);
  if (n && *n > 0) group.rows_of(*n);
}

/// What all processes of a group build together, of the first one's config.
Experiment build_together(const Config& config, const std::shared_ptr<ProcessGroup>& group,
                          const LatentTraining& training) {
  require_shares(config, *group);
  if (!group->alone()) broadcast(*group, config_text(config));
  return build_experiment(config, group, training);
}

/// A run keeps the autoencoder that it was given, too.
void keep_autoencoder(const Experiment& experiment, const RunDirectory& run) {
  const auto& latent = experiment.problem.latent;
  if (latent && !std::filesystem::exists(run.autoencoder()))
    save_autoencoder(run.autoencoder(), latent->autoencoder);
}

/// The experiment of a run that goes on, with the autoencoder that the run holds.
Experiment build_again(const Config& config, const RunDirectory& run,
                       std::span<Callback* const> callbacks,
                       const std::shared_ptr<ProcessGroup>& group) {
  Config kept = config;
  const bool trained = std::filesystem::exists(run.autoencoder());
  if (trained) kept.sections["latent"]["file"] = run.autoencoder().string();
  Experiment experiment = build_together(kept, group, [&](LatentStage& stage) {
    if (std::filesystem::exists(run.checkpoint()))
      fail(run.autoencoder().string(), "the autoencoder that the run began with", "none");
    train_autoencoder(stage, run, callbacks);
  });
  if (trained)
    experiment.config.sections["latent"]["file"] =
        latent_declaration().read(config.options("latent"), "latent").file;
  return experiment;
}

Evaluation evaluate(const RunDirectory& run, const Config& config, const Split& source,
                    const Split& target) {
  const auto options = evaluate_declaration().read(config.options("evaluate"), "evaluate");
  const EvaluationSettings settings =
      evaluation_settings(config, *source.held_out, *target.held_out);
  const LoadedMap loaded = load_map(run.map());
  Evaluation evaluation{
      evaluate_splits(loaded.solution, source, target, options.points, config.seed, settings),
      judge_plan(loaded.solution, *source.held_out, *target.held_out,
                 config.part("cost", "quadratic"), options.points, config.seed),
      {}};
  evaluation.warnings = warnings_of(evaluation.figures);
  write_text(run.evaluation(), evaluation_json(evaluation, config));
  return evaluation;
}

FitResult train_into(Experiment& experiment, const RunDirectory& run,
                     std::span<Callback* const> callbacks, const State* resumed) {
  RunWriter writer(run, experiment);
  std::vector<Callback*> all{&writer};
  all.insert(all.end(), callbacks.begin(), callbacks.end());
  SkippedFiles skipped(run);
  skipped.report(experiment);
  FitResult result;
  result.summary = train(*experiment.solver, experiment.problem, experiment.train,
                         experiment.evaluator(), all, resumed);
  if (result.summary.reason != StopReason::interrupted)
    result.evaluation = evaluate_run(run, experiment.source, experiment.target);
  skipped.report(experiment);  // damage shows only when a picture is decoded
  return result;
}

}  // namespace

/// Only a run is replaced: the names of its files may mean something else in another folder.
void require_place(const RunDirectory& run, Existing existing) {
  const std::string where = run.folder.string();
  std::error_code failure;
  const auto type = std::filesystem::status(run.folder, failure).type();
  if (type == std::filesystem::file_type::not_found) return;
  if (type == std::filesystem::file_type::none)
    fail(where, "a folder that can be used", failure.message());
  if (type != std::filesystem::file_type::directory) fail(where, "a folder", "a file");
  if (is_unused(run.folder)) return;
  if (!std::filesystem::exists(run.config()))
    fail(where, "a new folder, an empty one or a run", "a folder of other things");
  if (existing == Existing::keep)
    throw Error(
        fmt::format("{}: exists; pass --resume to continue it or --force to replace it", where));
}

RunDirectory open_run(const std::filesystem::path& folder) {
  RunDirectory run{folder};
  if (!std::filesystem::is_directory(folder))
    fail(folder.string(), "a run directory",
         std::filesystem::exists(folder) ? "a file" : "no such folder");
  if (!std::filesystem::exists(run.config()))
    fail(folder.string(), "a run directory", "a folder without config.toml");
  return run;
}

bool can_resume(const RunDirectory& run) {
  const auto exists = [](const auto& path) { return std::filesystem::exists(path); };
  return exists(run.checkpoint()) ||
         (exists(run.config()) &&
          (exists(run.autoencoder()) || exists(run.autoencoder_training().checkpoint())));
}

FitResult fit_run(const Config& config, const RunDirectory& run, Existing existing,
                  std::span<Callback* const> callbacks,
                  const std::shared_ptr<ProcessGroup>& group) {
  require_place(run, existing);
  NewRun folder(run);
  try {
    Experiment experiment = build_together(config, group, [&](LatentStage& stage) {
      folder.open(config);
      train_autoencoder(stage, run, callbacks);
    });
    folder.open(experiment.config);
    keep_autoencoder(experiment, run);
    Random random(config.seed, "start");
    experiment.solver->start(experiment.problem, random);
    return train_into(experiment, run, callbacks, nullptr);
  } catch (LatentInterrupted& interrupted) {
    return interrupted_early(std::move(interrupted));
  } catch (...) {
    folder.discard();
    throw;
  }
}

FitResult resume_run(const RunDirectory& run, const std::vector<std::string>& settings,
                     std::span<Callback* const> callbacks,
                     const std::shared_ptr<ProcessGroup>& group) {
  Config config = read_config(run.config());
  for (const std::string& setting : settings) {
    if (!setting.starts_with("train."))
      throw Error(fmt::format("--set {}: a resumed run can only change [train] options", setting));
    apply_setting(config, setting);
  }
  if (!can_resume(run))
    throw Error(
        fmt::format("{}: expected a checkpoint to resume from, got none; fit it anew with --force",
                    run.folder.string()));
  const RunLock lock(run);
  std::optional<State> checkpoint;
  if (std::filesystem::exists(run.checkpoint()))
    checkpoint = read_checkpoint(run, config.part("solver", ""));
  try {
    Experiment experiment = build_again(config, run, callbacks, group);
    remove_partial_files(run.folder);
    Random random(config.seed, "start");
    if (!checkpoint) experiment.solver->start(experiment.problem, random);
    return train_into(experiment, run, callbacks, checkpoint ? &*checkpoint : nullptr);
  } catch (LatentInterrupted& interrupted) {
    return interrupted_early(std::move(interrupted));
  }
}

TrainSummary follow_run(std::span<Callback* const> callbacks,
                        const std::shared_ptr<ProcessGroup>& group) {
  const Config config = parse_config(broadcast(*group, std::string()), "config", {});
  try {
    Experiment experiment = build_experiment(
        config, group, [&](LatentStage& stage) { train_latent(stage, callbacks); });
    return train(*experiment.solver, experiment.problem, experiment.train, {}, callbacks);
  } catch (const LatentInterrupted& interrupted) {
    return interrupted.summary;
  }
}

Evaluation evaluate_run(const RunDirectory& run, const std::vector<std::string>& settings) {
  Config config = read_config(run.config());
  for (const std::string& setting : settings) {
    if (!setting.starts_with("evaluate.") || setting.starts_with("evaluate.holdout"))
      throw Error(fmt::format(
          "--set {}: an evaluation can only change [evaluate] options besides holdout", setting));
    apply_setting(config, setting);
  }
  const auto [source, target] = build_measures(config);
  return evaluate(run, config, source, target);
}

Evaluation evaluate_run(const RunDirectory& run, const Split& source, const Split& target) {
  return evaluate(run, read_config(run.config()), source, target);
}

std::string evaluation_json(const Evaluation& evaluation, const Config& config) {
  Json json{{"solver", config.part("solver", "")}, {"seed", config.seed}};
  for (const EvaluatedFigure& figure : evaluation.figures) json[figure.name] = figure.value;
  Json& plan = json["plan_check"];
  plan["verdict"] = verdict_text(evaluation.plan.verdict);
  plan["reason"] = evaluation.plan.reason;
  for (const PlanFigure& figure : evaluation.plan.figures) plan[figure.name] = figure.value;
  if (!evaluation.warnings.empty()) json["warnings"] = evaluation.warnings;
  return json.dump(2) + "\n";
}

}  // namespace monge
