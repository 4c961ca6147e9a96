// Trains a config and keeps what its map does to given points at every evaluation.
//
//   monge_bench_plan_trace CONFIG POINTS DRAWS FOLDER [SECTION.KEY=VALUE ...]
//
// writes T(x, z) of every x of POINTS [n, d] with DRAWS noises each to FOLDER/STEP.npy, [n DRAWS,
// d], and prints one line of JSON: the training loop's seconds, and step, seconds and rollbacks of
// every evaluation. Noises are drawn once, so that plans of two steps can be compared.
#include "monge/arrays.h"
#include "monge/config.h"
#include "monge/experiment.h"

#include "timing.h"

namespace {

using bench::Json;

class KeepsPlans final : public monge::Callback {
 public:
  KeepsPlans(const std::string& points, std::int64_t draws, std::filesystem::path folder)
      : points_(monge::read_array(points).repeat_interleave(draws, 0)), folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }

  void on_evaluation(const monge::Training& training, const monge::Quality& quality,
                     bool /*improved*/) override {
    const monge::TrainState& at = training.state;
    const auto map = monge::learned(training.solver, training.problem).map;
    keep(fmt::format("{}", at.step), *map);
    evaluations.push_back({{"step", at.step},
                           {"seconds", at.seconds},
                           {"rollbacks", at.rollbacks},
                           {"quality", quality.value}});
  }

  void keep(const std::string& name, const monge::TransportMap& map) const {
    const auto file =
        monge::create_array(folder_ / (name + ".npy"), map.dimension(), monge::Existing::replace);
    file->append(map.transport(points_));
    file->close();
  }

  Json evaluations = Json::array();

 private:
  monge::Tensor points_;
  std::filesystem::path folder_;
};

int run(const std::vector<std::string>& arguments) {
  monge::Config config = monge::read_config(arguments.at(0));
  for (std::size_t i = 4; i < arguments.size(); ++i) monge::apply_setting(config, arguments[i]);
  monge::Experiment experiment = monge::build_experiment(config);
  KeepsPlans plans(arguments.at(1), std::stoll(arguments.at(2)), arguments.at(3));
  monge::Random random(experiment.config.seed, "start");
  experiment.solver->start(experiment.problem, random);
  monge::Callback* const callbacks[] = {&plans};
  const monge::TrainSummary summary = monge::train(
      *experiment.solver, experiment.problem, experiment.train, experiment.evaluator(), callbacks);
  plans.keep("kept", *monge::learned(*experiment.solver, experiment.problem).map);
  std::cout << Json{{"steps", summary.steps},
                    {"seconds", summary.seconds},
                    {"message", summary.message},
                    {"evaluations", plans.evaluations}}
                   .dump()
            << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_plan_trace", count, arguments, run);
}
