#include "monge/solvers/saddle_point.h"

#include "monge/error.h"
#include "monge/network_map.h"

#include "kernels/icnn_view.h"
#include "kernels/mlp_view.h"
#include "solvers/frame_entry.h"
#include "solvers/saddle_point_step.h"

namespace monge {
namespace {

std::int64_t usual_batch(std::int64_t dimension, bool icnn) {
  if (icnn) return 256;
  return dimension <= 8 ? 64 : 128;
}

}  // namespace

/// Either networks from x and z to points, or input-convex potentials whose gradient is the map.
struct SaddlePoint::Maps {
  std::shared_ptr<Mlp> mlp, mlp_average;
  std::shared_ptr<DenseIcnn> icnn, icnn_average;

  State parameters() const { return icnn ? icnn->parameters() : mlp->parameters(); }
  State average() const { return icnn ? icnn_average->parameters() : mlp_average->parameters(); }
  std::map<std::string, double> lower_bounds() const {
    return icnn ? icnn->lower_bounds() : std::map<std::string, double>();
  }
  PassWork work() const { return icnn ? pass_work(*icnn) : pass_work(*mlp); }
};

const Declaration<SaddlePointOptions>& saddle_point_declaration() {
  using O = SaddlePointOptions;
  static const auto declaration =
      Declaration<O>("solver", "saddle_point",
                     "Max–min optimal transport: a map and a potential against each other, for "
                     "strong and weak quadratic costs, deterministic or with noise.",
                     "Neural Optimal Transport (Korotin et al. 2023), algorithm 1; with "
                     "input-convex networks Makkuva et al. 2020, eq. 11")
          .option("map", &O::map,
                  "What the map is: a free network of x and z, or the gradient of an input-convex "
                  "one; auto: the gradient where the potential is input-convex.",
                  one_of({"auto", "network", "gradient"}))
          .option("residual", &O::residual, "Adds x to the output of a free network.")
          .option("map_hidden", &O::map_hidden,
                  "Widths of the map's network; empty: those of the potential.", between(1, 65536))
          .option("map_activation", &O::map_activation,
                  "What stands between the layers of a free map.",
                  one_of({"relu", "leaky_relu", "celu", "elu", "silu"}))
          .option("noise_dimension", &O::noise_dimension,
                  "Dimension of the noise z of T(x, z); 0: a deterministic map.", between(0, 65536))
          .option("noise_samples", &O::noise_samples,
                  "|Z|, noise samples of each x in a step; a weak cost needs at least 2.",
                  between(1, 65536))
          .option("inner_steps", &O::inner_steps,
                  "k_T, steps of the map for each step of the potential.", between(1, 10000))
          .option("batch", &O::batch, "Points of each measure in a step; 0: by dimension.",
                  between(0, 1 << 20))
          .option("learning_rate", &O::learning_rate,
                  "Adam's learning rate at its peak; 0: chosen by the network.", between(0, 1))
          .option("potential_learning_rate", &O::potential_learning_rate,
                  "That of the potential; 0: the same.", between(0, 1))
          .option("beta1", &O::beta1, "Adam's decay of the first moment.", between(0, 0.9999))
          .option("beta2", &O::beta2, "Adam's decay of the second moment.", between(0, 0.999999))
          .option("average", &O::average,
                  "Decay of the exponential average of the map's parameters, which is what the "
                  "solution uses; 0: the parameters themselves.",
                  between(0, 0.999999))
          .option("start", &O::start,
                  "With an input-convex potential: the coordinates to learn in, those of the "
                  "optimal affine map of the samples' moments or the points' own.",
                  one_of({"affine", "identity"}));
  return declaration;
}

std::int64_t saddle_point_usual_steps(std::int64_t dimension) {
  return dimension <= 8 ? 20000 : 5000;
}

SaddlePoint::SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options, double gamma,
                         const DenseIcnnOptions& network, Random& random)
    : options_(options), gamma_(gamma), noise_(0, "unset") {
  potential_.icnn =
      std::make_shared<DenseIcnn>(dimension, network, DenseIcnn::Initial::near_zero, random);
  build(random);
}

SaddlePoint::SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options, double gamma,
                         const MlpOptions& network, Random& random)
    : options_(options), gamma_(gamma), noise_(0, "unset") {
  potential_.mlp = std::make_shared<MlpPotential>(dimension, network, random);
  build(random);
}

SaddlePoint::~SaddlePoint() = default;

void SaddlePoint::build(Random& random) {
  const std::int64_t d = potential_.any().dimension();
  const bool icnn = potential_.icnn != nullptr;
  if (options_.map == "auto") options_.map = icnn ? "gradient" : "network";
  if (options_.map == "gradient" && !icnn)
    fail("solver.map", "network, since the potential is not input-convex", "gradient");
  if (noisy() && options_.map == "gradient")
    fail("solver.noise_dimension", "0, since the map is a gradient",
         std::to_string(options_.noise_dimension));
  if (gamma_ > 0 && icnn)
    fail("cost", "quadratic, since an input-convex potential serves no weak cost",
         fmt::format("gamma = {}", gamma_));
  if (gamma_ > 0 && !noisy())
    fail("solver.noise_dimension", "at least 1, since the cost is weak", "0");
  if (gamma_ > 0 && options_.noise_samples < 2)
    fail("solver.noise_samples", "at least 2, since the cost is weak", "1");
  if (!noisy()) options_.noise_samples = 1;
  if (options_.batch == 0) options_.batch = usual_batch(d, icnn);
  if (options_.learning_rate == 0) options_.learning_rate = icnn ? 1e-3 : 3e-4;
  if (options_.potential_learning_rate == 0)
    options_.potential_learning_rate = options_.learning_rate;

  map_ = std::make_unique<Maps>();
  std::int64_t rows = 0;
  if (options_.map == "gradient") {
    DenseIcnnOptions network = potential_.icnn->settings();
    if (!options_.map_hidden.empty()) network.hidden = options_.map_hidden;
    const auto made = [&] {
      return std::make_shared<DenseIcnn>(d, network, DenseIcnn::Initial::near_zero, random);
    };
    map_->icnn = made();
    map_->icnn_average = made();
    rows = kernels::icnn_block_rows(kernels::icnn_shape(d, network), sizeof(float));
  } else {
    MlpOptions network;
    if (!icnn) network.hidden = potential_.mlp->network().settings().hidden;
    if (!options_.map_hidden.empty()) network.hidden = options_.map_hidden;
    network.activation = options_.map_activation;
    const auto made = [&] {
      return std::make_shared<Mlp>(d + options_.noise_dimension, d, network, random);
    };
    map_->mlp = made();
    map_->mlp_average = made();
    rows = kernels::mlp_block_rows(
        kernels::mlp_shape(d + options_.noise_dimension, d, map_->mlp->settings()), sizeof(float));
  }
  copy_parameters(map_->average(), map_->parameters(), "saddle_point");

  set_frame(identity_frame(d));
  map_adam_.emplace(
      map_->parameters(),
      AdamOptions{options_.learning_rate, options_.beta1, options_.beta2, 1e-8, options_.average},
      map_->lower_bounds(), options_.average > 0 ? map_->average() : State());
  potential_adam_.emplace(
      potential_.any().parameters(),
      AdamOptions{options_.potential_learning_rate, options_.beta1, options_.beta2, 1e-8},
      potential_.any().lower_bounds());
  step_ = std::make_unique<SaddlePointStep>(
      SaddlePointObjective{d, options_.noise_dimension, options_.noise_samples, gamma_, icnn}, rows,
      icnn ? passes_of(*potential_.icnn) : passes_of(*potential_.mlp),
      map_->icnn ? gradient_passes(*map_->icnn) : map_passes(*map_->mlp, options_.residual));
}

void SaddlePoint::set_frame(const AffineFrame& frame) {
  exact_frame_ = frame;
  frame_ = frame.to_dtype(at::kFloat);
  inverse_frame_ = frame.inverse().to_dtype(at::kFloat);
  enter_ = std::make_unique<FrameEntry>(frame_);
  enter_inverse_ = std::make_unique<FrameEntry>(inverse_frame_);
}

/// In the affine frame only the correlation form keeps its meaning: the frame changes |x - y|², and
/// not what is optimal for -<x, y>.
void SaddlePoint::start(const Problem& problem, Random& random) {
  noise_ = Random(
      static_cast<std::uint64_t>(random.integers(std::int64_t{1} << 62, 1).item<std::int64_t>()),
      "noise");
  if (!potential_.icnn || options_.start != "affine") return;
  set_frame(bures_wasserstein_frame(sampled_moments(problem.source.measure(), random),
                                    sampled_moments(problem.target.measure(), random)));
}

const Tensor& SaddlePoint::noise() {
  if (!noisy()) return drawn_;
  if (!drawn_.defined())
    drawn_ = at::empty({options_.batch * options_.noise_samples, options_.noise_dimension});
  noise_.fill_normal({drawn_.data_ptr<float>(), static_cast<std::size_t>(drawn_.numel())});
  return drawn_;
}

/// One step of the map; false where it would have left the finite numbers.
bool SaddlePoint::improve_map(Problem& problem, double rate) {
  const Tensor x = enter_->enter(problem.source.next(options_.batch));
  const SaddlePointTerms terms = step_->for_map(x, noise());
  const double norm = norm_of(step_->map_derivatives());
  if (!std::isfinite(terms.cost) || !std::isfinite(terms.mapped) || !std::isfinite(norm))
    return false;
  map_adam_->step(step_->map_derivatives(), rate);
  step_->load_map();
  return true;
}

StepReport SaddlePoint::step(Problem& problem, double rate) {
  StepReport report;
  for (std::int64_t inner = 0; inner < options_.inner_steps; ++inner)
    if (!improve_map(problem, rate)) {
      report.loss = std::numeric_limits<double>::quiet_NaN();
      report.finite = false;
      return report;
    }
  const Tensor x = enter_->enter(problem.source.next(options_.batch));
  const Tensor y = enter_inverse_->enter(problem.target.next(options_.batch));
  const SaddlePointTerms terms = step_->for_potential(x, noise(), y);
  const double sign = potential_.icnn ? -1 : 1;  // f is -phi
  report.loss = terms.cost + sign * (terms.target - terms.mapped);
  report.terms = {{"cost", terms.cost}, {"gap", sign * (terms.target - terms.mapped)}};
  report.gradient_norm = norm_of(step_->potential_derivatives());
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (!report.finite) return report;
  potential_adam_->step(step_->potential_derivatives(), rate);
  step_->load_potential();
  return report;
}

/// Of one inner step, whose threads then meet for the update.
double SaddlePoint::step_work() const {
  const PassWork f =
      potential_.icnn ? pass_work(*potential_.icnn) : pass_work(potential_.mlp->network());
  const double passes = map_->icnn ? 6 : 3;
  return static_cast<double>(options_.batch * options_.noise_samples) *
         (passes * map_->work().all() + 2 * f.all());
}

Solution SaddlePoint::solution() const {
  Solution solution;
  const bool averaged = options_.average > 0;
  const auto mlp = averaged ? map_->mlp_average : map_->mlp;
  if (map_->icnn)
    solution.map = std::make_shared<BrenierMap>(averaged ? map_->icnn_average : map_->icnn, frame_);
  else if (noisy())
    solution.map = std::make_shared<StochasticNetworkMap>(mlp, options_.residual);
  else
    solution.map = std::make_shared<NetworkMap>(mlp, options_.residual, frame_);
  if (potential_.icnn)
    solution.inverse = std::make_shared<BrenierMap>(potential_.icnn, inverse_frame_);
  return solution;
}

State SaddlePoint::state() const {
  State state{{"noise", noise_.state()}};
  insert_state(state, "potential", potential_.any().parameters());
  insert_state(state, "map", map_->parameters());
  insert_state(state, "average", map_->average());
  insert_state(state, "map_adam", map_adam_->state());
  insert_state(state, "potential_adam", potential_adam_->state());
  insert_state(state, "frame", exact_frame_.state());
  return state;
}

void SaddlePoint::restore(const State& state) {
  const auto copied = [&](const char* prefix, const State& mine) {
    copy_parameters(mine, extract_state(state, prefix), fmt::format("saddle_point: {}", prefix));
  };
  copied("potential", potential_.any().parameters());
  copied("map", map_->parameters());
  copied("average", map_->average());
  map_adam_->restore(extract_state(state, "map_adam"));
  potential_adam_->restore(extract_state(state, "potential_adam"));
  step_->load_potential();
  step_->load_map();
  noise_.set_state(require_tensor(state, "noise", "saddle_point"));
  set_frame(frame_from_state(extract_state(state, "frame"), potential_.any().dimension()));
}

}  // namespace monge
