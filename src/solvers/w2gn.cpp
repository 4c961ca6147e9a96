#include "monge/solvers/w2gn.h"

#include "monge/error.h"
#include "monge/image_brenier_map.h"

#include "networks/images.h"
#include "solvers/exchange.h"
#include "solvers/frame_entry.h"
#include "solvers/recorded_w2gn_step.h"
#include "solvers/w2gn_step.h"

namespace monge {
namespace {

constexpr std::int64_t identity_points = 4096;

State pair_state(const Potential& psi, const Potential& omega) {
  State state;
  insert_state(state, "psi", psi.parameters());
  insert_state(state, "omega", omega.parameters());
  return state;
}

std::map<std::string, double> pair_bounds(const Potential& psi, const Potential& omega) {
  std::map<std::string, double> bounds;
  for (const auto& [name, bound] : psi.lower_bounds()) bounds["psi." + name] = bound;
  for (const auto& [name, bound] : omega.lower_bounds()) bounds["omega." + name] = bound;
  return bounds;
}

W2gnWeights weights_of(const W2gnOptions& options) {
  return {options.cycle_weight, options.source_cycle_weight, options.detach};
}

}  // namespace

const Declaration<W2gnOptions>& w2gn_declaration() {
  using O = W2gnOptions;
  static const auto declaration =
      Declaration<O>("solver", "w2gn",
                     "Wasserstein-2 Generative Networks: two input-convex potentials tied by cycle "
                     "consistency, without an inner loop.",
                     "Korotin et al. 2021, eq. 12, algorithm 1, eq. 51")
          .option("start", &O::start,
                  "Where the maps start: the optimal affine map of the samples' moments, the "
                  "identity, or the paper's identity pretraining of a random network; images "
                  "have no affine start, and pretrain where none is named.",
                  one_of({"affine", "identity", "pretrain"}))
          .option("network_share", &O::network_share,
                  "Share of the identity that the network gives at the start, the skip giving the "
                  "rest; a network at 0 learns the shape of the map late. -1: chosen from the "
                  "dimension and the network's width; 0.5 of images.",
                  between(-1, 1))
          .option("cycle_weight", &O::cycle_weight,
                  "lambda of algorithm 1, the weight of the cycle term on the target, R_Y.",
                  above(0))
          .option("source_cycle_weight", &O::source_cycle_weight,
                  "The weight of the cycle term on the source, R_X (eq. 51).", at_least(0))
          .option("detach", &O::detach,
                  "Keeps the correlation's gradient out of the inverse potential (appendix C.1).")
          .option("batch", &O::batch,
                  "Points of each measure in a step; 0: chosen from the dimension, 8 images.",
                  between(0, 1 << 20))
          .option("learning_rate", &O::learning_rate,
                  "Adam's learning rate at its peak; 0: chosen from the dimension.", between(0, 1))
          .option("beta1", &O::beta1, "Adam's decay of the first moment.", between(0, 0.9999))
          .option("beta2", &O::beta2, "Adam's decay of the second moment.", between(0, 0.999999))
          .option("weight_l1", &O::weight_l1, "L1 penalty on the weights.", at_least(0))
          .option("clip", &O::clip, "Largest norm of the gradient; 0: not clipped.", at_least(0))
          .option("pretrain_steps", &O::pretrain_steps,
                  "Steps of identity pretraining, for start = \"pretrain\".", between(0, 10000000));
  return declaration;
}

W2gnOptions sized_for(W2gnOptions options, std::int64_t dimension,
                      const DenseIcnnOptions& network) {
  if (options.network_share < 0)
    options.network_share = bends_freely(network, dimension) ? 0.9 : 0.0;
  if (options.batch == 0) options.batch = dimension < 256 ? 256 : 128;
  if (options.learning_rate == 0) options.learning_rate = dimension < 128 ? 5e-3 : 1e-2;
  return options;
}

std::int64_t w2gn_usual_steps(std::int64_t dimension) { return dimension <= 32 ? 5000 : 3000; }

W2gnOptions sized_for_images(W2gnOptions options) {
  if (options.network_share < 0) options.network_share = 0.5;
  if (options.batch == 0) options.batch = 8;
  if (options.learning_rate == 0) options.learning_rate = 1e-3;
  return options;
}

void take_shape(ConvIcnnOptions& network, const Table& given,
                const std::vector<std::int64_t>& shape) {
  if (shape.size() != 3 || shape[1] != shape[2])
    fail("source and target", "square images of one shape, since the network is conv_icnn",
         fmt::format("points of shape [{}]", fmt::join(shape, ", ")));
  networks::take_image_shape(given, shape, network.channels, network.size);
}

/// The coordinates in which points are mapped, there and back.
struct W2gn::Frames {
  explicit Frames(const AffineFrame& frame)
      : exact(frame),
        forward(frame.to_dtype(at::kFloat)),
        inverse(frame.inverse().to_dtype(at::kFloat)),
        enter_source(forward),
        enter_target(inverse) {}

  AffineFrame exact;             // float64
  AffineFrame forward, inverse;  // float32
  FrameEntry enter_source, enter_target;
};

W2gn::W2gn(std::int64_t dimension, const W2gnOptions& options, const DenseIcnnOptions& network,
           Random& random)
    : options_(sized_for(options, dimension, sized_for(network, dimension))) {
  const bool live = options_.start == "pretrain" || options_.network_share > 0;
  const auto initial = live ? DenseIcnn::Initial::paper : DenseIcnn::Initial::near_zero;
  const auto psi = std::make_shared<DenseIcnn>(dimension, network, initial, random);
  const auto omega = std::make_shared<DenseIcnn>(dimension, network, initial, random);
  set_frame(identity_frame(dimension));
  become_identity_ = [this, network = psi.get()](const Tensor& x) {
    network->become_identity(x, 1 - options_.network_share);
  };
  build(psi, omega, std::make_unique<W2gnStep>(*psi, *omega, weights_of(options_)));
}

W2gn::W2gn(const W2gnOptions& options, const ConvIcnnOptions& network, Random& random)
    : options_(sized_for_images(options)),
      image_shape_{network.channels, network.size, network.size} {
  if (options_.start == "affine")
    fail("solver.start", "identity or pretrain, since the network is conv_icnn", "affine");
  const auto psi = std::make_shared<ConvIcnn>(network, random);
  const auto omega = std::make_shared<ConvIcnn>(network, random);
  become_identity_ = [this, of = psi.get()](const Tensor& x) {
    of->become_identity(x, options_.network_share);
  };
  build(psi, omega, std::make_unique<RecordedW2gnStep>(psi, omega, weights_of(options_)));
}

template <class Network>
void W2gn::build(const std::shared_ptr<Network>& psi, const std::shared_ptr<Network>& omega,
                 std::unique_ptr<W2gnObjective> step) {
  psi_ = psi;
  omega_ = omega;
  load_parameters(*omega_, psi_->parameters(), "w2gn");
  adam_.emplace(pair_state(*psi_, *omega_),
                AdamOptions{options_.learning_rate, options_.beta1, options_.beta2, 1e-8},
                pair_bounds(*psi_, *omega_));
  step_ = std::move(step);
}

W2gn::~W2gn() = default;

void W2gn::set_frame(const AffineFrame& frame) { frames_ = std::make_unique<Frames>(frame); }

/// Images say much each and are many numbers.
Tensor W2gn::points_of_the_start(const Problem& problem, Random& random) const {
  const Measure& source = problem.source.measure();
  if (frames_) return frames_->forward.enter(source.sample(identity_points, random));
  return at::cat({source.sample(options_.batch, random),
                  problem.target.measure().sample(options_.batch, random)});
}

void W2gn::start(const Problem& problem, Random& random) {
  if (options_.start == "affine")
    set_frame(bures_wasserstein_frame(sampled_moments(problem.source.measure(), random),
                                      sampled_moments(problem.target.measure(), random)));
  if (!frames_ || (options_.start != "pretrain" && options_.network_share > 0))
    become_identity_(points_of_the_start(problem, random));
  if (options_.start == "pretrain") pretrain(problem, random);
  load_parameters(*omega_, psi_->parameters(), "w2gn");
}

/// Fits ∇psi(x) = x by least squares on points of both measures (appendix C.1).
void W2gn::pretrain(const Problem& problem, Random& random) {
  Adam adam(psi_->parameters(), {options_.learning_rate, options_.beta1, options_.beta2, 1e-8},
            psi_->lower_bounds());
  for (std::int64_t step = 0; step < options_.pretrain_steps; ++step) {
    const Tensor x = at::cat({problem.source.measure().sample(options_.batch, random),
                              problem.target.measure().sample(options_.batch, random)});
    const Tensor error = (psi_->gradient(x, Graph::create) - x).square().sum(1).mean();
    const double rate =
        1 - static_cast<double>(step) / static_cast<double>(options_.pretrain_steps);
    adam.step(torch::autograd::grad({error}, adam.parameters()), rate);
  }
}

StepReport W2gn::step(Problem& problem, double rate) {
  const Tensor x = problem.source.next(options_.batch), y = problem.target.next(options_.batch);
  W2gnTerms terms = frames_
                        ? step_->run(frames_->enter_source.enter(x), frames_->enter_target.enter(y))
                        : step_->run(x, y);
  Exchange(*problem.group, options_.batch)
      .means(step_->derivatives())
      .means({&terms.correlation, &terms.cycle, &terms.source_cycle})
      .run();
  StepReport report{.loss = terms.correlation + options_.cycle_weight * terms.cycle +
                            options_.source_cycle_weight * terms.source_cycle,
                    .terms = {{"correlation", terms.correlation}, {"cycle", terms.cycle}},
                    .gradient_norm = 0,
                    .finite = true};
  if (options_.source_cycle_weight > 0)
    report.terms.emplace_back("source_cycle", terms.source_cycle);
  update(report, rate);
  return report;
}

void W2gn::update(StepReport& report, double rate) {
  const at::NoGradGuard no_graph;
  const std::vector<Tensor>& derivatives = step_->derivatives();
  if (options_.weight_l1 > 0)
    for (std::size_t i = 0; i < derivatives.size(); ++i) {
      const Tensor& parameter = adam_->parameters()[i];
      report.loss += options_.weight_l1 * parameter.abs().sum().item<double>();
      Tensor(derivatives[i]).add_(parameter.sign(), options_.weight_l1);
    }
  report.gradient_norm = norm_of(derivatives);
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (!report.finite) return;
  if (options_.clip > 0 && report.gradient_norm > options_.clip)
    at::_foreach_mul_(derivatives, options_.clip / report.gradient_norm);
  adam_->step(derivatives, rate);
}

/// Appendix C.2: a step costs about ten evaluations of each potential, in multiplications one for
/// every weight and point; a convolution's weights have one for every pixel.
double W2gn::step_work() const {
  if (!frames_) return 0;
  double weights = 0;
  for (const Tensor& parameter : adam_->parameters())
    weights += static_cast<double>(parameter.numel());
  return 10 * static_cast<double>(options_.batch) * weights;
}

Solution W2gn::solution() const {
  if (!frames_)
    return {std::make_shared<ImageBrenierMap>(psi_, image_shape_),
            std::make_shared<ImageBrenierMap>(omega_, image_shape_)};
  return {std::make_shared<BrenierMap>(psi_, frames_->forward),
          std::make_shared<BrenierMap>(omega_, frames_->inverse)};
}

State W2gn::state() const {
  State state = pair_state(*psi_, *omega_);
  insert_state(state, "adam", adam_->state());
  if (frames_) insert_state(state, "frame", frames_->exact.state());
  return state;
}

void W2gn::restore(const State& state) {
  load_parameters(*psi_, extract_state(state, "psi"), "w2gn");
  load_parameters(*omega_, extract_state(state, "omega"), "w2gn");
  adam_->restore(extract_state(state, "adam"));
  if (frames_) set_frame(frame_from_state(extract_state(state, "frame"), psi_->dimension()));
}

}  // namespace monge
