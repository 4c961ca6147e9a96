#pragma once

#include "monge/experiment.h"
#include "monge/progress.h"
#include "monge/run.h"
#include "monge/trainer.h"

#include <optional>
#include <string>
#include <vector>

namespace monge::cli {

/// Shows a progress line in terminals, and says in a log line when training was rolled back.
class ShowProgress final : public Callback {
 public:
  void on_start(const Training& training) override;
  Next on_step(const Training& training, const StepReport& report) override;
  void on_evaluation(const Training& training, const Quality& quality, bool improved) override;
  void on_rollback(const Training& training, const std::string& why) override;
  void on_end(const Training& training, const TrainSummary& summary) override;

 private:
  std::optional<ProgressLine> line_;
};

/// Prints name, value and meaning of each figure, aligned.
void print_figures(const std::vector<EvaluatedFigure>& figures);

/// The figures and, on a line each, the plan check's verdict and the warnings.
void print_evaluation(const Evaluation& evaluation);

}  // namespace monge::cli
