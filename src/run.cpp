#include "monge/run.h"

#include "monge/error.h"
#include "monge/events.h"
#include "monge/log.h"
#include "monge/map_file.h"
#include "monge/measures/file.h"
#include "monge/measures/images.h"
#include "monge/safetensors.h"

#include "image/png.h"
#include "image_evaluation.h"
#include "image_samples.h"

#include <nlohmann/json.hpp>
#include <sys/file.h>

#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace monge {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* checkpoint_format = "monge-checkpoint";
constexpr const char* checkpoint_version = "1";

struct KeptMetrics {
  std::string text;
  std::int64_t last_step = -1;
};

/// The lines of metrics.jsonl up to a step: what a resumed run keeps. A line that a killed run left
/// half-written is dropped.
KeptMetrics kept_metrics(const std::filesystem::path& path, std::int64_t step) {
  std::ifstream file(path);
  KeptMetrics kept;
  for (std::string line; std::getline(file, line);) {
    const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object() || !entry.contains("step") || !entry["step"].is_number_integer())
      continue;
    const auto at = entry["step"].get<std::int64_t>();
    if (at < 0 || at > step) continue;
    kept.text += line + "\n";
    kept.last_step = at;
  }
  return kept;
}

/// Writes what a run leaves behind: metrics and events at every evaluation, the best map, and
/// checkpoints at intervals.
class RunWriter final : public Callback {
 public:
  RunWriter(const RunDirectory& run, const Experiment& experiment)
      : run_(run),
        config_(experiment.config),
        source_(*experiment.source.held_out),
        shape_(shape_of(experiment)) {}

  void on_start(const Training& training) override {
    const KeptMetrics kept = training.state.best_step < 0
                                 ? KeptMetrics()
                                 : kept_metrics(run_.metrics(), training.state.step);
    write_text(run_.config(), config_text(config_));  // by now a checkpoint has proved sound
    write_text(run_.metrics(), kept.text);
    written_step_ = kept.last_step;
    std::error_code failure;
    std::filesystem::create_directories(run_.events(), failure);
    if (failure) fail(run_.events().string(), "a folder that can be created", failure.message());
    events_.emplace(run_.events());
    last_checkpoint_ = training.state.seconds;
    constexpr std::int64_t shown_images = 8;
    if (is_image(source_.shape())) images_ = sample_images(source_, shown_images, config_.seed);
  }

  Next on_step(const Training& training, const StepReport& report) override {
    latest_ = report;
    const std::int64_t every = training.options.image_every;
    if (every > 0 && training.state.step % every == 0) write_images(training);
    return Next::go_on;
  }

  void on_evaluation(const Training& training, const Quality& quality, bool improved) override {
    write_metrics(training, quality);
    if (improved) write_map(training, training.state.step, quality);
    if (training.options.image_every == 0) write_images(training);
    const bool due =
        training.state.seconds - last_checkpoint_ >= training.options.checkpoint_seconds;
    if (due || training.state.step == 0) write_checkpoint(training);
  }

  void on_end(const Training& training, const TrainSummary& summary) override {
    events_->flush();
    // The map first: a run killed in between then ends again, from the checkpoint before.
    if (summary.reason != StopReason::interrupted)
      write_map(training, summary.kept_step, summary.quality);
    write_checkpoint(training);
  }

 private:
  void write_metrics(const Training& training, const Quality& quality) {
    const TrainState& state = training.state;
    // A run that was killed after its last evaluation evaluates that step once more.
    if (state.step == written_step_) return;
    Json line{{"step", state.step}, {"seconds", state.seconds}, {"quality", quality.value}};
    if (state.step > 0) line.update({{"loss", state.smoothed_loss}, {"rate", training.rate}});
    for (const auto& [name, value] : quality.figures) line[name] = value;
    for (const auto& [name, value] : latest_.terms) line[std::string(name)] = value;
    std::ofstream file(run_.metrics(), std::ios::app);
    file << line.dump() << std::endl;
    if (!file) fail(run_.metrics().string(), "room for another line", std::strerror(errno));
    for (const auto& [name, value] : line.items())
      if (value.is_number() && name != "step")
        events_->scalar(name, state.step, value.get<double>());
    events_->flush();
  }

  /// What the map makes of a few held-out images by now, of runs on images.
  void write_images(const Training& training) {
    if (!images_.defined()) return;
    const Solution solution = learned(training.solver, training.problem);
    for (const SampleGrid& grid : sample_grids(*solution.map, images_, source_.shape()))
      events_->image(
          grid.tag, training.state.step,
          {grid.image.size(1), grid.image.size(2), grid.image.size(0), image::png_of(grid.image)});
    events_->flush();
  }

  void write_map(const Training& training, std::int64_t step, const Quality& quality) {
    std::map<std::string, std::string> notes{{"solver", training.solver.name()},
                                             {"step", std::to_string(step)},
                                             {"seed", std::to_string(config_.seed)},
                                             {"quality", fmt::format("{:.6g}", quality.value)}};
    if (shape_.size() > 1) notes["shape"] = fmt::format("{}", fmt::join(shape_, "x"));
    if (config_.part("source", "") == "pixels")
      notes["space"] = pixels_declaration().read(config_.options("source"), "source").space;
    save_map(run_.map(), learned(training.solver, training.problem), notes);
  }

  void write_checkpoint(const Training& training) {
    write_safetensors(run_.checkpoint(), {training.checkpoint(),
                                          {{"format", checkpoint_format},
                                           {"version", checkpoint_version},
                                           {"solver", training.solver.name()}}});
    last_checkpoint_ = training.state.seconds;
  }

  /// That of the points of both measures: an image's, where one of them has images.
  static std::vector<std::int64_t> shape_of(const Experiment& experiment) {
    const auto from = experiment.source.train->shape(), to = experiment.target.train->shape();
    return from.size() > to.size() ? from : to;
  }

  const RunDirectory& run_;
  const Config& config_;
  const Measure& source_;  // held out
  std::vector<std::int64_t> shape_;
  Tensor images_;  // of the source, where it has images
  std::optional<EventWriter> events_;
  StepReport latest_;
  std::int64_t written_step_ = -1;
  double last_checkpoint_ = 0;
};

State read_checkpoint(const RunDirectory& run, const std::string& solver) {
  TensorFile file = read_safetensors(run.checkpoint());
  const std::string where = run.checkpoint().string();
  const auto text = [&](const char* key) -> std::string {
    const auto entry = file.metadata.find(key);
    return entry == file.metadata.end() ? "none" : entry->second;
  };
  if (text("format") != checkpoint_format)
    fail(where, "a checkpoint written by monge", "another safetensors file");
  if (text("version") != checkpoint_version)
    fail(where, fmt::format("a checkpoint of version {}", checkpoint_version),
         "version " + text("version"));
  if (text("solver") != solver)
    fail(where, fmt::format("a checkpoint of solver '{}'", solver),
         fmt::format("one of '{}'", text("solver")));
  return std::move(file.tensors);
}

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
  for (const auto& path :
       {run.metrics(), run.checkpoint(), run.map(), run.evaluation(), run.report(), run.skipped()})
    std::filesystem::remove(path, failure);
  std::filesystem::remove_all(run.events(), failure);
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
      const auto* images = dynamic_cast<const ImageMeasure*>(split->train.get());
      if (!images) continue;
      const std::vector<SkippedFile> skipped = images->skipped();
      for (const SkippedFile& one : skipped)
        lines += fmt::format("{}\t{}\t{}\n", section, one.name, one.reason);
      if (skipped.size() > std::exchange(reported_[section], skipped.size()))
        log::warning(fmt::format("{}: {}", section, summary_of(skipped)));
    }
    if (!lines.empty()) write_text(run_.skipped(), lines);
  }

 private:
  const RunDirectory& run_;
  std::map<std::string, std::size_t> reported_;
};

/// What all processes of a group build together, of the first one's config.
Experiment build_together(const Config& config, const std::shared_ptr<ProcessGroup>& group) {
  if (!group->alone()) broadcast(*group, config_text(config));
  return build_experiment(config, group);
}

Evaluation evaluate(const RunDirectory& run, const Config& config, const Split& source,
                    const Split& target) {
  const auto options = evaluate_declaration().read(config.options("evaluate"), "evaluate");
  const EvaluationSettings settings = evaluation_settings(config);
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

FitResult fit_run(const Config& config, const RunDirectory& run, Existing existing,
                  std::span<Callback* const> callbacks,
                  const std::shared_ptr<ProcessGroup>& group) {
  require_place(run, existing);
  Experiment experiment = build_together(config, group);
  const bool created = create_folder(run);
  const RunLock lock(run);
  clear_folder(run);
  try {
    write_text(run.config(), config_text(experiment.config));
    Random random(config.seed, "start");
    experiment.solver->start(experiment.problem, random);
    return train_into(experiment, run, callbacks, nullptr);
  } catch (...) {
    // Before its first checkpoint a run holds nothing to come back to.
    std::error_code failure;
    if (created && !std::filesystem::exists(run.checkpoint(), failure))
      std::filesystem::remove_all(run.folder, failure);
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
  if (!std::filesystem::exists(run.checkpoint()))
    throw Error(
        fmt::format("{}: expected a checkpoint to resume from, got none; fit it anew with --force",
                    run.folder.string()));
  const RunLock lock(run);
  const State checkpoint = read_checkpoint(run, config.part("solver", ""));
  Experiment experiment = build_together(config, group);
  remove_partial_files(run.folder);
  return train_into(experiment, run, callbacks, &checkpoint);
}

TrainSummary follow_run(std::span<Callback* const> callbacks,
                        const std::shared_ptr<ProcessGroup>& group) {
  const Config config = parse_config(broadcast(*group, std::string()), "config", {});
  Experiment experiment = build_experiment(config, group);
  return train(*experiment.solver, experiment.problem, experiment.train, {}, callbacks);
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
