#include "monge/solvers/adversarial.h"

#include "monge/cost.h"
#include "monge/error.h"

#include "solvers/exchange.h"
#include "solvers/trained.h"

namespace monge {

struct Adversarial::Networks {
  TrainedMap map;
  TrainedPotential f;
  std::optional<TrainedPotential> e;  // of W2GAN
  MapPasses slopes;                   // ∇f, of W1-LP
  std::unique_ptr<MapPass> slope;
};

const Declaration<AdversarialOptions>& adversarial_declaration() {
  using O = AdversarialOptions;
  static const auto declaration =
      Declaration<O>("solver", "adversarial",
                     "A map as the generator of a game against the potentials of W1 or W2: W1-LP "
                     "and W2GAN.",
                     "Petzka et al. 2018; Leygonie et al. 2019")
          .option("divergence", &O::divergence,
                  "What the potentials measure: w1, one potential with a Lipschitz penalty "
                  "(W1-LP); w2, a pair with a penalty on f + g <= c (W2GAN).",
                  one_of({"w1", "w2"}))
          .option("start", &O::start,
                  "Where the map starts: x + F(x) with F = 0, or F(x) as its network is drawn.",
                  one_of({"identity", "random"}))
          .option("penalty", &O::penalty,
                  "Weight of the penalty; 0: 10 for w1, 100 over the mean cost of independent "
                  "points for w2.",
                  at_least(0))
          .option("potential_steps", &O::potential_steps,
                  "Steps of the potentials for each step of the map.", between(1, 10000))
          .option("map_hidden", &O::map_hidden,
                  "Widths of the map's network; empty: those of the potentials.", between(1, 65536))
          .option("map_activation", &O::map_activation,
                  "What stands between the layers of the map's network.",
                  one_of({"relu", "leaky_relu", "celu", "elu", "silu"}))
          .option("batch", &O::batch, "Points of each measure in a step; 0: 256.",
                  between(0, 1 << 14))
          .option("learning_rate", &O::learning_rate,
                  "Adam's learning rate of the potentials at its peak.", between(0, 1))
          .option("map_learning_rate", &O::map_learning_rate, "That of the map; 0: half of it.",
                  between(0, 1))
          .option("beta1", &O::beta1, "Adam's decay of the first moment.", between(0, 0.9999))
          .option("beta2", &O::beta2, "Adam's decay of the second moment.", between(0, 0.999999))
          .option("average", &O::average,
                  "Decay of the exponential average of the map's parameters, which is what the "
                  "solution uses; 0: the parameters themselves.",
                  between(0, 0.999999));
  return declaration;
}

std::int64_t adversarial_usual_steps(std::int64_t dimension) {
  return dimension <= 8 ? 10000 : 5000;
}

Adversarial::Adversarial(std::int64_t dimension, const AdversarialOptions& options,
                         const MlpOptions& network, Random& random)
    : options_(options), between_(0, "unset") {
  if (options_.batch == 0) options_.batch = 256;
  if (options_.map_learning_rate == 0) options_.map_learning_rate = options_.learning_rate / 2;
  double penalty = options_.penalty;
  if (penalty == 0) penalty = is_w2() ? 100 : 10;
  penalty_ = at::scalar_tensor(penalty, at::kDouble);
  const AdamOptions adam{options_.learning_rate, options_.beta1, options_.beta2, 1e-8};
  AdamOptions map_adam = adam;
  map_adam.learning_rate = options_.map_learning_rate;
  map_adam.average = options_.average;
  const MlpOptions sized = sized_for(network, dimension);
  const MlpOptions map = sized_for(
      {options_.map_hidden.empty() ? sized.hidden : options_.map_hidden, options_.map_activation},
      dimension);
  // The potentials see y, T(x) and the points between at once.
  const std::int64_t batch = options_.batch, rows = is_w2() ? 4 * batch : 2 * batch;
  const bool identity = options_.start == "identity";
  networks_ = std::make_unique<Networks>(
      Networks{TrainedMap(dimension, map, identity, map_adam, batch, random),
               TrainedPotential(dimension, sized, adam, rows, random),
               std::nullopt,
               {},
               nullptr});
  if (identity) networks_->map.become_zero();
  if (is_w2()) {
    networks_->e.emplace(TrainedPotential(dimension, sized, adam, 2 * batch, random));
  } else {
    networks_->slopes = gradient_passes(*networks_->f.network());
    networks_->slope = networks_->slopes.make(batch);
  }
}

Adversarial::~Adversarial() = default;

void Adversarial::start(const Problem& problem, Random& random) {
  between_ = Random(
      static_cast<std::uint64_t>(random.integers(std::int64_t{1} << 62, 1).item<std::int64_t>()),
      "between");
  if (options_.penalty == 0 && is_w2())
    penalty_.fill_(100 /
                   mean_quadratic_cost(problem.source.measure(), problem.target.measure(), random));
}

/// Points uniformly on the segments from a_i to b_i, the own rows of a batch.
Tensor Adversarial::between(const Tensor& a, const Tensor& b, const Rows& own) {
  return a + rows_in(between_.uniform({options_.batch, 1}), own) * (b - a);
}

/// W1-LP: the derivative of -E f(y) + E f(z) + penalty E max(0, |∇f(x^)| - 1)² in f.
void Adversarial::learn_lipschitz(Problem& problem, StepReport& report) {
  const Tensor y = problem.target.next(options_.batch);
  const Tensor moved = networks_->map.forward(problem.source.next(options_.batch));
  const std::int64_t n = y.size(0);
  const double penalty = penalty_.item<double>(), share = 1 / static_cast<double>(n);
  const Tensor points = at::cat({y, moved});
  const Tensor f = networks_->f.forward(points);
  const Tensor sides = at::cat({at::full({n}, -share), at::full({n}, share)});
  networks_->f.accumulate(sides);

  MapPass& slope = *networks_->slope;
  const Tensor middle = between(y, moved, problem.group->rows_of(options_.batch));
  Tensor gradient = at::empty_like(middle);
  slope.sums.reset();
  slope.forward(middle.const_data_ptr<float>(), n, gradient.data_ptr<float>());
  const Tensor norm = gradient.norm(2, {1}, true), above = (norm - 1).clamp_min(0);
  const Tensor along = (2 * penalty * share) * above * gradient / norm.clamp_min(1);
  slope.accumulate(along.const_data_ptr<float>());
  networks_->f.pass().sums.add(slope.sums);

  const double violation = above.square().mean().item<double>();
  report.loss = -f.dot(sides).item<double>() - penalty * violation;
  report.terms = {{"violation", violation}};
}

/// W2GAN: the derivative of -E f(y) - E g(z) + penalty · E max(0, f + g - c)² in f and e. All pairs
/// are every process's, the passes of the networks its own rows'.
void Adversarial::learn_pair(Problem& problem, StepReport& report) {
  const Rows own = problem.group->rows_of(options_.batch);
  const Tensor y = problem.target.next_whole(options_.batch), own_y = rows_in(y, own);
  Tensor moved = networks_->map.forward(problem.source.next(options_.batch));
  const double penalty = penalty_.item<double>(), share = 1 / static_cast<double>(own.count);
  const Tensor near_y = between(own_y, moved, own), near_moved = between(moved, own_y, own);
  const Tensor points = at::cat({own_y, moved, near_y, near_moved});
  const Tensor inner = at::cat({moved, near_moved});
  const Tensor f = networks_->f.forward(points), e = networks_->e->forward(inner);
  const auto part = [&](const Tensor& values, std::int64_t i) {
    return values.narrow(0, i * own.count, own.count);
  };
  const Tensor f_near = part(f, 2), g_near = part(e, 1) - part(f, 3);
  Tensor f_y = part(f, 0), g = part(e, 0) - part(f, 1);
  const double value = (f_y.mean() + g.mean()).item<double>();
  Exchange(*problem.group, options_.batch).gather(moved).gather(f_y).gather(g).run();

  const Tensor above = (f_y.unsqueeze(1) + g - QuadraticCost().matrix(y, moved)).clamp_min(0);
  const Tensor above_near =
      (f_near + g_near - QuadraticCost().between(near_y, near_moved)).clamp_min(0);
  const Tensor for_f = share * (2 * penalty * rows_in(above.mean(1), own) - 1);
  const Tensor for_g = share * (2 * penalty * rows_in(above.mean(0), own) - 1);
  const Tensor for_near = (2 * penalty * share) * above_near;
  networks_->f.accumulate(at::cat({for_f, -for_g, for_near, -for_near}));
  networks_->e->accumulate(at::cat({for_g, for_near}));

  const double violation = (above.square().mean() + above_near.square().mean()).item<double>();
  report.loss = value - penalty * violation;
  report.terms = {{"violation", violation}};
}

void Adversarial::update_potentials(ProcessGroup& group, StepReport& report, double rate) {
  Exchange exchange(group, options_.batch);
  exchange.means(networks_->f.pass().sums.tensors());
  if (networks_->e) exchange.means(networks_->e->pass().sums.tensors());
  exchange.means({&report.loss, &report.terms.front().second}).run();
  report.gradient_norm = norm_of(networks_->f.pass().sums.tensors());
  if (networks_->e)
    report.gradient_norm =
        std::hypot(report.gradient_norm, norm_of(networks_->e->pass().sums.tensors()));
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (!report.finite) return;
  networks_->f.update(rate);
  if (networks_->e) networks_->e->update(rate);
  if (networks_->slope) networks_->slopes.network->changed();
}

/// T moves against the derivative of E g(T(x)), g = e - f, or of -E f(T(x)).
void Adversarial::update_map(Problem& problem, StepReport& report, double rate) {
  const Tensor x = problem.source.next(options_.batch);
  const Tensor moved = networks_->map.forward(x);
  networks_->f.forward(moved);
  Tensor direction = -networks_->f.gradient(moved);
  if (networks_->e) {
    networks_->e->forward(moved);
    direction += networks_->e->gradient(moved);
  }
  networks_->map.accumulate(direction / static_cast<double>(moved.size(0)));
  const std::vector<Tensor>& derivatives = networks_->map.pass().sums.tensors();
  Exchange(*problem.group, options_.batch).means(derivatives).run();
  report.finite = std::isfinite(norm_of(derivatives));
  if (report.finite) networks_->map.update(rate);
}

StepReport Adversarial::step(Problem& problem, double rate) {
  const at::NoGradGuard no_graph;
  StepReport report;
  for (std::int64_t inner = 0; inner < options_.potential_steps && report.finite; ++inner) {
    if (is_w2())
      learn_pair(problem, report);
    else
      learn_lipschitz(problem, report);
    update_potentials(*problem.group, report, rate);
  }
  if (report.finite) update_map(problem, report, rate);
  return report;
}

double Adversarial::step_work() const {
  const double potential = pass_work(networks_->f.network()->network()).all();
  return 3 * static_cast<double>(options_.batch) *
         (4 * potential + pass_work(networks_->map.network()).all());
}

Solution Adversarial::solution() const { return {networks_->map.solution(), nullptr}; }

State Adversarial::state() const {
  State state{{"penalty", penalty_}, {"between", between_.state()}};
  insert_state(state, "map", networks_->map.state());
  insert_state(state, "f", networks_->f.state());
  if (networks_->e) insert_state(state, "e", networks_->e->state());
  return state;
}

void Adversarial::restore(const State& state) {
  const auto restored = [&](auto& part, const char* name) {
    part.restore(extract_state(state, name), fmt::format("adversarial: {}", name));
  };
  restored(networks_->map, "map");
  restored(networks_->f, "f");
  if (networks_->e) restored(*networks_->e, "e");
  if (networks_->slope) networks_->slopes.network->changed();
  penalty_.copy_(require_tensor(state, "penalty", "adversarial"));
  between_.set_state(require_tensor(state, "between", "adversarial"));
}

}  // namespace monge
