#pragma once

#include "monge/events.h"
#include "monge/run.h"

#include <optional>
#include <vector>

namespace monge {

/// Writes what a training run leaves behind: metrics and events at every evaluation, pictures of
/// what a map makes of images, and checkpoints at intervals.
class TrainingWriter : public Callback {
 public:
  /// `source`: what the map is shown moving, held out; the seed chooses its points.
  TrainingWriter(RunDirectory run, const Measure& source, std::uint64_t seed);

  void on_start(const Training& training) override;
  Next on_step(const Training& training, const StepReport& report) override;
  void on_evaluation(const Training& training, const Quality& quality, bool improved) override;
  void on_end(const Training& training, const TrainSummary& summary) override;

 protected:
  const RunDirectory& run() const { return run_; }

 private:
  void write_metrics(const Training& training, const Quality& quality);
  void write_images(const Training& training);
  void write_checkpoint(const Training& training);

  RunDirectory run_;
  const Measure& source_;
  std::uint64_t seed_;
  std::optional<EventWriter> events_;
  Tensor shown_;  // points of the source
  StepReport latest_;
  std::int64_t written_step_ = -1;
  double last_checkpoint_ = 0;
};

/// The same of a run, with its config and the best map.
class RunWriter final : public TrainingWriter {
 public:
  RunWriter(const RunDirectory& run, const Experiment& experiment);

  void on_start(const Training& training) override;
  void on_evaluation(const Training& training, const Quality& quality, bool improved) override;
  void on_end(const Training& training, const TrainSummary& summary) override;

 private:
  void write_map(const Training& training, std::int64_t step, const Quality& quality);

  const Config& config_;
  std::vector<std::int64_t> shape_;
};

/// The checkpoint of a run of that solver; throws Error where it is none.
State read_checkpoint(const RunDirectory& run, const std::string& solver);

}  // namespace monge
