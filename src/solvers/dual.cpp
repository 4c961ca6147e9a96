#include "monge/solvers/dual.h"

#include "monge/conjugate.h"
#include "monge/error.h"

#include "independent_components.h"
#include "kernels/icnn_view.h"
#include "solvers/centred_update.h"
#include "solvers/dual_batches.h"
#include "solvers/dual_step.h"
#include "solvers/ridge.h"
#include "solvers/search_starts.h"

#include <limits>

namespace monge {
namespace {

constexpr double inverse_tolerance = 1e-3;  // of the inverse map's searches
constexpr std::int64_t inverse_evaluations = 50;
constexpr std::int64_t start_points = 4096;
constexpr std::int64_t box_points = 1 << 16;

Tensor all_points(const FiniteMeasure& measure) {
  return measure.points(at::arange(measure.size(), at::kLong));
}

/// How many points there are to learn from; of a measure without end, as good as all.
std::int64_t points_of(const Measure& measure) {
  constexpr std::int64_t endless = std::int64_t{1} << 24;
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  return finite ? finite->size() : endless;
}

/// Of few dimensions a wide network's units cover all directions.
bool bends_along_components(const DualOptions& options, const DenseIcnnOptions& network,
                            std::int64_t dimension) {
  return options.bends == "independent" && !bends_freely(network, dimension);
}

/// A network with fewer units than dimensions cannot add up to the identity.
double share_of(const DualOptions& options, const DenseIcnnOptions& network,
                std::int64_t dimension) {
  if (bends_freely(network, dimension)) return 0.9;
  const std::int64_t first = network.hidden.front();
  const std::int64_t units = bends_along_components(options, network, dimension)
                                 ? c10::sum_integers(network.hidden) - first
                                 : first;
  return units < dimension ? 0 : 0.5;
}

/// Points to find independent components by: some 8 d², as far as there are so many and memory
/// goes; none where they are fewer than d², which say more by chance than by what they are.
std::optional<Tensor> points_for_components(const Measure& measure, Random& random) {
  constexpr std::int64_t least = 1 << 13, most_numbers = 1 << 25;
  const std::int64_t d = measure.dimension();
  const std::int64_t count = std::max(least, std::min(8 * d * d, most_numbers / d));
  if (std::min(count, points_of(measure)) < d * d) return std::nullopt;
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  return finite && finite->size() <= count ? all_points(*finite) : measure.sample(count, random);
}

}  // namespace

const Declaration<DualOptions>& dual_declaration() {
  using O = DualOptions;
  static const auto declaration =
      Declaration<O>("solver", "dual",
                     "The dual over input-convex potentials, the conjugate found by a quasi-Newton "
                     "search for each point; the most accurate for the quadratic cost.",
                     "Taghvaei and Jalali 2019, eq. 5; Korotin et al. 2021, Do Neural Optimal "
                     "Transport Solvers Work?, MM-1")
          .option("start", &O::start,
                  "Where the map starts: the optimal affine map of the samples' moments, or the "
                  "identity.",
                  one_of({"affine", "identity"}))
          .option("network_share", &O::network_share,
                  "Share of the identity that the network gives at the start, the skip giving the "
                  "rest. -1: chosen from the dimension and the network's width.",
                  between(-1, 1))
          .option("bends", &O::bends,
                  "Along which directions the network bends at first, of more than 8 dimensions: "
                  "random ones, or also those in which the target is least like a Gaussian, its "
                  "independent components, where it has D² points or more.",
                  one_of({"random", "independent"}))
          .option("batch", &O::batch,
                  "Points of each measure in a step; 0: chosen from the dimension.",
                  between(0, 1 << 20))
          .option("learning_rate", &O::learning_rate,
                  "Adam's learning rate at its peak; 0: chosen from the dimension.", between(0, 1))
          .option("beta1", &O::beta1, "Adam's decay of the first moment.", between(0, 0.9999))
          .option("beta2", &O::beta2, "Adam's decay of the second moment.", between(0, 0.999999))
          .option("average", &O::average,
                  "Decay of the exponential average of the parameters, which is what the solution "
                  "uses; 0: the parameters themselves.",
                  between(0, 0.999999))
          .option("ridge", &O::ridge,
                  "Strength of the pull of the parameters to where they began, in D / n for n "
                  "points of the smaller measure: what few points speak for stays. 0: none.",
                  at_least(0))
          .option("conjugate_tolerance", &O::conjugate_tolerance,
                  "A search ends where the root mean square of y - grad psi(x) is at most this, in "
                  "standard deviations of the frame.",
                  above(0))
          .option("conjugate_evaluations", &O::conjugate_evaluations,
                  "Gradients that a search may take at most.", between(1, 100000))
          .option(
              "batches", &O::batches,
              "How noise is kept out of the derivatives: calibrated, by weights that give a batch "
              "its measure's moments; coupled, by drawing batches of two finite measures that lie "
              "alike; auto: coupled where both have 4^D points or more, else calibrated where a "
              "batch has 4 D points or more.",
              one_of({"auto", "calibrated", "coupled", "independent"}))
          .option(
              "amortise", &O::amortise,
              "Where searches begin. none: where the last one for that point has ended, or at y "
              "where there is no table of those (a measure without end, or too many points); "
              "regression, objective: at the guess of a network that learns beside the "
              "potential, by its distance to what was found or by what is maximised (Amos "
              "2023); auto: regression where there is no table.",
              one_of({"auto", "none", "regression", "objective"}))
          .option(
              "members", &O::members,
              "Potentials that learn apart, whose mean is the solution: what each gets wrong by "
              "chance goes. From the first to the last, network.celu_alpha falls to 0.1. A step is "
              "one of each. 0: chosen from train.max_seconds, one where that is not set.",
              between(0, 64));
  return declaration;
}

DualOptions sized_for(DualOptions options, std::int64_t dimension,
                      const DenseIcnnOptions& network) {
  if (options.network_share < 0) options.network_share = share_of(options, network, dimension);
  if (options.batch == 0) options.batch = dimension <= 128 ? 512 : 256;
  if (options.learning_rate == 0)
    options.learning_rate = dimension <= 8 ? 5e-3 : dimension <= 32 ? 1e-2 : 2e-2;
  options.members = std::max<std::int64_t>(options.members, 1);
  return options;
}

double dual_step_work(std::int64_t dimension, const DualOptions& options,
                      const DenseIcnnOptions& network) {
  double products = 0;
  std::int64_t before = 0;
  for (const std::int64_t width : network.hidden) {
    products += static_cast<double>(width * ((network.rank + 1) * dimension + before));
    before = width;
  }
  return 14 * static_cast<double>(options.batch) * products;
}

std::int64_t dual_usual_steps(std::int64_t dimension) { return dimension <= 32 ? 5000 : 4000; }

Dual::Dual(std::int64_t dimension, const DualOptions& options, const DenseIcnnOptions& network,
           Random& random)
    : options_(sized_for(options, dimension, sized_for(network, dimension))) {
  const auto initial =
      options_.network_share > 0 ? DenseIcnn::Initial::paper : DenseIcnn::Initial::near_zero;
  psi_ = std::make_shared<DenseIcnn>(dimension, network, initial, random);
  average_ = std::make_shared<DenseIcnn>(dimension, network, initial, random);
  load_parameters(*average_, psi_->parameters(), "dual");
  batches_ = std::make_unique<DualBatches>(dimension, options_.batches, options_.batch);
  set_frame(identity_frame(dimension));
  adam_.emplace(
      psi_->parameters(),
      AdamOptions{options_.learning_rate, options_.beta1, options_.beta2, 1e-8, options_.average},
      psi_->lower_bounds(), options_.average > 0 ? average_->parameters() : State());
  ridge_ = std::make_unique<Ridge>(psi_->parameters());
  update_ = std::make_unique<CentredUpdate>(*psi_, *adam_);
  starts_ = std::make_unique<SearchStarts>(dimension, options_.amortise, options_.batch, random);
  const kernels::IcnnShape shape = kernels::icnn_shape(dimension, psi_->settings());
  step_ = std::make_unique<DualStep>(dimension, kernels::icnn_block_rows(shape, sizeof(float)),
                                     passes_of(*psi_));
  const Tensor everywhere = at::full({dimension}, std::numeric_limits<float>::infinity());
  set_sides(-everywhere, everywhere);
}

Dual::~Dual() = default;

void Dual::set_frame(const AffineFrame& frame) {
  exact_frame_ = frame;
  frame_ = frame.to_dtype(at::kFloat);
  inverse_frame_ = frame.inverse().to_dtype(at::kFloat);
  batches_->set_frame(frame);
}

DualMoments dual_moments(const Problem& problem, Random& random) {
  Moments source = sampled_moments(problem.source.measure(), random);
  return {std::move(source), sampled_moments(problem.target.measure(), random)};
}

void Dual::start(const Problem& problem, Random& random) {
  start(problem, dual_moments(problem, random), random);
}

void Dual::start(const Problem& problem, const DualMoments& moments, Random& random) {
  const Measure &source = problem.source.measure(), &target = problem.target.measure();
  if (options_.start == "affine")
    set_frame(bures_wasserstein_frame(moments.source, moments.target));
  batches_->start(moments.source, moments.target, random);
  const Tensor x = frame_.enter(source.sample(start_points, random));
  if (bends_along_components(options_, psi_->settings(), d()))
    if (const auto y = points_for_components(target, random))
      psi_->bend_along(independent_components(inverse_frame_.enter(*y), random), x);
  if (options_.network_share > 0) psi_->become_identity(x, 1 - options_.network_share);
  load_parameters(*average_, psi_->parameters(), "dual");
  step_->changed();
  ridge_->begin(options_.ridge * static_cast<double>(d()) /
                static_cast<double>(std::min(points_of(source), points_of(target))));
  set_box(problem, random);
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&target);
  if (finite && starts_->wants_table(finite->size()))
    starts_->set_table(inverse_frame_.enter(all_points(*finite)));
}

/// The maximisers lie among the source's points: what is far outside is not searched.
void Dual::set_box(const Problem& problem, Random& random) {
  constexpr double wider = 0.1;
  const Measure& source = problem.source.first_measure();
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&source);
  const Tensor points =
      frame_.enter(finite ? all_points(*finite) : source.sample(box_points, random));
  const auto [low, high] = at::aminmax(points, 0);
  const Tensor margin = 0.5 * wider * (high - low);
  set_sides(low - margin, high + margin);
}

void Dual::set_sides(const Tensor& low, const Tensor& high) {
  low_ = low;
  high_ = high;
  const auto numbers = [this](const Tensor& side) {
    const float* first = side.const_data_ptr<float>();
    return std::vector<float>(first, first + d());
  };
  step_->set_box({numbers(low_), numbers(high_)});
}

/// Throws Error where a restored table is that of another target.
void Dual::require_table(const Measure& target) const {
  const std::int64_t rows = starts_->table().size(0);
  if (rows == 0) return;
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&target);
  if (!finite || finite->size() != rows)
    fail("dual", fmt::format("the target of {} points that it was started with", rows),
         finite ? fmt::format("one of {}", finite->size()) : "one without end");
}

StepReport Dual::step(Problem& problem, double rate) {
  const at::NoGradGuard no_graph;
  require_table(problem.target.measure());
  const DualBatch batch = batches_->draw(problem, starts_->table());
  const ConjugateLimits limits{options_.conjugate_tolerance, options_.conjugate_evaluations,
                               std::sqrt(static_cast<double>(d()))};
  const Rows own = problem.group->rows_of(options_.batch);
  const Tensor found = starts_->begin(batch.y, batch.targets, own);
  DualTerms terms = step_->run(batch.x, batch.y, found, limits, batch.x_weights, batch.y_weights);
  Exchange exchange(*problem.group, options_.batch);
  starts_->add_to(
      exchange.means(step_->derivatives())
          .means({&terms.source, &terms.conjugate, &terms.evaluations, &terms.unfinished}));
  exchange.run();
  ridge_->add_to(step_->derivatives());
  StepReport report{.loss = terms.source + terms.conjugate,
                    .terms = {{"evaluations", terms.evaluations}, {"unfinished", terms.unfinished}},
                    .gradient_norm = norm_of(step_->derivatives()),
                    .finite = true};
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (!report.finite) return report;
  starts_->keep(*psi_, batch.targets, rate, own, *problem.group);
  update_->step(step_->derivatives(), batch.x, rate, Exchange(*problem.group, options_.batch));
  step_->changed();
  return report;
}

double Dual::step_work() const { return dual_step_work(d(), options_, psi_->settings()); }

Solution Dual::solution() const { return solution_of(options_.average > 0 ? average_ : psi_); }

Solution Dual::solution_of(const std::shared_ptr<const DenseIcnn>& psi) const {
  return {std::make_shared<BrenierMap>(psi, frame_),
          std::make_shared<ConjugateMap>(
              psi, inverse_frame_,
              ConjugateOptions{inverse_tolerance, inverse_evaluations, low_, high_})};
}

State Dual::state() const {
  State state{{"low", low_}, {"high", high_}};
  insert_state(state, "psi", psi_->parameters());
  insert_state(state, "average", average_->parameters());
  insert_state(state, "adam", adam_->state());
  insert_state(state, "ridge", ridge_->state());
  insert_state(state, "update", update_->state());
  insert_state(state, "frame", exact_frame_.state());
  insert_state(state, "batches", batches_->state());
  insert_state(state, "starts", starts_->state());
  return state;
}

void Dual::restore(const State& state) {
  load_parameters(*psi_, extract_state(state, "psi"), "dual");
  load_parameters(*average_, extract_state(state, "average"), "dual");
  adam_->restore(extract_state(state, "adam"));
  ridge_->restore(extract_state(state, "ridge"));
  update_->restore(extract_state(state, "update"));
  set_frame(frame_from_state(extract_state(state, "frame"), d()));
  const auto side = [&](const char* name) {
    const Tensor& stored = require_tensor(state, name, "dual");
    if (stored.sizes() != at::IntArrayRef{d()} || stored.scalar_type() != at::kFloat)
      fail(fmt::format("dual: tensor '{}'", name), fmt::format("Float [{}]", d()),
           fmt::format("{} {}", c10::toString(stored.scalar_type()), shape_text(stored)));
    return stored.clone();
  };
  set_sides(side("low"), side("high"));
  batches_->restore(extract_state(state, "batches"));
  starts_->restore(extract_state(state, "starts"));
  step_->changed();
}

}  // namespace monge
