// The training loop alone, as a C++ program runs it: no files, no callbacks.
//
//   monge_bench_train CONFIG
//
// trains the config and prints the loop's seconds and steps as JSON.
#include "monge/config.h"
#include "monge/experiment.h"

#include "timing.h"

namespace {

int run(const std::vector<std::string>& arguments) {
  monge::Experiment experiment = monge::build_experiment(monge::read_config(arguments.at(0)));
  monge::Random random(experiment.config.seed, "start");
  experiment.solver->start(experiment.problem, random);
  const monge::TrainSummary summary = monge::train(*experiment.solver, experiment.problem,
                                                   experiment.train, experiment.evaluator());
  std::cout << bench::Json{{"seconds", summary.seconds}, {"steps", summary.steps}}.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_train", count, arguments, run);
}
