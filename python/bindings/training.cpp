#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/latent_stage.h"
#include "monge/map_file.h"
#include "monge/networks/autoencoder.h"
#include "monge/registry.h"
#include "monge/run.h"

#include "checkpoints.h"
#include "networks.h"

#include <chrono>
#include <limits>

namespace monge::python {
namespace {

/// What a callback sees after a step.
struct Step {
  std::int64_t step, max_steps;
  double progress, seconds, loss, gradient_norm;
  std::map<std::string, double> terms;
};

/// What a callback sees after an evaluation.
struct Evaluation {
  std::int64_t step;
  double seconds, loss, rate, quality, best_quality;
  std::map<std::string, double> figures;
  bool improved;
  Solution solution;
};

/// Passes what happens on to a Python object with the methods on_step, on_evaluation and
/// on_rollback; a true answer ends training. Takes the interpreter's lock ten times a second, or at
/// every step where the object's `every_step` is true, and looks for Ctrl-C then.
class Watch final : public Callback {
 public:
  explicit Watch(const py::object& watcher)
      : watcher_(watcher), every_step_(watcher.attr("every_step").cast<bool>()) {}

  void on_start(const Training& training) override {
    if (training.state.best_step >= 0) keep_best(training.state);  // of a training that goes on
  }

  Next on_step(const Training& training, const StepReport& report) override {
    steps = training.state.step;
    seconds = training.state.seconds;
    const auto now = std::chrono::steady_clock::now();
    if (!every_step_ && !stop_ && now < next_) return Next::go_on;
    next_ = now + std::chrono::milliseconds(100);
    Step step{steps,
              training.options.max_steps,
              training.progress,
              seconds,
              report.loss,
              report.gradient_norm,
              {}};
    for (const auto& [name, value] : report.terms) step.terms.emplace(name, value);
    ask("on_step", std::move(step));
    return stop_ ? Next::stop : Next::go_on;
  }

  void on_evaluation(const Training& training, const Quality& quality, bool improved) override {
    const TrainState& state = training.state;
    if (improved) keep_best(state);
    ask("on_evaluation", Evaluation{state.step,
                                    state.seconds,
                                    state.smoothed_loss,
                                    training.rate,
                                    quality.value,
                                    state.best_quality,
                                    {quality.figures.begin(), quality.figures.end()},
                                    improved,
                                    learned(training.solver, training.problem)});
  }

  void on_rollback(const Training&, const std::string& why) override { ask("on_rollback", why); }

  bool interrupted = false;
  std::int64_t steps = 0, best_step = 0;
  double seconds = 0, best_quality = 0;
  State best;  ///< the solver's best state so far; empty before the first evaluation

 private:
  void keep_best(const TrainState& state) {
    best = state.best;
    best_step = state.best_step;
    best_quality = state.best_quality;
  }

  template <class Seen>
  void ask(const char* method, Seen seen) {
    const py::gil_scoped_acquire lock;
    try {
      if (py::bool_(watcher_.attr(method)(std::move(seen)))) stop_ = true;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    } catch (const py::error_already_set& error) {
      if (!error.matches(PyExc_KeyboardInterrupt)) throw;
      stop_ = interrupted = true;
    }
  }

  const py::object& watcher_;
  bool every_step_, stop_ = false;
  std::chrono::steady_clock::time_point next_;
};

/// The fields of Outcome in _watch.py.
py::dict outcome_of(const TrainSummary& summary, const Watch& watch) {
  const char* const reasons[] = {"budget", watch.interrupted ? "interrupted" : "stopped",
                                 "diverged"};
  using namespace py::literals;
  return py::dict("reason"_a = reasons[static_cast<int>(summary.reason)],
                  "message"_a = summary.message, "steps"_a = summary.steps,
                  "kept_step"_a = summary.kept_step, "seconds"_a = summary.seconds,
                  "quality"_a = summary.quality.value);
}

/// The watcher and, where a training can go on, the file for that, which is written first.
std::vector<Callback*> callbacks_of(Watch& watch, std::optional<CheckpointFile>& file) {
  if (!file) return {&watch};
  return {&*file, &watch};
}

/// Trains without the interpreter's lock; Ctrl-C in a measure's own Python code ends it at once.
TrainSummary train_interruptibly(Experiment& experiment, Watch& watch,
                                 std::optional<CheckpointFile>& file) {
  try {
    const py::gil_scoped_release unlocked;
    const std::optional<State> resumed = file ? file->read() : std::nullopt;
    Random random(experiment.config.seed, "start");
    if (!resumed) experiment.solver->start(experiment.problem, random);
    return train(*experiment.solver, experiment.problem, experiment.train, experiment.evaluator(),
                 callbacks_of(watch, file), resumed ? &*resumed : nullptr);
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_KeyboardInterrupt) || watch.best.empty()) throw;
    watch.interrupted = true;
    return {.reason = StopReason::interrupted,
            .steps = watch.steps,
            .seconds = watch.seconds,
            .quality = {.value = std::numeric_limits<double>::infinity()},
            .message = fmt::format("interrupted at step {}", watch.steps)};
  }
}

using Folder = std::optional<std::filesystem::path>;

/// Trains; what ends early keeps the best solution.
py::dict train_watched(Experiment& experiment, const py::object& watcher, const Folder& folder) {
  Watch watch(watcher);
  std::optional<CheckpointFile> file;
  if (folder) {
    require_folder(*folder);
    file.emplace(RunDirectory{*folder}.checkpoint(),
                 identity_of(experiment.config, experiment.source, experiment.target));
  }
  TrainSummary summary = train_interruptibly(experiment, watch, file);
  if (summary.reason == StopReason::interrupted && !watch.best.empty() &&
      watch.best_quality < summary.quality.value) {
    experiment.solver->restore(watch.best);
    summary.kept_step = watch.best_step;
    summary.quality.value = watch.best_quality;
  }
  return outcome_of(summary, watch);
}

/// The training of an autoencoder before an experiment's own.
struct AutoencoderTraining {
  LatentStage& stage;
  const Config& config;
  const Folder& folder;

  py::dict train(const py::object& watcher) const {
    Watch watch(watcher);
    const py::gil_scoped_release unlocked;
    const TrainSummary summary = folder ? train_into(watch, {*folder}) : train_with(watch);
    const py::gil_scoped_acquire lock;
    return outcome_of(summary, watch);
  }

 private:
  TrainSummary train_with(Watch& watch, std::optional<CheckpointFile> file = {}) const {
    const std::optional<State> resumed = file ? file->read() : std::nullopt;
    try {
      return train_latent(stage, callbacks_of(watch, file), resumed ? &*resumed : nullptr);
    } catch (const LatentInterrupted& interrupted) {
      return interrupted.summary;
    }
  }

  /// The autoencoder stays in the folder, and its checkpoint until then.
  TrainSummary train_into(Watch& watch, const RunDirectory& run) const {
    const std::string sections[] = {"latent"};
    const RunDirectory training = run.autoencoder_training();
    require_folder(training.folder);
    const TrainSummary summary = train_with(
        watch, CheckpointFile(training.checkpoint(),
                              identity_of(config, stage.source, stage.target, sections)));
    if (summary.reason == StopReason::interrupted) return summary;
    save_autoencoder(run.autoencoder(), stage.autoencoder);
    std::filesystem::remove_all(training.folder);
    return summary;
  }
};

using Sections = std::map<std::string, Table, std::less<>>;

Config config_of(std::uint64_t seed, Sections sections) { return {seed, std::move(sections)}; }

/// Throws Error where a training goes on with another [latent] than its autoencoder was made with.
void require_same_latent(const Table& given, const Table& made, const std::filesystem::path& file) {
  const Table read = latent_declaration().write(latent_declaration().read(given, "latent"));
  for (const auto& [name, value] : given) {
    const Value& mine = read.at(name);
    if (name == "file" || mine == made.at(name) || mine == Value(std::string("auto"))) continue;
    fail(file.string(),
         fmt::format("the training that it is of, with latent.{} = {}", name,
                     value_text(made.at(name))),
         value_text(mine));
  }
}

/// The experiment of Python's measures and networks. `train_autoencoder` is a function of an
/// AutoencoderTraining; an autoencoder that a folder holds already is taken from there.
Experiment make_experiment(std::uint64_t seed, Sections sections,
                           const std::shared_ptr<Measure>& source,
                           const std::shared_ptr<Measure>& target, const py::object& potential,
                           const py::object& map, const py::object& train_autoencoder,
                           const Folder& folder) {
  Config config = config_of(seed, std::move(sections));
  const Split from = hold_out(source, config, "source"), to = hold_out(target, config, "target");
  const Table latent = config.options("latent");
  const auto asked = latent_declaration().read(latent, "latent");
  const std::filesystem::path kept = folder ? RunDirectory{*folder}.autoencoder() : "";
  const bool trained = asked.kind != "none" && asked.file.empty() && std::filesystem::exists(kept);
  if (trained) config.sections["latent"] = {{"file", kept.string()}};
  Experiment experiment = build_experiment(
      config, from, to, {network_of(potential), network_of(map)}, [&](LatentStage& stage) {
        const py::gil_scoped_acquire lock;
        train_autoencoder(AutoencoderTraining{stage, config, folder});
      });
  if (trained) {
    Table& made = experiment.config.sections["latent"];
    made["file"] = std::string();
    require_same_latent(latent, made, kept);
  }
  return experiment;
}

/// Of the codes in which a config's solver works; 0 where that is not in a latent space.
std::int64_t latent_dimension(const Sections& sections) {
  const auto options =
      latent_declaration().read(config_of(0, sections).options("latent"), "latent");
  if (!options.file.empty()) return load_autoencoder(options.file)->latent_dimension();
  return options.kind == "none" ? 0 : options.dimension;
}

using Figures = std::vector<std::tuple<std::string, double, std::string>>;

/// The figures as tuples, and the warnings they give reason to.
std::pair<Figures, std::vector<std::string>> judged(const std::vector<EvaluatedFigure>& figures) {
  Figures tuples;
  for (const auto& [name, value, meaning] : figures) tuples.emplace_back(name, value, meaning);
  return {tuples, warnings_of(figures)};
}

}  // namespace

void bind_training(py::module_& module) {
  py::class_<Step>(module, "Step", "What a callback sees after a step.")
      .def_readonly("step", &Step::step)
      .def_readonly("max_steps", &Step::max_steps, "0 where the clock alone ends the run.")
      .def_readonly("progress", &Step::progress, "Share of the budget that is used, 0 to 1.")
      .def_readonly("seconds", &Step::seconds)
      .def_readonly("loss", &Step::loss)
      .def_readonly("gradient_norm", &Step::gradient_norm)
      .def_readonly("terms", &Step::terms, "The loss's parts by name.");
  py::class_<Evaluation>(module, "Evaluation", "What a callback sees after an evaluation.")
      .def_readonly("step", &Evaluation::step)
      .def_readonly("seconds", &Evaluation::seconds)
      .def_readonly("loss", &Evaluation::loss, "Averaged over about 50 steps.")
      .def_readonly("rate", &Evaluation::rate, "The last step's learning-rate factor.")
      .def_readonly("quality", &Evaluation::quality, "Lower is better.")
      .def_readonly("best_quality", &Evaluation::best_quality)
      .def_readonly("figures", &Evaluation::figures)
      .def_readonly("improved", &Evaluation::improved, "Whether it is the best so far.")
      .def_readonly("solution", &Evaluation::solution,
                    "It goes on changing with the solver; copy.copy() keeps it.");
  py::class_<Split>(module, "Split", "A measure: what is trained on and what is held out.")
      .def_readonly("train", &Split::train)
      .def_readonly("held_out", &Split::held_out);
  py::class_<AutoencoderTraining>(module, "AutoencoderTraining",
                                  "The training of an autoencoder, to be done before it returns.")
      .def_property_readonly(
          "name", [](const AutoencoderTraining& training) { return training.stage.solver->name(); })
      .def("train", &AutoencoderTraining::train, py::arg("watcher"));
  py::class_<Experiment>(module, "Experiment", "Measures, a solver and a budget, ready to train.")
      .def(py::init(&make_experiment), py::arg("seed"), py::arg("sections"), py::arg("source"),
           py::arg("target"), py::arg("potential") = py::none(), py::arg("map") = py::none(),
           py::arg("train_autoencoder") = py::none(), py::arg("folder") = py::none(), Unlocked(),
           "`potential` and `map`: monge._modules.Network in place of the solver's own, or None; "
           "`train_autoencoder`: a function of an AutoencoderTraining, for a latent space; "
           "`folder`: "
           "where the training goes on from, or None.")
      .def("train", &train_watched, py::arg("watcher"), py::arg("folder") = py::none())
      .def_property_readonly(
          "sections", [](const Experiment& experiment) { return experiment.config.sections; },
          "Every option with its value.")
      .def_property_readonly("solution",
                             [](const Experiment& experiment) {
                               return learned(*experiment.solver, experiment.problem);
                             })
      .def_readonly("source", &Experiment::source)
      .def_readonly("target", &Experiment::target);
  module.def("latent_dimension", &latent_dimension, py::arg("sections"), Unlocked(),
             "Numbers of a code in which the solver works; 0 where that is in no latent space.");
  module.def("recipe_for_images", &recipe_for_images, py::arg("source"), py::arg("target"),
             Unlocked(),
             "The recipe that two measures of images take where nothing is named, or ''.");
  module.def(
      "evaluate",
      [](const Solution& solution, const Measure& source, const Measure& target,
         std::int64_t points, std::uint64_t seed, const Sections& sections) {
        return judged(
            evaluate_solution(solution, source, target, points, seed,
                              evaluation_settings(config_of(seed, sections), source, target)));
      },
      py::arg("solution"), py::arg("source"), py::arg("target"), py::arg("points"), py::arg("seed"),
      py::arg("sections"), Unlocked(),
      "Name, value and meaning of every figure, on these measures, and the warnings.");
  module.def(
      "evaluate_splits",
      [](const Solution& solution, const Split& source, const Split& target, std::int64_t points,
         std::uint64_t seed, const Sections& sections) {
        return judged(evaluate_splits(
            solution, source, target, points, seed,
            evaluation_settings(config_of(seed, sections), *source.held_out, *target.held_out)));
      },
      py::arg("solution"), py::arg("source"), py::arg("target"), py::arg("points"), py::arg("seed"),
      py::arg("sections"), Unlocked(),
      "The figures of `monge evaluate`, on what is held out, and the warnings.");
  module.def(
      "judge_plan",
      [](const Solution& solution, const Measure& source, const Measure& target,
         const std::string& cost, std::int64_t points, std::uint64_t seed) {
        const PlanCheck check = judge_plan(solution, source, target, cost, points, seed);
        std::vector<std::pair<std::string, double>> figures;
        for (const PlanFigure& figure : check.figures)
          figures.emplace_back(figure.name, figure.value);
        return std::tuple(verdict_text(check.verdict), check.reason, figures);
      },
      py::arg("solution"), py::arg("source"), py::arg("target"), py::arg("cost"), py::arg("points"),
      py::arg("seed"), Unlocked(), "Verdict, reason and figures of the plan check.");
  module.def(
      "read_run",
      [](const std::filesystem::path& folder) {
        const Config config = read_config(open_run(folder).config());
        return std::pair(config.seed, config.sections);
      },
      py::arg("folder"), "Seed and sections of the config of a run directory.");
  module.def(
      "splits_of_run",
      [](const std::filesystem::path& folder) {
        return build_measures(read_config(open_run(folder).config()));
      },
      py::arg("folder"), Unlocked(), "Source and target of a run directory.");
}

}  // namespace monge::python
