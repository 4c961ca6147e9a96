#include "checkpoints.h"

#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace monge::python {
namespace {

constexpr const char* format = "monge-training";

std::string text_of(const Measure& measure) {
  const std::string shape = fmt::format("[{}]", fmt::join(measure.shape(), ", "));
  const auto* points = dynamic_cast<const ArrayMeasure*>(&measure);
  if (!points) return fmt::format("points {}", shape);
  return fmt::format("{} points {} of mean square {:.7g}", points->size(), shape,
                     points->rows().square().mean(at::kDouble).item<double>());
}

}  // namespace

std::optional<State> CheckpointFile::read() const {
  if (!std::filesystem::exists(path_)) return std::nullopt;
  TensorFile file = read_safetensors(path_);
  const std::string where = path_.string();
  const auto kind = file.metadata.find("format");
  if (kind == file.metadata.end() || kind->second != format)
    fail(where, "a checkpoint of a training in Python", "another safetensors file");
  for (const auto& [name, mine] : identity_) {
    const auto theirs = file.metadata.find(name);
    const std::string had = theirs == file.metadata.end() ? "none" : theirs->second;
    if (had != mine)
      fail(where, fmt::format("the training that it is of, with {} = {}", name, had), mine);
  }
  return std::move(file.tensors);
}

void CheckpointFile::on_evaluation(const Training& training, const Quality&, bool) {
  const bool due = training.state.seconds - written_at_ >= training.options.checkpoint_seconds;
  if (due || training.state.step == 0) write(training);
}

void CheckpointFile::write(const Training& training) {
  TensorFile file{training.checkpoint(), identity_};
  file.metadata["format"] = format;
  write_safetensors(path_, file);
  written_at_ = training.state.seconds;
}

CheckpointFile::Identity identity_of(const Config& config, const Split& source, const Split& target,
                                     std::span<const std::string> sections) {
  CheckpointFile::Identity identity{{"seed", std::to_string(config.seed)},
                                    {"source", text_of(*source.train)},
                                    {"target", text_of(*target.train)}};
  for (const auto& [section, table] : config.sections) {
    const bool asked = sections.empty() || std::ranges::find(sections, section) != sections.end();
    if (!asked || section == "train") continue;
    for (const auto& [name, value] : table)
      identity[fmt::format("{}.{}", section, name)] = value_text(value);
  }
  return identity;
}

void require_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) fail(folder.string(), "a folder that can be created", failure.message());
}

}  // namespace monge::python
