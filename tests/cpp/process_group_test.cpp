#include "monge/process_group.h"

#include "monge/experiment.h"

#include "error_text.h"
#include "solvers/exchange.h"
#include "temporary_folder.h"
#include "thread_group.h"

#include <fstream>
#include <mutex>

namespace monge {
namespace {

TEST(ProcessGroup, SharesTheRowsOfABatch) {
  for (const std::int64_t size : {1, 3, 4})
    for (const std::int64_t n : {4, 7, 64}) {
      std::int64_t next = 0;
      Meeting meeting(size);
      for (std::int64_t rank = 0; rank < size; ++rank) {
        const Rows own = ThreadGroup(meeting, rank).rows_of(n);
        EXPECT_EQ(own.begin, next);
        EXPECT_GE(own.count, n / size);
        EXPECT_LE(own.count, n / size + 1);
        next += own.count;
      }
      EXPECT_EQ(next, n);
    }
  Meeting meeting(4);
  EXPECT_EQ(error_text([&] { ThreadGroup(meeting, 0).rows_of(3); }),
            "batch: expected at least 4 points, one for each process, got 3");
}

TEST(ProcessGroup, TheFirstProcessTellsTheOthers) {
  run_together(3, [](const auto& group) {
    const auto rank = static_cast<double>(group->rank());
    double one = 1 + rank, two = 10 + rank;
    broadcast(*group, {&one, &two});
    EXPECT_EQ(one, 1);
    EXPECT_EQ(two, 10);
    EXPECT_EQ(broadcast(*group, group->leads() ? std::string("a \0 text", 8) : std::string()),
              std::string("a \0 text", 8));
    State state;
    if (group->leads())
      state = {{"noise step", at::scalar_tensor(7, at::kLong)},
               {"empty", at::empty({0, 3})},
               {"bytes", at::arange(5, at::kByte)},
               {"wide", at::ones({2, 3}, at::kDouble) / 3}};
    const State received = broadcast(*group, state);
    ASSERT_EQ(received.size(), 4u);
    EXPECT_EQ(received.at("noise step").item<std::int64_t>(), 7);
    EXPECT_EQ(received.at("empty").sizes(), (at::IntArrayRef{0, 3}));
    EXPECT_TRUE(at::equal(received.at("bytes"), at::arange(5, at::kByte)));
    EXPECT_TRUE(at::equal(received.at("wide"), at::ones({2, 3}, at::kDouble) / 3));
    EXPECT_TRUE(is_same(*group, received));
    EXPECT_FALSE(is_same(*group, {{"rank", at::scalar_tensor(rank)}}));
  });
}

TEST(Exchange, MeansAndRowsBecomeThoseOfTheBatch) {
  const Tensor whole = at::arange(35, at::kFloat).view({7, 5});
  run_together(3, [&](const auto& group) {
    const Rows own = group->rows_of(7);
    const Tensor mine = rows_in(whole, own);
    const std::vector<Tensor> means{mine.mean(0), mine.square().mean(0).view({5, 1})};
    double number = mine.mean().template item<double>();
    Tensor gathered = mine.clone();
    Tensor filled = at::full({7}, -1.0f);
    rows_in(filled, own).copy_(mine.select(1, 2));
    Exchange(*group, 7).means(means).means({&number}).gather(gathered).rows(filled).run();
    EXPECT_TRUE(at::allclose(means[0], whole.mean(0)));
    EXPECT_TRUE(at::allclose(means[1].view({5}), whole.square().mean(0)));
    EXPECT_NEAR(number, 17, 1e-5);
    EXPECT_TRUE(at::equal(gathered, whole));
    EXPECT_TRUE(at::equal(filled, whole.select(1, 2)));
  });
}

/// Losses, gradients and parameters of every step, and what came of them.
struct Curve {
  std::vector<double> losses, norms;
  std::vector<std::size_t> states;  // hashes of all bytes
  Tensor mapped;                    // of fixed points
  State state;
  std::int64_t exchanged = 0;
};

std::size_t hash_of(const State& state) {
  std::string all;
  for (const auto& [name, tensor] : state) {
    const Tensor whole = tensor.detach().contiguous();
    all += name;
    all.append(static_cast<const char*>(whole.const_data_ptr()), whole.nbytes());
  }
  return std::hash<std::string>()(all);
}

class Recorder final : public Callback {
 public:
  Recorder(const Solver& solver, Curve& curve) : solver_(solver), curve_(curve) {}
  Next on_step(const Training&, const StepReport& report) override {
    curve_.losses.push_back(report.loss);
    curve_.norms.push_back(report.gradient_norm);
    curve_.states.push_back(hash_of(solver_.state()));
    return Next::go_on;
  }

 private:
  const Solver& solver_;
  Curve& curve_;
};

Curve fit(const Config& config, const std::shared_ptr<ProcessGroup>& group) {
  Curve curve;
  Experiment experiment = build_experiment(config, group);
  Random random(0, "start");
  if (group->leads()) experiment.solver->start(experiment.problem, random);
  Recorder recorder(*experiment.solver, curve);
  Callback* const callbacks[] = {&recorder};
  train(*experiment.solver, experiment.problem, experiment.train,
        group->leads() ? experiment.evaluator() : Evaluator(), callbacks);
  Random points(1, "points");
  const Tensor x = points.normal({50, experiment.source.train->dimension()});
  curve.mapped = learned(*experiment.solver, experiment.problem).map->transport(x);
  for (const auto& [name, tensor] : experiment.solver->state())
    curve.state[name] = tensor.detach().clone();
  return curve;
}

std::vector<Curve> fit_together(const Config& config, std::int64_t size) {
  std::vector<Curve> curves(static_cast<std::size_t>(size));
  run_together(size, [&](const auto& group) {
    curves[group->rank()] = fit(config, group);
    curves[group->rank()].exchanged = group->exchanged;
  });
  return curves;
}

constexpr const char* gaussians = R"(
[source]
name = "gaussian"
dimension = 2
[target]
name = "random_gaussian"
)";
constexpr const char* few_steps = R"(
[train]
max_steps = 10
warmup_steps = 2
evaluate_every = 4
[evaluate]
points = 50
)";

/// Parts of a config: how a solver learns, and whether from files.
struct Case {
  std::string name;
  const char* text;
  bool files = false;
};

const std::vector<Case> cases{
    {"dual, calibrated and amortised",
     "[solver]\nname = \"dual\"\nbatch = 50\nbatches = \"calibrated\"\n[network]\nhidden = [8, 8]"},
    {"dual, guesses by the objective",
     "[solver]\nname = \"dual\"\nbatch = 30\nbatches = \"independent\"\namortise = "
     "\"objective\"\n[network]\nhidden = [8, 8]"},
    {"dual, coupled and a table",
     "[solver]\nname = \"dual\"\nbatch = 50\nbatches = \"coupled\"\n[network]\nhidden = [8, 8]",
     true},
    {"dual, the mean of two",
     "[solver]\nname = \"dual\"\nbatch = 50\nmembers = 2\n[network]\nhidden = [8, 8]", true},
    {"w2gn",
     "[solver]\nname = \"w2gn\"\nbatch = 30\nsource_cycle_weight = 0.5\nweight_l1 = "
     "0.001\nclip = 1\n[network]\nhidden = [8, 8]"},
    {"weak saddle point",
     "[solver]\nname = \"saddle_point\"\nbatch = 30\nnoise_dimension = 2\n"
     "[network]\nname = \"mlp\"\nhidden = [8, 8]\n[cost]\nname = "
     "\"weak_quadratic\"\n"},
    {"noised saddle point",
     "[solver]\nname = \"saddle_point\"\nbatch = 30\n[network]\nname = \"noised_mlp\"\n"
     "hidden = [8, 8]\nunit = \"target\"\n"},
    {"convex saddle point",
     "[solver]\nname = \"saddle_point\"\nbatch = 30\nconvexity = \"penalty\"\n[network]\n"
     "name = \"dense_icnn\"\nhidden = [8, 8]"},
    {"expectiles both ways",
     "[solver]\nname = \"saddle_point\"\nbatch = 30\nmap = \"gradient\"\nbidirectional = true\n"
     "expectile_weight = 1\n[network]\nname = \"mlp\"\nhidden = [8, 8]"},
    {"regularised dual",
     "[solver]\nname = \"regularized_dual\"\nbatch = 30\npotential_steps = 2\n[network]\n"
     "hidden = [8, 8]",
     true},
    {"w1",
     "[solver]\nname = \"adversarial\"\nbatch = 30\ndivergence = \"w1\"\n[network]\n"
     "hidden = [8, 8]"},
    {"w2", "[solver]\nname = \"adversarial\"\nbatch = 30\n[network]\nhidden = [8, 8]"},
    {"light bridge", "[solver]\nname = \"light_sb\"\nbatch = 50\ncomponents = 4", true},
    {"codes of an autoencoder",
     "[latent]\nkind = \"vae\"\ndimension = 1\nhidden = [8]\nbatch = 40\nsteps = 20\n"
     "[solver]\nname = \"dual\"\nbatch = 30\n[network]\nhidden = [8, 8]"},
    {"smoothed source",
     "[smoothing]\nkind = \"gaussian\"\nlevel = 0.1\nstart_level = 0.5\n[solver]\nname = "
     "\"dual\"\nbatch = 30\n[network]\nhidden = [8, 8]"},
};

const Case& case_of(std::string_view name) { return *std::ranges::find(cases, name, &Case::name); }

class Parallel : public ::testing::Test {
 protected:
  void SetUp() override {
    Random random(3, "files");
    for (const char* name : {"source.csv", "target.csv"}) {
      std::ofstream file(folder.path() / name);
      const Tensor points = random.normal({120, 2});
      for (std::int64_t i = 0; i < 120; ++i)
        file << points[i][0].item<float>() << "," << 2 * points[i][1].item<float>() + 1 << "\n";
    }
  }
  Config config(const Case& one) const {
    const std::string measures =
        one.files ? "[source]\nfile = \"source.csv\"\n[target]\nfile = \"target.csv\"\n"
                  : gaussians;
    return parse_config(measures + one.text + "\n" + few_steps, one.name, folder.path());
  }
  TemporaryFolder folder;
};

TEST_F(Parallel, EverySolverLearnsAsOneProcessWithTheWholeBatch) {
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const Curve whole = fit(config(one), std::make_shared<ProcessGroup>());
    ASSERT_EQ(whole.losses.size(), 10u);
    EXPECT_GT(std::abs(whole.losses.front() - whole.losses.back()),
              1e-3 * std::abs(whole.losses.front()));
    for (const std::int64_t size : {2, 4}) {
      const std::vector<Curve> curves = fit_together(config(one), size);
      for (std::size_t step = 0; step < whole.losses.size(); ++step) {
        const double scale = 1 + std::abs(whole.losses[step]);
        EXPECT_NEAR(curves[0].losses[step], whole.losses[step], 1e-3 * scale) << step;
        EXPECT_NEAR(curves[0].norms[step], whole.norms[step], 1e-2 * whole.norms[step]) << step;
      }
      EXPECT_LT((curves[0].mapped - whole.mapped).abs().max().item<double>(), 2e-3) << size;
      for (const Curve& curve : curves) {
        EXPECT_EQ(curve.losses, curves[0].losses);
        EXPECT_EQ(curve.states, curves[0].states) << "before anything aligns them";
        for (const auto& [name, tensor] : curves[0].state)
          EXPECT_TRUE(at::equal(curve.state.at(name), tensor)) << name;
      }
    }
  }
}

TEST_F(Parallel, OtherPointsInAProcessAreRefusedInAll) {
  Case one = case_of("dual, coupled and a table");
  std::mutex mutex;
  std::vector<std::string> errors;
  run_together(3, [&](const auto& group) {
    Config mine = config(one);
    if (group->rank() == 2)
      mine.sections["target"]["file"] = (folder.path() / "source.csv").string();
    const std::string error = error_text([&] { build_experiment(mine, group); });
    const std::scoped_lock lock(mutex);
    errors.push_back(error);
  });
  for (const std::string& error : errors)
    EXPECT_EQ(error, "target: expected the same points in every process, got others in process 2");
}

TEST_F(Parallel, MoreProcessesThanPointsAreRefused) {
  run_together(2, [&](const auto& group) {
    Config small = config(case_of("w2gn"));
    small.sections["solver"]["batch"] = std::int64_t{1};
    EXPECT_EQ(error_text([&] { fit(small, group); }),
              "batch: expected at least 2 points, one for each process, got 1");
  });
}

TEST_F(Parallel, OneBufferOfTheGradientIsExchangedInAStep) {
  Config config = this->config(case_of("w2gn"));
  const auto exchanged = [&](std::int64_t steps) {
    config.sections["train"]["max_steps"] = steps;
    config.sections["train"]["evaluate_every"] = std::int64_t{100};
    return fit_together(config, 2)[0].exchanged;
  };
  const Experiment experiment = build_experiment(config);
  std::int64_t parameters = 0;
  for (const auto& [name, tensor] : experiment.solver->state())
    if (name.starts_with("adam.first")) parameters += tensor.numel();
  constexpr std::int64_t terms = 3, decisions = 2;
  EXPECT_EQ(exchanged(9) - exchanged(8), parameters + terms + decisions);
}

TEST_F(Parallel, AllStopWhereOneIsAskedTo) {
  class Stop final : public Callback {
   public:
    explicit Stop(std::int64_t at) : at_(at) {}
    Next on_step(const Training& training, const StepReport&) override {
      return training.state.step == at_ ? Next::stop : Next::go_on;
    }

   private:
    std::int64_t at_;
  };
  run_together(2, [&](const auto& group) {
    Experiment experiment = build_experiment(config(case_of("w2gn")), group);
    Stop stop(group->rank() == 1 ? 6 : -1);
    Callback* const callbacks[] = {&stop};
    const TrainSummary summary = train(
        *experiment.solver, experiment.problem, experiment.train,
        [](const Solution&) { return Quality{.value = 1}; }, callbacks);
    EXPECT_EQ(summary.reason, StopReason::interrupted);
    EXPECT_EQ(summary.steps, 6);
  });
}

TEST_F(Parallel, TheClockIsThatOfTheFirstProcess) {
  run_together(2, [&](const auto& group) {
    Experiment experiment = build_experiment(config(case_of("w2gn")), group);
    experiment.train.max_steps = 0;
    experiment.train.max_seconds = 0.05;
    experiment.train.evaluate_every = 0;
    const TrainSummary summary = train(*experiment.solver, experiment.problem, experiment.train,
                                       [](const Solution&) { return Quality{.value = 1}; });
    Tensor steps = at::scalar_tensor(summary.steps, at::kLong);
    const Tensor mine = steps.clone();
    group->broadcast(steps);
    EXPECT_TRUE(at::equal(steps, mine));
    EXPECT_GT(summary.steps, 0);
  });
}

}  // namespace
}  // namespace monge
