#include "show.h"

#include "monge/log.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace monge::cli {

void ShowProgress::on_start(const Training& training) {
  line_.emplace(training.solver.name(), training.options.max_steps);
}

Next ShowProgress::on_step(const Training& training, const StepReport&) {
  const auto step = training.state.step;
  if (training.options.max_seconds > 0 && training.progress > 0.01)
    line_->expect(std::llround(static_cast<double>(step) / training.progress));
  line_->update(step);
  return Next::go_on;
}

void ShowProgress::on_evaluation(const Training& training, const Quality& quality, bool) {
  line_->quality(quality.figures.front().first, quality.value, training.state.best_quality);
}

void ShowProgress::on_rollback(const Training&, const std::string& why) { log::warning(why); }

void ShowProgress::on_end(const Training&, const TrainSummary&) { line_.reset(); }

void print_figures(const std::vector<EvaluatedFigure>& figures) {
  int width = 0;
  for (const EvaluatedFigure& figure : figures)
    width = std::max(width, static_cast<int>(figure.name.size()));
  for (const EvaluatedFigure& figure : figures)
    std::printf("%-*s  %10.4g  %s\n", width, figure.name.c_str(), figure.value,
                figure.meaning.c_str());
}

void print_evaluation(const Evaluation& evaluation) {
  print_figures(evaluation.figures);
  std::printf("plan check: %s: %s\n", verdict_text(evaluation.plan.verdict).c_str(),
              evaluation.plan.reason.c_str());
  for (const std::string& warning : evaluation.warnings)
    std::printf("warning: %s\n", warning.c_str());
}

}  // namespace monge::cli
