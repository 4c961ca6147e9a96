#include "monge/solvers/regularized_dual.h"

#include "monge/cost.h"
#include "monge/error.h"

#include "solvers/exchange.h"
#include "solvers/trained.h"

namespace monge {

struct RegularizedDual::Networks {
  TrainedPotential u, v;
  TrainedMap map;
  std::optional<TrainedMap> inverse;

  State state() const {
    State state;
    insert_state(state, "u", u.state());
    insert_state(state, "v", v.state());
    insert_state(state, "map", map.state());
    if (inverse) insert_state(state, "inverse", inverse->state());
    return state;
  }
};

const Declaration<RegularizedDualOptions>& regularized_dual_declaration() {
  using O = RegularizedDualOptions;
  static const auto declaration =
      Declaration<O>("solver", "regularized_dual",
                     "Large-scale optimal transport: two free potentials on the regularised dual, "
                     "and maps fitted to the barycentric projection of their plan.",
                     "Large-Scale Optimal Transport and Mapping Estimation (Seguy et al. 2018), "
                     "algorithms 1 and 2")
          .option("regularizer", &O::regularizer,
                  "R, what stands for u + v <= c: epsilon exp(t / epsilon) or t² / (4 epsilon) "
                  "where t > 0.",
                  one_of({"entropy", "l2"}))
          .option(
              "epsilon", &O::epsilon,
              "epsilon, in units of the cost; 0: of the mean cost of independent points 2 % for "
              "entropy, 0.005 % for l2.",
              at_least(0))
          .option("potential_steps", &O::potential_steps,
                  "Steps of the potentials for each step of the maps.", between(1, 10000))
          .option("inverse", &O::inverse, "Whether the map back is fitted, too.")
          .option("residual", &O::residual, "Adds x to the output of the map's network.")
          .option("map_hidden", &O::map_hidden,
                  "Widths of the map's network; empty: those of the potentials.", between(1, 65536))
          .option("map_activation", &O::map_activation,
                  "What stands between the layers of the map's network.",
                  one_of({"relu", "leaky_relu", "celu", "elu", "silu"}))
          .option("batch", &O::batch, "Points of each measure in a step; 0: 256.",
                  between(0, 1 << 14))
          .option("learning_rate", &O::learning_rate, "Adam's learning rate at its peak.",
                  between(0, 1))
          .option("map_learning_rate", &O::map_learning_rate, "That of the maps; 0: the same.",
                  between(0, 1))
          .option("beta1", &O::beta1, "Adam's decay of the first moment.", between(0, 0.9999))
          .option("beta2", &O::beta2, "Adam's decay of the second moment.", between(0, 0.999999))
          .option("average", &O::average,
                  "Decay of the exponential average of the maps' parameters, which is what the "
                  "solution uses; 0: the parameters themselves.",
                  between(0, 0.999999));
  return declaration;
}

std::int64_t regularized_dual_usual_steps(std::int64_t dimension) {
  return dimension <= 8 ? 10000 : 5000;
}

RegularizerValues regularizer_values(Regularizer kind, const Tensor& excess, double epsilon) {
  if (kind == Regularizer::l2) {
    const Tensor positive = excess.clamp_min(0);
    return {positive.square() / (4 * epsilon), positive / (2 * epsilon)};
  }
  constexpr double most = 12;
  const Tensor exponent = excess / epsilon, capped = exponent.clamp_max(most);
  const Tensor weight = capped.exp();
  return {epsilon * weight * (1 + exponent - capped), weight};
}

RegularizedDual::RegularizedDual(std::int64_t dimension, const RegularizedDualOptions& options,
                                 const MlpOptions& network, Random& random)
    : options_(options) {
  if (options_.batch == 0) options_.batch = 256;
  if (options_.map_learning_rate == 0) options_.map_learning_rate = options_.learning_rate;
  epsilon_ = at::scalar_tensor(options_.epsilon > 0 ? options_.epsilon : 1, at::kDouble);
  const AdamOptions adam{options_.learning_rate, options_.beta1, options_.beta2, 1e-8};
  AdamOptions map_adam = adam;
  map_adam.learning_rate = options_.map_learning_rate;
  map_adam.average = options_.average;
  const MlpOptions sized = sized_for(network, dimension);
  const MlpOptions map = sized_for(
      {options_.map_hidden.empty() ? sized.hidden : options_.map_hidden, options_.map_activation},
      dimension);
  const auto potential = [&] {
    return TrainedPotential(dimension, sized, adam, options_.batch, random);
  };
  const auto made = [&] {
    return TrainedMap(dimension, map, options_.residual, map_adam, options_.batch, random);
  };
  networks_ = std::make_unique<Networks>(Networks{potential(), potential(), made(), std::nullopt});
  if (options_.inverse) networks_->inverse.emplace(made());
}

RegularizedDual::~RegularizedDual() = default;

void RegularizedDual::start(const Problem& problem, Random& random) {
  const double share = options_.regularizer == "l2" ? 5e-5 : 0.02;
  if (options_.epsilon == 0)
    epsilon_.fill_(share *
                   mean_quadratic_cost(problem.source.measure(), problem.target.measure(), random));
}

StepReport RegularizedDual::step(Problem& problem, double rate) {
  const at::NoGradGuard no_graph;
  const double epsilon = epsilon_.item<double>();
  const auto kind = options_.regularizer == "l2" ? Regularizer::l2 : Regularizer::entropy;
  const auto count = static_cast<double>(options_.batch);
  const Rows own = problem.group->rows_of(options_.batch);
  const auto mine = [&](const Tensor& whole) { return rows_in(whole, own); };
  const auto exchange = [&] { return Exchange(*problem.group, options_.batch); };
  StepReport report;
  // All pairs are every process's, the passes of the networks its own rows'.
  Tensor x, y, weights, row, column;
  for (std::int64_t inner = 0; inner < options_.potential_steps; ++inner) {
    x = problem.source.next_whole(options_.batch);
    y = problem.target.next_whole(options_.batch);
    Tensor u = networks_->u.forward(mine(x)), v = networks_->v.forward(mine(y));
    exchange().gather(u).gather(v).run();
    const auto plan =
        regularizer_values(kind, u.unsqueeze(1) + v - QuadraticCost().matrix(x, y), epsilon);
    weights = plan.weight;
    row = weights.mean(1);
    column = weights.mean(0);
    report.loss = (plan.value.mean() - u.mean() - v.mean()).item<double>();
    const auto rows = static_cast<double>(own.count);
    networks_->u.accumulate((mine(row) - 1) / rows);
    networks_->v.accumulate((mine(column) - 1) / rows);
    exchange()
        .means(networks_->u.pass().sums.tensors())
        .means(networks_->v.pass().sums.tensors())
        .run();
    report.gradient_norm = std::hypot(norm_of(networks_->u.pass().sums.tensors()),
                                      norm_of(networks_->v.pass().sums.tensors()));
    report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
    if (!report.finite) return report;
    networks_->u.update(rate);
    networks_->v.update(rate);
  }
  report.terms = {{"dual", -report.loss}};
  // With h_i the mean of H(x_i, .): mean H c(T(x), y) = mean (½ h |T|² - <T, mean_y H y>) + the
  // rest.
  Exchange fitted = exchange();
  const auto fit = [&](TrainedMap& map, const Tensor& from, const Tensor& share,
                       const Tensor& pulled, const Tensor& rest, double& error) {
    const Tensor moved = map.forward(from), scaled = moved * share.unsqueeze(1);
    const auto rows = static_cast<double>(own.count);
    error =
        (moved * (0.5 * scaled - pulled)).sum().item<double>() / rows + rest.item<double>() / count;
    map.accumulate((scaled - pulled) / rows);
    fitted.means(map.pass().sums.tensors()).means({&error});
  };
  const Tensor from_x = 0.5 * row.dot(x.square().sum(1)),
               from_y = 0.5 * column.dot(y.square().sum(1));
  double map_error = 0, inverse_error = 0;
  fit(networks_->map, mine(x), mine(row), mine(weights).mm(y) / count, from_y, map_error);
  if (networks_->inverse)
    fit(*networks_->inverse, mine(y), mine(column), mine(weights.t()).mm(x) / count, from_x,
        inverse_error);
  fitted.run();
  networks_->map.update(rate);
  report.terms.emplace_back("map", map_error);
  if (networks_->inverse) {
    networks_->inverse->update(rate);
    report.terms.emplace_back("inverse", inverse_error);
  }
  return report;
}

double RegularizedDual::step_work() const {
  const double potential = pass_work(networks_->u.network()->network()).all();
  const double map = pass_work(networks_->map.network()).all();
  return 3 * static_cast<double>(options_.batch) * (2 * potential + 2 * map);
}

Solution RegularizedDual::solution() const {
  return {networks_->map.solution(), networks_->inverse ? networks_->inverse->solution() : nullptr};
}

State RegularizedDual::state() const {
  State state = networks_->state();
  state["epsilon"] = epsilon_;
  return state;
}

void RegularizedDual::restore(const State& state) {
  const auto restored = [&](auto& part, const char* name) {
    part.restore(extract_state(state, name), fmt::format("regularized_dual: {}", name));
  };
  restored(networks_->u, "u");
  restored(networks_->v, "v");
  restored(networks_->map, "map");
  if (networks_->inverse) restored(*networks_->inverse, "inverse");
  epsilon_.copy_(require_tensor(state, "epsilon", "regularized_dual"));
}

}  // namespace monge
