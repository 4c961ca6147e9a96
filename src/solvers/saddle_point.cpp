#include "monge/solvers/saddle_point.h"

#include "monge/error.h"
#include "monge/network_map.h"

#include "solvers/exchange.h"
#include "solvers/frame_entry.h"
#include "solvers/saddle_point_maps.h"
#include "solvers/saddle_point_step.h"

namespace monge {
namespace {

std::int64_t usual_batch(std::int64_t dimension, bool icnn) {
  if (icnn) return 256;
  return dimension <= 8 ? 64 : 128;
}

}  // namespace

/// The map's network is played against the potential's on points of `source` and `target`.
struct SaddlePoint::Direction {
  SaddlePointStep& step;
  Adam& map;
  Adam& potential;
  Sampler& source;
  FrameEntry& from;
  Sampler& target;
  FrameEntry& to;
  ProcessGroup& group;
};

SaddlePoint::SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options,
                         const WeakCost& cost, const DenseIcnnOptions& network, Random& random,
                         const std::shared_ptr<AutogradNetwork>& map)
    : options_(options), cost_(cost), noise_(0, "unset") {
  potential_.icnn =
      std::make_shared<DenseIcnn>(dimension, network, DenseIcnn::Initial::near_zero, random);
  build(random, map);
}

SaddlePoint::SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options,
                         const WeakCost& cost, const MlpOptions& network, Random& random,
                         const std::shared_ptr<AutogradNetwork>& map)
    : options_(options), cost_(cost), noise_(0, "unset") {
  potential_.mlp = std::make_shared<MlpPotential>(dimension, network, random);
  build(random, map);
}

SaddlePoint::SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options,
                         const WeakCost& cost, const NoisedMlpOptions& network, Random& random,
                         const std::shared_ptr<AutogradNetwork>& map)
    : options_(options), cost_(cost), noise_(0, "unset") {
  potential_.noised = std::make_shared<NoisedMlp>(dimension, network, random);
  build(random, map);
}

SaddlePoint::SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options,
                         const WeakCost& cost, const std::shared_ptr<AutogradNetwork>& potential,
                         Random& random, const std::shared_ptr<AutogradNetwork>& map)
    : options_(options), cost_(cost), noise_(0, "unset") {
  require_network(*potential, "potential", dimension, 1);
  potential_.given = std::make_shared<NetworkPotential>(potential);
  build(random, map);
}

SaddlePoint::~SaddlePoint() = default;

/// Throws where the options or the cost do not fit a potential that has levels.
void SaddlePoint::require_fit_of_levels() const {
  const auto require = [](bool fits, const char* where, const char* expected,
                          const std::string& got) {
    if (!fits) fail(where, fmt::format("{}, since the network is noised_mlp", expected), got);
  };
  require(cost_.gamma() == 0, "cost", "a strong one", fmt::format("gamma = {:g}", cost_.gamma()));
  require(options_.map == "network", "solver.map", "network", options_.map);
  require(!noisy(), "solver.noise_dimension", "0", std::to_string(options_.noise_dimension));
  require(options_.expectile_weight == 0, "solver.expectile_weight", "0",
          fmt::format("{:g}", options_.expectile_weight));
}

/// Throws where a free potential cannot be played against in the affine frame.
void SaddlePoint::require_fit_of_frame() const {
  const auto require = [](bool fits, const char* because) {
    if (!fits) fail("solver.start", fmt::format("identity, since {}", because), "affine");
  };
  require(cost_.gamma() == 0 && cost_.quadratic(), "the cost is not the quadratic one");
  require(!potential_.noised, "the network is noised_mlp");
  require(options_.map == "network", "the map is the gradient of a perceptron");
  require(!noisy(), "the map has noise");
}

/// Throws where the options do not fit one another, the cost or the networks.
void SaddlePoint::require_fit(const AutogradNetwork* map) const {
  if (potential_.noised) require_fit_of_levels();
  const bool icnn = potential_.icnn != nullptr, gradient = options_.map == "gradient";
  if (gradient && (map || potential_.given))
    fail(
        "solver.map",
        fmt::format("network, since the {} is a network that was given", map ? "map" : "potential"),
        "gradient");
  if (noisy() && gradient)
    fail("solver.noise_dimension", "0, since the map is a gradient",
         std::to_string(options_.noise_dimension));
  if (options_.noise_channels > 0)
    fail("solver.noise_channels", "0 and noise_dimension, since the network is none of images",
         std::to_string(options_.noise_channels));
  for (const auto& [option, value, only] : {std::tuple{"device", &options_.device, "cpu"},
                                            {"precision", &options_.precision, "float32"}})
    if (*value != only)
      fail(fmt::format("solver.{}", option),
           fmt::format("{}, since the network is none of images", only), *value);
  const bool weak = cost_.gamma() > 0;
  if (weak && icnn)
    fail("cost", "quadratic, since an input-convex potential serves no weak cost",
         fmt::format("gamma = {}", cost_.gamma()));
  if (!cost_.quadratic() && (icnn || gradient))
    fail("cost.exponent", "2, since the map or the potential is that of a quadratic cost",
         fmt::format("{}", cost_.exponent()));
  if (weak && !noisy()) fail("solver.noise_dimension", "at least 1, since the cost is weak", "0");
  if (weak && options_.noise_samples < 2)
    fail("solver.noise_samples", "at least 2, since the cost is weak", "1");
  if (options_.convexity == "penalty" && !(icnn && gradient))
    fail("solver.convexity", "clamp, since the map is no gradient of an input-convex network",
         "penalty");
  if (options_.start == "affine" && !icnn) require_fit_of_frame();
  if (options_.expectile_weight > 0 && noisy())
    fail("solver.expectile_weight", "0, since the map has noise",
         fmt::format("{}", options_.expectile_weight));
  if (options_.bidirectional && !gradient)
    fail("solver.bidirectional", "false, since the map is a free network", "true");
  if (options_.bidirectional && options_.convexity == "penalty")
    fail("solver.bidirectional", "false, since the map's network is not convex", "true");
}

void SaddlePoint::build(Random& random, const std::shared_ptr<AutogradNetwork>& map) {
  const std::int64_t d = potential_.any().dimension();
  const bool icnn = potential_.icnn != nullptr;
  if (options_.map == "auto") options_.map = icnn && !map ? "gradient" : "network";
  if (options_.start == "auto") options_.start = icnn ? "affine" : "identity";
  require_fit(map.get());
  if (!noisy()) options_.noise_samples = 1;
  if (options_.batch == 0) options_.batch = usual_batch(d, icnn);
  if (options_.learning_rate == 0) options_.learning_rate = icnn ? 1e-3 : 3e-4;
  if (options_.potential_learning_rate == 0)
    options_.potential_learning_rate = options_.learning_rate;
  map_ = std::make_unique<Maps>(options_, potential_, random, map);
  set_frame(identity_frame(d));
  const bool clamped = options_.convexity == "clamp";
  map_adam_.emplace(
      map_->parameters(),
      AdamOptions{options_.learning_rate, options_.beta1, options_.beta2, 1e-8, options_.average},
      clamped ? map_->lower_bounds() : std::map<std::string, double>(),
      options_.average > 0 ? map_->average() : State());
  potential_adam_.emplace(
      potential_.any().parameters(),
      AdamOptions{options_.potential_learning_rate, options_.beta1, options_.beta2, 1e-8},
      potential_.any().lower_bounds());

  const SaddlePointObjective objective{.dimension = d,
                                       .noise_dimension = options_.noise_dimension,
                                       .noise_samples = options_.noise_samples,
                                       .gamma = cost_.gamma_at(0),
                                       .exponent = cost_.exponent(),
                                       .correlation = icnn,
                                       .expectile_weight = options_.expectile_weight,
                                       .expectile = options_.expectile,
                                       .level_numbers = potential_.noised ? d + 1 : 0};
  const auto potential_of = [](const Potentials& one) {
    if (one.icnn) return passes_of(*one.icnn);
    if (one.given) return passes_of(*one.given);
    return one.mlp ? passes_of(*one.mlp) : passes_of(*one.noised);
  };
  step_ = std::make_unique<SaddlePointStep>(objective, map_->rows, potential_of(potential_),
                                            map_->passes(options_.residual));
  if (options_.bidirectional)
    reverse_step_ = std::make_unique<SaddlePointStep>(
        objective, map_->rows, potential_of(map_->potential), passes_of_gradient(potential_));
}

void SaddlePoint::set_frame(const AffineFrame& frame) {
  exact_frame_ = frame;
  frame_ = frame.to_dtype(at::kFloat);
  inverse_frame_ = frame.inverse().to_dtype(at::kFloat);
  enter_ = std::make_unique<FrameEntry>(frame_);
  enter_inverse_ = std::make_unique<FrameEntry>(inverse_frame_);
}

/// The affine frame changes |x - y|², and not what is optimal for -<x, y>: the plan that is optimal
/// for the quadratic cost of its coordinates is that of the points.
void SaddlePoint::start(const Problem& problem, Random& random) {
  noise_ = Random(
      static_cast<std::uint64_t>(random.integers(std::int64_t{1} << 62, 1).item<std::int64_t>()),
      "noise");
  if (potential_.noised) potential_.noised->levels().measure(problem.target.measure(), random);
  if (options_.start != "affine") return;
  set_frame(bures_wasserstein_frame(sampled_moments(problem.source.measure(), random),
                                    sampled_moments(problem.target.measure(), random)));
}

/// Of the noise of a batch, that of the own rows.
Tensor SaddlePoint::noise(const Rows& own) {
  if (!noisy()) return {};
  if (!drawn_.defined())
    drawn_ = at::empty({options_.batch * options_.noise_samples, options_.noise_dimension});
  noise_.fill_normal({drawn_.data_ptr<float>(), static_cast<std::size_t>(drawn_.numel())});
  const std::int64_t samples = options_.noise_samples;
  return rows_in(drawn_, {own.begin * samples, own.count * samples});
}

/// Of the noise and the levels at which the potential sees a batch, those of the own rows.
Tensor SaddlePoint::levels(const Rows& own) {
  if (!potential_.noised) return {};
  return rows_in(potential_.noised->levels().draw(options_.batch, noise_), own);
}

/// To be called whenever parameters have changed.
void SaddlePoint::load() {
  for (SaddlePointStep* step : {step_.get(), reverse_step_.get()}) {
    if (!step) continue;
    step->map_changed();
    step->potential_changed();
  }
}

/// The derivative of eq. 8 of Makkuva et al., for bounds that need not be 0.
void SaddlePoint::penalise_map() const {
  const at::NoGradGuard no_graph;
  const auto bounds = map_->lower_bounds();
  std::size_t i = 0;
  for (const auto& [name, parameter] : map_->parameters()) {
    const auto bound = bounds.find(name);
    if (bound != bounds.end())
      Tensor(step_->map_derivatives()[i])
          .add_((parameter - bound->second).clamp_max_(0), 2 * options_.convexity_weight);
    ++i;
  }
}

/// One step of the map; false where it would have left the finite numbers.
bool SaddlePoint::improve_map(const Direction& side, double rate) {
  const Rows own = side.group.rows_of(options_.batch);
  const Tensor x = side.from.enter(side.source.next(options_.batch));
  SaddlePointTerms terms = side.step.for_map(x, noise(own), levels(own));
  Exchange(side.group, options_.batch)
      .means(side.step.map_derivatives())
      .means({&terms.cost, &terms.mapped})
      .run();
  if (options_.convexity == "penalty") penalise_map();
  const double norm = norm_of(side.step.map_derivatives());
  if (!std::isfinite(terms.cost) || !std::isfinite(terms.mapped) || !std::isfinite(norm))
    return false;
  side.map.step(side.step.map_derivatives(), rate);
  side.step.map_changed();
  return true;
}

StepReport SaddlePoint::improve(const Direction& side, double rate) {
  StepReport report;
  side.step.set_gamma(cost_.gamma_at(side.potential.steps()));
  for (std::int64_t inner = 0; inner < options_.inner_steps; ++inner)
    if (!improve_map(side, rate)) {
      report.loss = std::numeric_limits<double>::quiet_NaN();
      report.finite = false;
      return report;
    }
  const Rows own = side.group.rows_of(options_.batch);
  const Tensor x = side.from.enter(side.source.next(options_.batch));
  const Tensor y = side.to.enter(side.target.next(options_.batch));
  SaddlePointTerms terms = side.step.for_potential(x, noise(own), y, levels(own));
  Exchange(side.group, options_.batch)
      .means(side.step.potential_derivatives())
      .means({&terms.cost, &terms.mapped, &terms.target, &terms.excess})
      .run();
  const double sign = potential_.icnn ? -1 : 1;  // f is -phi
  report.loss = terms.cost + sign * (terms.target - terms.mapped);
  report.terms = {{"cost", terms.cost}, {"gap", sign * (terms.target - terms.mapped)}};
  if (options_.expectile_weight > 0) report.terms.emplace_back("excess", terms.excess);
  report.gradient_norm = norm_of(side.step.potential_derivatives());
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (!report.finite) return report;
  side.potential.step(side.step.potential_derivatives(), rate);
  side.step.potential_changed();
  return report;
}

StepReport SaddlePoint::step(Problem& problem, double rate) {
  StepReport report = improve({*step_, *map_adam_, *potential_adam_, problem.source, *enter_,
                               problem.target, *enter_inverse_, *problem.group},
                              rate);
  if (!options_.bidirectional || !report.finite) return report;
  load();
  StepReport back = improve({*reverse_step_, *potential_adam_, *map_adam_, problem.target,
                             *enter_inverse_, problem.source, *enter_, *problem.group},
                            rate);
  load();
  return back.finite ? report : back;
}

/// Of one inner step, whose threads then meet for the update.
double SaddlePoint::step_work() const {
  if (map_->given || potential_.given) return 0;
  const PassWork f =
      potential_.icnn ? pass_work(*potential_.icnn) : pass_work(*potential_.perceptron());
  const double passes = map_->mlp ? 3 : 6;
  return static_cast<double>(options_.batch * options_.noise_samples) *
         (passes * map_->work().all() + 2 * f.all());
}

Solution SaddlePoint::solution() const {
  const bool averaged = options_.average > 0;
  if (!map_->is_gradient()) {
    const auto network = map_->network(averaged);
    if (map_->given)
      copy_parameters(map_->given_average->buffers(), map_->given->buffers(), "saddle_point: map");
    Solution solution;
    if (noisy())
      solution.map = std::make_shared<StochasticNetworkMap>(network, options_.residual);
    else
      solution.map = std::make_shared<NetworkMap>(network, options_.residual, frame_);
    if (potential_.icnn)
      solution.inverse = std::make_shared<BrenierMap>(potential_.icnn, inverse_frame_);
    return solution;
  }
  const Potentials& mine = averaged ? map_->potential_average : map_->potential;
  if (mine.icnn)
    return {std::make_shared<BrenierMap>(mine.icnn, frame_),
            std::make_shared<BrenierMap>(potential_.icnn, inverse_frame_)};
  return {std::make_shared<KantorovichMap>(mine.mlp),
          std::make_shared<KantorovichMap>(potential_.mlp)};
}

State SaddlePoint::state() const {
  State state{{"noise", noise_.state()}};
  insert_state(state, "potential", potential_.any().parameters());
  insert_state(state, "map", map_->parameters());
  insert_state(state, "average", map_->average());
  insert_state(state, "map_adam", map_adam_->state());
  insert_state(state, "potential_adam", potential_adam_->state());
  insert_state(state, "frame", exact_frame_.state());
  if (potential_.noised)
    insert_state(state, "statistics", potential_.noised->levels().statistics());
  if (potential_.given)
    insert_state(state, "potential_buffers", potential_.given->network()->buffers());
  if (map_->given) insert_state(state, "map_buffers", map_->given->buffers());
  return state;
}

void SaddlePoint::restore(const State& state) {
  const auto copied = [&](const char* prefix, const State& mine) {
    copy_parameters(mine, extract_state(state, prefix), fmt::format("saddle_point: {}", prefix));
  };
  copied("potential", potential_.any().parameters());
  copied("map", map_->parameters());
  copied("average", map_->average());
  if (potential_.noised) copied("statistics", potential_.noised->levels().statistics());
  if (potential_.given) copied("potential_buffers", potential_.given->network()->buffers());
  if (map_->given) copied("map_buffers", map_->given->buffers());
  map_adam_->restore(extract_state(state, "map_adam"));
  potential_adam_->restore(extract_state(state, "potential_adam"));
  load();
  noise_.set_state(require_tensor(state, "noise", "saddle_point"));
  set_frame(frame_from_state(extract_state(state, "frame"), potential_.any().dimension()));
}

}  // namespace monge
