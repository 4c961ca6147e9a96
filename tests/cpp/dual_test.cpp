#include "monge/solvers/dual.h"

#include "monge/error.h"
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/metric.h"

#include "error_text.h"
#include "kernel_fixture.h"
#include "measures/rotation.h"
#include "solvers/centred_update.h"
#include "solvers/dual_step.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

std::shared_ptr<const Measure> gaussian(const Tensor& mean, const Tensor& covariance) {
  return std::make_shared<GaussianMeasure>(
      Moments{mean.to(at::kDouble), covariance.to(at::kDouble)});
}

const DenseIcnnOptions small{.hidden = {32, 32, 16}};

struct Pair {
  std::shared_ptr<const Measure> source, target;
};

/// Gaussians that the identity is far from mapping onto each other.
Pair gaussians(std::int64_t d) {
  Random random(71, "covariance");
  return {gaussian(at::zeros({d}), random_covariance(d, 0.7, 1.3, random)),
          gaussian(at::full({d}, 0.4), random_covariance(d, 0.6, 1.6, random))};
}

/// L2-UVP of map and inverse between two Gaussians, %.
struct Fitted {
  double forward, inverse;
};

Fitted errors(const Solution& solution, const Pair& pair) {
  Random random(72, "points");
  const Moments p = *pair.source->moments(), q = *pair.target->moments();
  const Tensor x = pair.source->sample(2000, random), y = pair.target->sample(2000, random);
  const auto error = [](const TransportMap& map, const Tensor& points, const Moments& from,
                        const Moments& to) {
    return l2_uvp(map.transport(points),
                  AffineTransportMap(bures_wasserstein_map(from, to)).transport(points),
                  to.covariance.trace().item<double>());
  };
  return {error(*solution.map, x, p, q), error(*solution.inverse, y, q, p)};
}

void run(Dual& solver, Problem& problem, std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step) {
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    ASSERT_TRUE(solver.step(problem, 1 - share).finite);
  }
}

Fitted fit(const Pair& pair, const DualOptions& options, std::int64_t steps) {
  Random random(1, "network");
  Dual solver(pair.source->dimension(), options, small, random);
  Problem problem = make_problem(pair.source, pair.target, 3);
  solver.start(problem, random);
  run(solver, problem, steps);
  return errors(solver.solution(), pair);
}

State copied(const State& state) {
  State copy;
  for (const auto& [name, tensor] : state) copy[name] = tensor.detach().clone();
  return copy;
}

TEST(Dual, LearnsAGaussianMapAndItsInverseFromTheIdentity) {
  for (const std::int64_t d : {2, 5}) {
    const Pair pair = gaussians(d);
    DualOptions options{.start = "identity", .batch = 128, .learning_rate = 1e-2, .average = 0.9};
    const Fitted after = fit(pair, options, 300);
    EXPECT_LT(after.forward, 2) << d;
    EXPECT_LT(after.inverse, 2) << d;
    options.learning_rate = 1e-12;
    const Fitted still = fit(pair, options, 20);
    EXPECT_GT(still.forward, 8) << d;
    EXPECT_GT(still.inverse, 8) << d;
  }
}

TEST(Dual, TheAffineStartStaysAtTheAnswer) {
  const Pair pair = gaussians(5);
  const DualOptions options{.batch = 128, .average = 0.9};
  const Fitted start = fit(pair, options, 0);
  EXPECT_LT(start.forward, 10);  // the network, which is near zero and not zero, adds to the map
  EXPECT_LT(start.inverse, 10);
  const Fitted after = fit(pair, options, 100);
  EXPECT_LT(after.forward, 1.5);
  EXPECT_LT(after.inverse, 1.5);
}

TEST(Dual, ALiveNetworkStartsNearTheAnswer) {
  const Pair pair = gaussians(2);
  const Fitted start = fit(pair, {.network_share = 0.9}, 0);
  EXPECT_LT(start.forward, 12);  // the network's bends remain; its scale and mean are right
  EXPECT_LT(start.inverse, 12);
}

/// A Gaussian to a turned cube, in whose map each of 16 unknown directions bends: T is that of each
/// coordinate, sqrt(3) (2 Phi(s) - 1), turned.
TEST(Dual, BendsAlongTheTargetsIndependentComponents) {
  const std::int64_t d = 16;
  Random random(5, "cube");
  const Tensor turned = random_basis(d, d, 5).to(at::kFloat);
  const auto source = gaussian(at::zeros({d}), at::eye(d));
  const auto target = std::make_shared<ArrayMeasure>(
      ((random.uniform({20000, d}) - 0.5) * std::sqrt(12.0)).mm(turned.t()));
  const Tensor x = source->sample(2000, random);
  const Tensor truth = (2 * at::special_ndtr(x.mm(turned)) - 1).mul(std::sqrt(3.0)).mm(turned.t());
  const auto error = [&](const std::string& bends) {
    Random network(1, "network");
    Dual solver(d, {.bends = bends, .learning_rate = 1e-2}, {.hidden = {16, 64}}, network);
    Problem problem = make_problem(source, target, 3);
    solver.start(problem, network);
    run(solver, problem, 60);
    return l2_uvp(solver.solution().map->transport(x), truth, static_cast<double>(d));
  };
  const double along = error("independent");
  EXPECT_LT(along, 1.5);
  EXPECT_GT(error("random"), 2 * along);
}

/// The average of no decay is the parameters themselves, of another a map of its own.
TEST(Dual, TheSolutionIsOfTheAverage) {
  const Pair pair = gaussians(2);
  for (const double average : {0.0, 0.999}) {
    Random random(1, "network");
    Dual solver(2, {.batch = 64, .average = average}, small, random);
    Problem problem = make_problem(pair.source, pair.target, 3);
    solver.start(problem, random);
    run(solver, problem, 20);
    const Solution solution = solver.solution();
    const auto& map = dynamic_cast<const BrenierMap&>(*solution.map);
    const State used = map.potential().parameters(), state = solver.state();
    const char* name = average > 0 ? "average.final" : "psi.final";
    EXPECT_TRUE(at::equal(used.at("final"), state.at(name)));
    EXPECT_EQ(at::equal(state.at("average.final"), state.at("psi.final")), false);
  }
}

double evaluations(const StepReport& report) {
  for (const auto& [name, value] : report.terms)
    if (name == "evaluations") return value;
  return NAN;
}

TEST(Dual, ASearchOfAFiniteTargetBeginsWhereItsLastOneEnded) {
  const Pair pair = gaussians(2);
  Random random(1, "network");
  const Tensor points = pair.target->sample(150, random);
  for (const bool finite : {true, false}) {
    Dual solver(2, {.batch = 50, .learning_rate = 1e-12, .conjugate_evaluations = 100}, small,
                random);
    Problem problem =
        make_problem(pair.source, finite ? std::make_shared<ArrayMeasure>(points) : pair.target, 3);
    solver.start(problem, random);
    for (int step = 0; step < 3; ++step)
      EXPECT_GT(evaluations(solver.step(problem, 1)), 1.5) << finite;
    for (int step = 0; step < 3; ++step) {
      const double again = evaluations(solver.step(problem, 1));
      EXPECT_EQ(again == 1, finite) << again;
    }
  }
}

TEST(Dual, ARestoredSolverGoesOnWithTheSameNumbers) {
  const Pair pair = gaussians(2);
  Random points_random(73, "points");
  const auto points = std::make_shared<ArrayMeasure>(pair.target->sample(300, points_random));
  const auto others = std::make_shared<ArrayMeasure>(pair.source->sample(200, points_random));
  using Measures = std::pair<std::shared_ptr<const Measure>, std::shared_ptr<const Measure>>;
  // The last one draws coupled batches, the others calibrated ones.
  for (const auto& [source, target] :
       {Measures{pair.source, pair.target}, {pair.source, points}, {others, points}}) {
    const auto made = [](std::uint64_t seed) {
      Random random(seed, "network");
      return Dual(2, {.batch = 40}, small, random);
    };
    Dual first = made(1), second = made(2);
    Problem problem = make_problem(source, target, 3);
    Random random(7, "start");
    first.start(problem, random);
    run(first, problem, 45);  // so that the next means of the layers are those of a restored one
    second.restore(copied(first.state()));
    Problem other = make_problem(source, target, 4);
    other.restore(copied(problem.state()));
    for (int step = 0; step < 20; ++step)
      ASSERT_EQ(first.step(problem, 0.7).loss, second.step(other, 0.7).loss) << step;
    for (const auto& [name, tensor] : first.state())
      EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
    const Tensor y = pair.target->sample(100, random);
    EXPECT_TRUE(
        at::equal(first.solution().inverse->transport(y), second.solution().inverse->transport(y)));
  }
}

TEST(Dual, RefusesAStateOfAnotherNetworkOrTarget) {
  const Pair pair = gaussians(2);
  Random random(1, "network");
  const auto points = [&](std::int64_t n) {
    return std::make_shared<ArrayMeasure>(pair.target->sample(n, random));
  };
  const auto started = [&](const DenseIcnnOptions& network, Problem& problem) {
    auto solver = std::make_unique<Dual>(2, DualOptions{.batch = 8}, network, random);
    solver->start(problem, random);
    return solver;
  };
  Problem few = make_problem(pair.source, points(20), 3);
  Problem many = make_problem(pair.source, points(30), 3);
  const auto narrow = started(small, few);
  EXPECT_THROW(narrow->restore(started({.hidden = {64, 32, 16}}, few)->state()), Error);
  const State state = copied(narrow->state());
  for (const char* name :
       {"low", "high", "starts.table", "batches.source.mean", "batches.target.covariance",
        "psi.final", "average.final", "adam.steps", "update.updates", "update.mean.1",
        "frame.scale", "ridge.strength", "ridge.began.final"}) {
    State damaged = state;
    damaged.erase(name);
    expect_message(error_text([&] { narrow->restore(damaged); }),
                   std::string(name).substr(std::string(name).find('.') + 1));
  }
  for (const char* name : {"low", "high", "starts.table", "batches.source.mean",
                           "batches.target.covariance", "update.mean.0"}) {
    State damaged = state;
    damaged[name] = at::zeros({3});
    EXPECT_NE(error_text([&] { narrow->restore(damaged); }), "") << name;
  }
  narrow->restore(state);
  EXPECT_TRUE(narrow->step(few, 1).finite);
  expect_message(error_text([&] { narrow->step(many, 1); }), "20");
}

TEST(Dual, ABrokenBatchLeavesEverythingAsItWas) {
  class Broken final : public FiniteMeasure {
   public:
    std::int64_t dimension() const override { return 2; }
    std::int64_t size() const override { return 64; }
    void gather(std::span<const std::int64_t>, std::span<float> points) const override {
      std::ranges::fill(points, std::numeric_limits<float>::quiet_NaN());
    }
  };
  const Pair pair = gaussians(2);
  Random random(1, "network");
  const auto broken = std::make_shared<Broken>();
  const auto sound = std::make_shared<ArrayMeasure>(pair.target->sample(64, random));
  Dual solver(2, {.start = "identity", .batch = 32}, small, random);
  Problem whole = make_problem(pair.source, sound, 3);
  solver.start(whole, random);
  run(solver, whole, 3);
  const State before = copied(solver.state());
  Problem source = make_problem(broken, sound, 3), target = make_problem(pair.source, broken, 3);
  EXPECT_FALSE(solver.step(source, 1).finite);
  EXPECT_FALSE(solver.step(target, 1).finite);
  for (const auto& [name, tensor] : solver.state()) {
    if (name.starts_with("batches.coupled.")) continue;  // they have been drawn
    EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
  }
  run(solver, whole, 3);
}

TEST(Dual, CoupledBatchesWantTwoFiniteMeasures) {
  const Pair pair = gaussians(2);
  Random random(1, "network");
  Dual solver(2, {.batch = 8, .batches = "coupled"}, small, random);
  Problem problem = make_problem(pair.source, pair.target, 3);
  solver.start(problem, random);
  expect_message(error_text([&] { solver.step(problem, 1); }), "two finite measures");
}

/// Mean gradients of a search in the last of 300 steps on a measure without end.
double evaluations(const std::string& amortise) {
  const Pair pair = gaussians(3);
  Random random(1, "network");
  Dual solver(3, {.start = "identity", .batch = 64, .amortise = amortise}, small, random);
  Problem problem = make_problem(pair.source, pair.target, 3);
  solver.start(problem, random);
  double sum = 0;
  for (int step = 0; step < 300; ++step) {
    const StepReport report = solver.step(problem, 1);
    EXPECT_EQ(report.terms[0].first, "evaluations");
    if (step >= 250) sum += report.terms[0].second;
  }
  return sum / 50;
}

TEST(Dual, ANetworkGuessesWhereSearchesEnd) {
  const double plain = evaluations("none");
  EXPECT_LT(evaluations("auto"), 0.9 * plain);
  EXPECT_LT(evaluations("objective"), 0.9 * plain);
}

/// Standard deviation over repeated batches of the objective at the start.
double noise_of_the_objective(const std::string& batches) {
  const Pair pair = gaussians(3);
  Random random(1, "network");
  Dual solver(3, {.batch = 128, .batches = batches}, small, random);
  Problem problem = make_problem(pair.source, pair.target, 3);
  solver.start(problem, random);
  std::vector<double> values;
  for (int draw = 0; draw < 40; ++draw) values.push_back(solver.step(problem, 0).loss);
  return at::tensor(values, at::kDouble).std().item<double>();
}

TEST(Dual, CalibratedBatchesTakeNoiseOutOfTheObjective) {
  EXPECT_LT(noise_of_the_objective("calibrated"), 0.3 * noise_of_the_objective("independent"));
}

TEST(Dual, HasAStateBeforeItHasStarted) {
  Random random(1, "network");
  const Dual solver(2, {}, small, random);
  for (const auto& [name, tensor] : solver.state()) EXPECT_TRUE(tensor.defined()) << name;
}

// --- the derivatives of a step -------------------------------------------------------------------

struct StepCase {
  std::int64_t dimension, rank;
  std::vector<std::int64_t> hidden;
};
const std::vector<StepCase> step_cases{{1, 1, {9, 5}}, {3, 2, {24, 17, 9}}, {11, 1, {40, 33}}};

DenseIcnn network(const StepCase& one, at::ScalarType dtype) {
  Random random(74, "network");
  DenseIcnn psi(one.dimension, {.rank = one.rank, .hidden = one.hidden, .input_scale = 1},
                DenseIcnn::Initial::paper, random, dtype);
  const at::NoGradGuard no_graph;
  for (auto [name, parameter] : psi.parameters())
    if (name == "input.bias" || name.starts_with("skip"))
      parameter.add_(random.normal(parameter.sizes()).abs().to(dtype), 0.5);
  return psi;
}

TEST(DualStep, TermsAndDerivativesAreThoseOfThePlainObjective) {
  for (const StepCase& one : step_cases)
    for (const std::int64_t n : {1, 7, 150})
      for (const int threads : {1, 2}) {
        const std::string where = fmt::format("d={} n={} threads={}", one.dimension, n, threads);
        const DenseIcnn psi = network(one, at::kFloat);
        Random random(75, "points");
        const Tensor x = random.normal({n, one.dimension});
        const Tensor y = psi.gradient(0.7 * random.normal({n + 5, one.dimension}), Graph::none);
        const Tensor found = y.clone();
        DualStep step(one.dimension, 32, passes_of(psi));
        for (int run = 0; run < 2; ++run) {  // the second finds what the first has left
          const DualTerms terms =
              on_threads(threads, [&] { return step.run(x, y, found, {1e-3, 100, 0}); });
          EXPECT_EQ(terms.unfinished, 0) << where;
          EXPECT_EQ(terms.evaluations == 1, run == 1) << where;
          EXPECT_LT((psi.gradient(found, Graph::none) - y).abs().max().item<double>(), 1e-2);
          const Tensor source = psi.value(x, Graph::create).mean();
          const Tensor reached = psi.value(found, Graph::create).mean();
          std::vector<Tensor> parameters;
          for (const auto& [name, parameter] : psi.parameters()) parameters.push_back(parameter);
          const auto plain = torch::autograd::grad({source - reached}, parameters);
          double size = 0;  // of the largest derivative: some are near 0
          for (const Tensor& derivative : plain)
            size = std::max(size, derivative.abs().max().item<double>());
          for (std::size_t i = 0; i < plain.size(); ++i)
            EXPECT_LE((step.derivatives()[i] - plain[i]).abs().max().item<double>(), 1e-4 * size)
                << where << " " << i;
          const double conjugate = ((found * y).sum(1).mean() - reached).item<double>();
          EXPECT_NEAR(terms.source, source.item<double>(), 1e-4 * (1 + std::abs(terms.source)));
          EXPECT_NEAR(terms.conjugate, conjugate, 1e-4 * (1 + std::abs(conjugate))) << where;
        }
      }
}

TEST(DualStep, WeightsAreThoseOfTheMeans) {
  const StepCase& one = step_cases[1];
  const DenseIcnn psi = network(one, at::kFloat);
  Random random(77, "points");
  const Tensor x = random.normal({50, one.dimension});
  const Tensor y = psi.gradient(0.7 * random.normal({30, one.dimension}), Graph::none);
  const Tensor found = y.clone();
  const Tensor v = 1 + 0.5 * random.normal({50}), w = 1 + 0.5 * random.normal({30});
  const auto span = [](const Tensor& t) {
    return std::span(t.const_data_ptr<float>(), static_cast<std::size_t>(t.numel()));
  };
  DualStep step(one.dimension, 32, passes_of(psi));
  const DualTerms terms =
      on_threads(2, [&] { return step.run(x, y, found, {1e-3, 100, 0}, span(v), span(w)); });
  const Tensor source = (v * psi.value(x, Graph::create)).mean();
  const Tensor reached = (w * psi.value(found, Graph::create)).mean();
  EXPECT_NEAR(terms.source, source.item<double>(), 1e-4 * (1 + std::abs(terms.source)));
  EXPECT_NEAR(terms.conjugate, ((w * (found * y).sum(1)).mean() - reached).item<double>(),
              1e-4 * (1 + std::abs(terms.conjugate)));
  std::vector<Tensor> parameters;
  for (const auto& [name, parameter] : psi.parameters()) parameters.push_back(parameter);
  const auto plain = torch::autograd::grad({source - reached}, parameters);
  for (std::size_t i = 0; i < plain.size(); ++i)
    EXPECT_LE((step.derivatives()[i] - plain[i]).abs().max().item<double>(),
              1e-3 * (1e-2 + plain[i].abs().max().item<double>()))
        << i;
}

TEST(DualStep, CountsTheSearchesThatDidNotEnd) {
  const DenseIcnn psi = network(step_cases[1], at::kFloat);
  Random random(76, "points");
  const Tensor x = random.normal({40, 3}), y = 3 * random.normal({40, 3});
  DualStep step(3, 32, passes_of(psi));
  const DualTerms terms = step.run(x, y, y.clone(), {1e-6, 2, 0});
  EXPECT_EQ(terms.unfinished, 1);
  EXPECT_EQ(terms.evaluations, 2);
}

// --- centred updates -----------------------------------------------------------------------------

/// A network whose parameters are moved by a hand that knows nothing of the solver.
struct Update {
  explicit Update(AdamOptions options, const StepCase& one = step_cases[1])
      : psi(network(one, at::kDouble)),
        average(network(one, at::kDouble)),
        adam(psi.parameters(), options, psi.lower_bounds(),
             options.average > 0 ? average.parameters() : State()),
        update(psi, adam) {}

  Tensor draw(std::int64_t n) { return random.normal({n, psi.dimension()}).to(at::kDouble); }

  /// The derivatives of mean psi(x) - mean psi(y).
  std::vector<Tensor> derivatives(const Tensor& x, const Tensor& y) const {
    const Tensor loss = psi.value(x, Graph::create).mean() - psi.value(y, Graph::create).mean();
    return torch::autograd::grad({loss}, adam.parameters());
  }

  void step(const Tensor& x, const Tensor& y, double rate) {
    update.step(derivatives(x, y), x, rate, Exchange(alone, x.size(0)));
  }

  DenseIcnn psi, average;
  Adam adam;
  CentredUpdate update;
  ProcessGroup alone;
  Random random{77, "points"};
};

/// psi with every layer seeing the one below less `means`, and `bias` the b' of that.
Tensor centred_value(const DenseIcnn& psi, const State& p, const std::vector<Tensor>& means,
                     const Tensor& x) {
  const DenseIcnnOptions& o = psi.settings();
  const std::int64_t n = x.size(0), units = p.at("input.bias").size(0);
  const Tensor projected = x.mm(p.at("input.weight").t());
  const Tensor squares =
      projected.narrow(1, 0, o.rank * units).square().view({n, units, o.rank}).sum(2);
  const Tensor q = projected.narrow(1, o.rank * units, units) + squares + p.at("input.bias");
  Tensor z = q.narrow(1, 0, o.hidden[0]);
  std::int64_t offset = o.hidden[0];
  for (std::size_t k = 1; k < o.hidden.size(); offset += o.hidden[k++]) {
    const Tensor seen = (z - means[k - 1]).mm(p.at(fmt::format("convex.{}", k)).t());
    z = at::celu(q.narrow(1, offset, o.hidden[k]) + seen, o.celu_alpha);
  }
  return z.mv(p.at("final")) + 0.5 * o.strong_convexity * x.square().sum(1) +
         0.5 * x.square().mv(p.at("skip.quadratic")) + x.mv(p.at("skip.linear"));
}

/// psi's parameters with b' in the place of b.
State centred_parameters(const DenseIcnn& psi, const std::vector<Tensor>& means) {
  State p = copied(psi.parameters());
  const auto& hidden = psi.settings().hidden;
  std::int64_t offset = hidden[0];
  for (std::size_t k = 1; k < hidden.size(); offset += hidden[k++])
    p.at("input.bias").narrow(0, offset, hidden[k]) +=
        p.at(fmt::format("convex.{}", k)).mv(means[k - 1]);
  return p;
}

TEST(CentredUpdate, IsTheDescentOfTheCentredNetwork) {
  for (const StepCase& one : step_cases) {
    // With an epsilon far above the gradients Adam's first step is one along the gradient.
    constexpr double epsilon = 1e10, rate = 0.03;
    Update made({.learning_rate = rate * epsilon, .epsilon = epsilon}, one);
    const Tensor x = made.draw(64), y = 0.5 * made.draw(64);
    const std::vector<Tensor> means = made.psi.layer_means(x);
    State centred = centred_parameters(made.psi, means);
    const Tensor before = made.psi.value(x, Graph::none);
    EXPECT_TRUE(at::allclose(centred_value(made.psi, centred, means, x), before, 1e-12, 1e-12));
    std::vector<Tensor> leaves;
    for (auto& [name, tensor] : centred) leaves.push_back(tensor.set_requires_grad(true));
    const Tensor loss = centred_value(made.psi, centred, means, x).mean() -
                        centred_value(made.psi, centred, means, y).mean();
    const auto derivatives = torch::autograd::grad({loss}, leaves);
    {
      const at::NoGradGuard no_graph;
      for (std::size_t i = 0; i < leaves.size(); ++i) leaves[i].sub_(derivatives[i], rate);
      for (const auto& [name, bound] : made.psi.lower_bounds()) centred.at(name).clamp_min_(bound);
    }
    made.step(x, y, 1);
    for (const Tensor& points : {x, y, 2 * made.draw(50)}) {
      const Tensor expected = centred_value(made.psi, centred, means, points).detach();
      EXPECT_LT((made.psi.value(points, Graph::none) - expected).abs().max().item<double>(), 1e-8)
          << one.dimension;
    }
    EXPECT_GT((made.psi.value(x, Graph::none) - before).abs().max().item<double>(), 1e-3);
  }
}

TEST(CentredUpdate, ARateOfNothingChangesNothing) {
  Update made({.average = 0.9});
  const State before = copied(made.psi.parameters());
  for (int step = 0; step < 3; ++step) made.step(made.draw(32), made.draw(32), 0);
  for (const auto& [name, parameter] : made.psi.parameters()) {
    EXPECT_TRUE(at::equal(parameter, before.at(name))) << name;
    EXPECT_TRUE(at::allclose(made.average.parameters().at(name), before.at(name), 1e-12, 1e-14));
  }
}

TEST(CentredUpdate, TheAverageIsThatOfTheParameters) {
  constexpr double decay = 0.8;
  Update made({.learning_rate = 0.02, .average = decay});
  State expected = copied(made.psi.parameters());
  for (int step = 1; step <= 12; ++step) {
    made.step(made.draw(32), 0.5 * made.draw(32), 1);
    const double keep = std::min(decay, (1.0 + step) / (10.0 + step));
    for (auto& [name, average] : expected)
      average = keep * average + (1 - keep) * made.psi.parameters().at(name).detach();
  }
  for (const auto& [name, average] : made.average.parameters())
    EXPECT_LT((average - expected.at(name)).abs().max().item<double>(), 1e-12) << name;
}

TEST(CentredUpdate, TakesTheMeansAnewNowAndThen) {
  Update made({});
  const Tensor x = made.draw(64), elsewhere = 5 + made.draw(64), y = made.draw(64);
  const std::vector<Tensor> means = made.psi.layer_means(x);
  made.step(x, y, 0);
  const auto held = [&](std::size_t k) {
    return made.update.state().at(fmt::format("mean.{}", k)).clone();
  };
  for (std::size_t k = 0; k < means.size(); ++k) EXPECT_TRUE(at::equal(held(k), means[k]));
  for (int step = 1; step < 50; ++step)
    made.update.step(made.derivatives(x, y), elsewhere, 0, Exchange(made.alone, 64));
  for (std::size_t k = 0; k < means.size(); ++k) EXPECT_TRUE(at::equal(held(k), means[k]));
  made.update.step(made.derivatives(x, y), elsewhere, 0, Exchange(made.alone, 64));
  const std::vector<Tensor> renewed = made.psi.layer_means(elsewhere);
  for (std::size_t k = 0; k < means.size(); ++k) EXPECT_TRUE(at::equal(held(k), renewed[k]));
}

TEST(CentredUpdate, RefusesTheStateOfAnotherNetwork) {
  Update wide({}, step_cases[2]), deep({}, step_cases[1]);
  EXPECT_THROW(deep.update.restore(wide.update.state()), Error);
  State incomplete = deep.update.state();
  incomplete.erase("updates");
  expect_message(error_text([&] { deep.update.restore(incomplete); }), "updates");
  State of_shape = deep.update.state();
  of_shape["mean.1"] = at::zeros({3}, at::kDouble);
  expect_message(error_text([&] { deep.update.restore(of_shape); }), "mean.1");
  deep.update.restore(copied(deep.update.state()));
}

}  // namespace
}  // namespace monge
