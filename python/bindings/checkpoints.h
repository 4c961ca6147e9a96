#pragma once

#include "monge/experiment.h"
#include "monge/trainer.h"

#include "bindings.h"

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace monge::python {

/// The file by which a training goes on that ended early. As a callback it writes the file at the
/// first evaluation, then at those that come `checkpoint_seconds` after the last, and at the end.
class CheckpointFile final : public Callback {
 public:
  /// What a training has to have in common with the one that goes on, by name.
  using Identity = std::map<std::string, std::string>;

  CheckpointFile(std::filesystem::path path, Identity identity)
      : path_(std::move(path)), identity_(std::move(identity)) {}

  /// What to go on from; nullopt where there is no file. Throws Error on one of another training,
  /// naming what differs.
  std::optional<State> read() const;

  void on_start(const Training& training) override { written_at_ = training.state.seconds; }
  void on_evaluation(const Training& training, const Quality& quality, bool improved) override;
  void on_end(const Training& training, const TrainSummary&) override { write(training); }

 private:
  void write(const Training& training);

  std::filesystem::path path_;
  Identity identity_;
  double written_at_ = 0;
};

/// That of a config's options but for the section [train], which a training that goes on may
/// change, and of the points: the options of some sections only where they are named.
CheckpointFile::Identity identity_of(const Config& config, const Split& source, const Split& target,
                                     std::span<const std::string> sections = {});

/// Makes the folder where it is missing. Throws Error where it cannot be made.
void require_folder(const std::filesystem::path& folder);

}  // namespace monge::python
