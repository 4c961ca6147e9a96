#include "monge/solvers/light_sb.h"

#include "monge/error.h"

#include "solvers/exchange.h"
#include "solvers/frame_entry.h"
#include "solvers/light_sb_start.h"
#include "solvers/light_sb_step.h"

namespace monge {
namespace {

constexpr double usual_epsilon = 0.1;        // in the frame of both measures' scales
constexpr std::int64_t start_points = 4096;  // of each measure

/// The points of a finite measure, or as many draws as start the mixture, in the frame.
Tensor start_sample(const Measure& measure, const AffineFrame& frame, Random& random) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  const Tensor points =
      finite ? finite->points(random.permutation(finite->size())
                                  .narrow(0, 0, std::min(finite->size(), start_points)))
             : measure.sample(start_points, random);
  return frame.enter(points.to(at::kDouble));
}

/// The root of the mean variance of a coordinate.
double deviation(const Moments& moments) {
  const double mean = moments.covariance.diagonal().mean().item<double>();
  return mean > 0 ? std::sqrt(mean) : 1;
}

/// Both measures centred and with a mean variance of 1.
AffineFrame scale_frame(const Moments& source, const Moments& target) {
  const double from = deviation(source), to = deviation(target);
  AffineFrame frame = identity_frame(source.mean.numel());
  frame.matrix *= std::sqrt(to / from);
  frame.from = source.mean;
  frame.to = target.mean;
  frame.scale = std::sqrt(from * to);
  return frame;
}

}  // namespace

const Declaration<LightSbOptions>& light_sb_declaration() {
  using O = LightSbOptions;
  static const auto declaration =
      Declaration<O>("solver", "light_sb",
                     "Light Schrödinger bridge: the entropic plan as a mixture of Gaussians, with "
                     "all derivatives in closed form.",
                     "Korotin et al. 2024 (Light Schrödinger Bridge), propositions 3.1 and 3.2")
          .option("components", &O::components, "K, the components of the mixture.",
                  between(1, 65536))
          .option("epsilon", &O::epsilon,
                  "Strength of the entropic term; 0: a tenth of the product of the measures' "
                  "deviations, each the root of the mean variance of a coordinate.",
                  at_least(0))
          .option("frame", &O::frame,
                  "The coordinates in which the mixture has diagonal spreads: the points' own up "
                  "to scale, or those of the optimal affine map of the samples' moments.",
                  one_of({"scale", "affine"}))
          .option("start", &O::start,
                  "Where the mixture starts: clusters of the target with local affine maps, or "
                  "points of the target as in the paper.",
                  one_of({"clusters", "samples"}))
          .option("map", &O::map,
                  "What the map of the solution is: the plan, with noise, or its barycentric "
                  "projection E[y | x].",
                  one_of({"plan", "barycentric"}))
          .option("batch", &O::batch, "Points of each measure in a step.", between(1, 1 << 20))
          .option("learning_rate", &O::learning_rate, "Adam's learning rate at its peak.",
                  between(0, 1));
  return declaration;
}

std::int64_t light_sb_usual_steps(std::int64_t) { return 2000; }

LightSb::LightSb(std::int64_t dimension, const LightSbOptions& options)
    : options_(options),
      mixture_{at::zeros({options.components}, at::kDouble),
               at::zeros({options.components, dimension}, at::kDouble),
               at::zeros({options.components, dimension}, at::kDouble)},
      step_(std::make_unique<LightSbStep>(mixture_)) {
  set_problem(options.epsilon > 0 ? options.epsilon : 1, identity_frame(dimension));
  adam_.emplace(mixture_.state(), AdamOptions{.learning_rate = options.learning_rate},
                std::map<std::string, double>{{"log_spreads", std::log(least_slope)}});
}

LightSb::~LightSb() = default;

void LightSb::set_problem(double epsilon, const AffineFrame& frame) {
  epsilon_ = epsilon;
  frame_ = frame;
  enter_source_ = std::make_unique<FrameEntry>(frame.to_dtype(at::kFloat));
  enter_target_ = std::make_unique<FrameEntry>(frame.inverse().to_dtype(at::kFloat));
}

void LightSb::start(const Problem& problem, Random& random) {
  const Measure &p = problem.source.measure(), &q = problem.target.measure();
  const Moments source = sampled_moments(p, random), target = sampled_moments(q, random);
  set_problem(options_.epsilon > 0 ? options_.epsilon
                                   : usual_epsilon * deviation(source) * deviation(target),
              options_.frame == "affine" ? bures_wasserstein_frame(source, target)
                                         : scale_frame(source, target));
  const double epsilon = epsilon_ / (frame_.scale * frame_.scale);
  const Tensor y = start_sample(q, frame_.inverse(), random);
  const PlanMixture mixture =
      options_.start == "samples"
          ? sampled_mixture(options_.components, y, epsilon, random)
          : clustered_mixture(options_.components, start_sample(p, frame_, random), y, epsilon,
                              random);
  copy_parameters(mixture_.state(), mixture.state(), "light_sb");
}

StepReport LightSb::step(Problem& problem, double rate) {
  const Tensor x = problem.source.next(options_.batch), y = problem.target.next(options_.batch);
  LightSbTerms terms = step_->run(enter_source_->enter(x), enter_target_->enter(y),
                                  epsilon_ / (frame_.scale * frame_.scale));
  Exchange(*problem.group, options_.batch)
      .means(step_->derivatives())
      .means({&terms.log_c, &terms.log_v})
      .run();
  StepReport report{.loss = terms.log_c - terms.log_v,
                    .terms = {{"log_c", terms.log_c}, {"log_v", terms.log_v}},
                    .gradient_norm = norm_of(step_->derivatives())};
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (report.finite) adam_->step(step_->derivatives(), rate);
  return report;
}

/// Two products of each measure's points with all coefficients.
double LightSb::step_work() const {
  const double coefficients = 2 * static_cast<double>(mixture_.centres.numel());
  return 4 * static_cast<double>(options_.batch) * coefficients;
}

std::shared_ptr<const MixturePlan> LightSb::plan() const {
  return std::make_shared<MixturePlan>(mixture_, epsilon_, frame_);
}

Solution LightSb::solution() const {
  if (options_.map == "barycentric") return {std::make_shared<BarycentricMap>(plan()), nullptr};
  return {plan(), nullptr};
}

State LightSb::state() const {
  State state = mixture_.state();
  insert_state(state, "adam", adam_->state());
  insert_state(state, "frame", frame_.state());
  state["epsilon"] = at::scalar_tensor(epsilon_, at::kDouble);
  return state;
}

void LightSb::restore(const State& state) {
  copy_parameters(mixture_.state(), state, "light_sb");
  adam_->restore(extract_state(state, "adam"));
  const double epsilon = require_tensor(state, "epsilon", "light_sb").item<double>();
  if (!(epsilon > 0)) fail("light_sb: epsilon", "a positive number", fmt::format("{}", epsilon));
  set_problem(epsilon, frame_from_state(extract_state(state, "frame"), mixture_.centres.size(1)));
}

}  // namespace monge
