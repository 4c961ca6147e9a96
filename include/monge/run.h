#pragma once

#include "monge/config.h"
#include "monge/experiment.h"
#include "monge/files.h"
#include "monge/plan_check.h"
#include "monge/process_group.h"
#include "monge/trainer.h"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace monge {

/// The files of one run.
struct RunDirectory {
  std::filesystem::path folder;

  std::filesystem::path config() const { return folder / "config.toml"; }
  std::filesystem::path metrics() const { return folder / "metrics.jsonl"; }
  std::filesystem::path events() const { return folder / "events"; }
  std::filesystem::path checkpoint() const { return folder / "checkpoint.safetensors"; }
  std::filesystem::path map() const { return folder / "map.safetensors"; }
  /// Of a run in a latent space.
  std::filesystem::path autoencoder() const { return folder / "autoencoder.safetensors"; }
  /// Metrics, events and checkpoint of the autoencoder's training, which comes first.
  RunDirectory autoencoder_training() const { return {folder / "autoencoder"}; }
  std::filesystem::path evaluation() const { return folder / "evaluation.json"; }
  std::filesystem::path report() const { return folder / "report.html"; }
  /// The files in folders of images that are none, with the reasons; only where there are some.
  std::filesystem::path skipped() const { return folder / "skipped.txt"; }
};

/// The run in `folder`; throws Error where it holds none.
RunDirectory open_run(const std::filesystem::path& folder);

/// How right a run's map is.
struct Evaluation {
  std::vector<EvaluatedFigure> figures;
  PlanCheck plan;
  std::vector<std::string> warnings;  ///< a sentence each, such as of conditional collapse
};

struct FitResult {
  TrainSummary summary;
  std::optional<Evaluation> evaluation;  ///< none where the run was interrupted
};

/// Throws Error where a new run cannot be put into its folder: it holds a run and `existing` is
/// keep, or other things than a run.
void require_place(const RunDirectory& run, Existing existing);

/// Whether a run has something to go on from: a checkpoint, its autoencoder or a checkpoint of
/// that.
bool can_resume(const RunDirectory& run);

/// Fits a config into a run directory: config.toml, metrics.jsonl, TensorBoard events, checkpoints,
/// the best map so far, and at the end the evaluation; before that, with [latent], the autoencoder.
/// Nothing is written before the whole config has been built. Throws Error as require_place() does.
/// Where it is to be fitted by the processes of a group, this is the first one, and the others call
/// follow_run().
FitResult fit_run(const Config& config, const RunDirectory& run, Existing existing,
                  std::span<Callback* const> callbacks = {},
                  const std::shared_ptr<ProcessGroup>& group = std::make_shared<ProcessGroup>());

/// Continues a run from its checkpoint to the same numbers that it would have reached
/// uninterrupted. `settings` may change only options of [train] ("train.max_steps=9000"). With a
/// group as fit_run(), of any number of processes.
FitResult resume_run(const RunDirectory& run, const std::vector<std::string>& settings,
                     std::span<Callback* const> callbacks = {},
                     const std::shared_ptr<ProcessGroup>& group = std::make_shared<ProcessGroup>());

/// Takes part in the run that the group's first process fits or resumes: config and state come from
/// it, data from this process's own files, and nothing is written.
TrainSummary follow_run(std::span<Callback* const> callbacks,
                        const std::shared_ptr<ProcessGroup>& group);

/// Evaluates a run's map on its measures and writes evaluation.json. `settings` may change options
/// of [evaluate] besides "holdout" ("evaluate.points=200") for this time.
Evaluation evaluate_run(const RunDirectory& run, const std::vector<std::string>& settings = {});
/// The same on measures that exist already, those of the run's config.
Evaluation evaluate_run(const RunDirectory& run, const Split& source, const Split& target);

/// {"l2_uvp": 0.31, ..., "plan_check": {"verdict": "good", ...}}: an evaluation as JSON.
std::string evaluation_json(const Evaluation& evaluation, const Config& config);

/// Writes the run's report.html from its files.
void report_run(const RunDirectory& run);

}  // namespace monge
