#include "run_writer.h"

#include "monge/error.h"
#include "monge/map_file.h"
#include "monge/measures/crops.h"
#include "monge/measures/file.h"
#include "monge/safetensors.h"

#include "image/png.h"
#include "image_evaluation.h"
#include "image_samples.h"

#include <nlohmann/json.hpp>

#include <fstream>

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

/// That of the points of both measures: an image's, where one of them has images. None where the
/// map leads to another space, whose shape it knows.
std::vector<std::int64_t> common_shape(const Experiment& experiment) {
  const auto from = experiment.source.train->shape(), to = experiment.target.train->shape();
  if (experiment.source.train->dimension() != experiment.target.train->dimension()) return {};
  return from.size() > to.size() ? from : to;
}

}  // namespace

TrainingWriter::TrainingWriter(RunDirectory run, const Measure& source, std::uint64_t seed)
    : run_(std::move(run)), source_(source), seed_(seed) {}

void TrainingWriter::on_start(const Training& training) {
  const KeptMetrics kept = training.state.best_step < 0
                               ? KeptMetrics()
                               : kept_metrics(run_.metrics(), training.state.step);
  write_text(run_.metrics(), kept.text);
  written_step_ = kept.last_step;
  std::error_code failure;
  std::filesystem::create_directories(run_.events(), failure);
  if (failure) fail(run_.events().string(), "a folder that can be created", failure.message());
  events_.emplace(run_.events());
  last_checkpoint_ = training.state.seconds;
  constexpr std::int64_t shown_images = 8;
  const Solution solution = learned(training.solver, training.problem);
  if (is_image(mapped_shape(*solution.map, source_.shape())))
    shown_ = sample_images(source_, shown_images, seed_);
}

Next TrainingWriter::on_step(const Training& training, const StepReport& report) {
  latest_ = report;
  const std::int64_t every = training.options.image_every;
  if (every > 0 && training.state.step % every == 0) write_images(training);
  return Next::go_on;
}

void TrainingWriter::on_evaluation(const Training& training, const Quality& quality,
                                   bool /*improved*/) {
  write_metrics(training, quality);
  if (training.options.image_every == 0) write_images(training);
  const bool due = training.state.seconds - last_checkpoint_ >= training.options.checkpoint_seconds;
  if (due || training.state.step == 0) write_checkpoint(training);
}

void TrainingWriter::on_end(const Training& training, const TrainSummary&) {
  events_->flush();
  write_checkpoint(training);
}

void TrainingWriter::write_metrics(const Training& training, const Quality& quality) {
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
    if (value.is_number() && name != "step") events_->scalar(name, state.step, value.get<double>());
  events_->flush();
}

/// What the map makes of a few held-out points by now, of runs on images.
void TrainingWriter::write_images(const Training& training) {
  if (!shown_.defined()) return;
  const Solution solution = learned(training.solver, training.problem);
  for (const SampleGrid& grid : sample_grids(*solution.map, shown_, source_.shape()))
    events_->image(
        grid.tag, training.state.step,
        {grid.image.size(1), grid.image.size(2), grid.image.size(0), image::png_of(grid.image)});
  events_->flush();
}

void TrainingWriter::write_checkpoint(const Training& training) {
  write_safetensors(run_.checkpoint(), {training.checkpoint(),
                                        {{"format", checkpoint_format},
                                         {"version", checkpoint_version},
                                         {"solver", training.solver.name()}}});
  last_checkpoint_ = training.state.seconds;
}

RunWriter::RunWriter(const RunDirectory& run, const Experiment& experiment)
    : TrainingWriter(run, *experiment.source.held_out, experiment.config.seed),
      config_(experiment.config),
      shape_(common_shape(experiment)) {}

void RunWriter::on_start(const Training& training) {
  write_text(run().config(), config_text(config_));  // by now a checkpoint has proved sound
  TrainingWriter::on_start(training);
}

void RunWriter::on_evaluation(const Training& training, const Quality& quality, bool improved) {
  if (improved) write_map(training, training.state.step, quality);
  TrainingWriter::on_evaluation(training, quality, improved);
}

void RunWriter::on_end(const Training& training, const TrainSummary& summary) {
  // The map first: a run killed in between then ends again, from the checkpoint before.
  if (summary.reason != StopReason::interrupted)
    write_map(training, summary.kept_step, summary.quality);
  TrainingWriter::on_end(training, summary);
}

void RunWriter::write_map(const Training& training, std::int64_t step, const Quality& quality) {
  std::map<std::string, std::string> notes{{"solver", training.solver.name()},
                                           {"step", std::to_string(step)},
                                           {"seed", std::to_string(config_.seed)},
                                           {"quality", fmt::format("{:.6g}", quality.value)}};
  notes["cost"] = config_.part("cost", "quadratic");
  if (shape_.size() > 1) notes["shape"] = fmt::format("{}", fmt::join(shape_, "x"));
  if (config_.part("source", "") == crops_declaration().info().name) {
    notes["source"] = crops_declaration().info().name;
    const CropOptions crops = crops_declaration().read(config_.options("source"), "source");
    if (crops.downscale > 1) notes["downscale"] = std::to_string(crops.downscale);
    if (crops.grey) notes["grey"] = "true";
  }
  if (config_.part("source", "") == "pixels")
    notes["space"] = pixels_declaration().read(config_.options("source"), "source").space;
  save_map(run().map(), learned(training.solver, training.problem), notes);
}

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

}  // namespace monge
