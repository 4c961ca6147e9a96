// The training loop alone, as a C++ program runs it: no files, no callbacks.
//
//   monge_bench_train CONFIG
//
// trains the config and prints its steps, and the processor seconds from its two measures to the
// end of the loop, as JSON.
#include "monge/config.h"
#include "monge/experiment.h"

#include "timing.h"

#include <ctime>

namespace {

int run(const std::vector<std::string>& arguments) {
  const monge::Config config = monge::read_config(arguments.at(0));
  const auto [source, target] = monge::build_measures(config);
  const std::clock_t begin = std::clock();
  monge::Experiment experiment = monge::build_experiment(config, source, target);
  monge::Random random(experiment.config.seed, "start");
  experiment.solver->start(experiment.problem, random);
  const monge::TrainSummary summary = monge::train(*experiment.solver, experiment.problem,
                                                   experiment.train, experiment.evaluator());
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  std::cout << bench::Json{{"seconds", seconds}, {"steps", summary.steps}}.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_train", count, arguments, run);
}
