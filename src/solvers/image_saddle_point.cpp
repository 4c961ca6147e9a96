#include "monge/solvers/image_saddle_point.h"

#include "monge/error.h"
#include "monge/networks/song_unet.h"
#include "monge/networks/unet.h"
#include "monge/unet_map.h"

#include "networks/images.h"
#include "solvers/exchange.h"
#include "solvers/image_saddle_point_step.h"

#include <bit>

namespace monge {
namespace {

constexpr std::int64_t least_size = 16;  // of the UNet's four halvings

std::string text_of(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void require_images(const std::vector<std::int64_t>& shape) {
  constexpr const char* where = "source and target";
  if (shape.size() != 3)
    fail(where, "images of one shape [channels, height, width], since the network is one of images",
         fmt::format("points of shape {}", text_of(shape)));
  const auto times = static_cast<std::uint64_t>(shape[1] / least_size);
  if (shape[1] != shape[2] || shape[1] % least_size != 0 || !std::has_single_bit(times))
    fail(where, "square images of 16, 32, 64, 128, ... pixels a side",
         fmt::format("images of shape {}", text_of(shape)));
}

void require_unset(const char* option, bool unset, const std::string& expected,
                   const std::string& got) {
  if (!unset)
    fail(fmt::format("solver.{}", option), expected + ", since the network is one of images", got);
}

void require_fit(const SaddlePointOptions& options, double gamma) {
  require_unset("map", options.map != "gradient", "network", options.map);
  require_unset("map_hidden", options.map_hidden.empty(), "none and map_width",
                text_of(options.map_hidden));
  require_unset("noise_dimension", options.noise_dimension == 0, "0 and noise_channels",
                std::to_string(options.noise_dimension));
  require_unset("convexity", options.convexity == "clamp", "clamp", options.convexity);
  require_unset("expectile_weight", options.expectile_weight == 0, "0",
                fmt::format("{}", options.expectile_weight));
  require_unset("bidirectional", !options.bidirectional, "false", "true");
  if (options.map_network == "unet" && options.map_attention > 0)
    fail("solver.map_attention", "0, since the map's network is unet",
         std::to_string(options.map_attention));
  if (gamma > 0 && options.noise_channels < 1)
    fail("solver.noise_channels", "at least 1, since the cost is weak", "0");
  if (gamma > 0 && options.noise_samples < 2)
    fail("solver.noise_samples", "at least 2, since the cost is weak", "1");
}

/// Throws where the options or the cost do not fit a potential that has levels.
void require_fit_of_levels(const SaddlePointOptions& options, double gamma) {
  constexpr const char* since = "since the network is noised_resnet_critic";
  if (gamma > 0)
    fail("cost", fmt::format("a strong one, {}", since), fmt::format("gamma = {}", gamma));
  if (options.noise_channels > 0)
    fail("solver.noise_channels", fmt::format("0, {}", since),
         std::to_string(options.noise_channels));
}

SaddlePointOptions sized_for(SaddlePointOptions options, std::int64_t dimension) {
  if (options.map == "auto") options.map = "network";
  if (options.noise_channels == 0) options.noise_samples = 1;
  if (options.batch == 0) options.batch = 64;
  if (options.learning_rate == 0) options.learning_rate = 1e-3;
  if (options.potential_learning_rate == 0) options.potential_learning_rate = options.learning_rate;
  if (options.cost_scale == 0) options.cost_scale = 2 / static_cast<double>(dimension);
  return options;
}

std::shared_ptr<ImageNetwork> make_map(const SaddlePointOptions& options,
                                       const ResNetCriticOptions& images, Random& random) {
  if (options.map_network == "unet")
    return std::make_shared<UNet>(UNetOptions{.channels = images.channels,
                                              .noise_channels = options.noise_channels,
                                              .size = images.size,
                                              .width = options.map_width},
                                  random);
  return std::make_shared<SongUNet>(SongUNetOptions{.channels = images.channels,
                                                    .noise_channels = options.noise_channels,
                                                    .size = images.size,
                                                    .width = options.map_width,
                                                    .multipliers = options.map_multipliers,
                                                    .blocks = options.map_blocks,
                                                    .attention = options.map_attention},
                                    random);
}

}  // namespace

void take_shape(ResNetCriticOptions& network, const Table& given,
                const std::vector<std::int64_t>& shape) {
  require_images(shape);
  networks::take_image_shape(given, shape, network.channels, network.size);
}

ImageSaddlePoint::ImageSaddlePoint(const ResNetCriticOptions& network,
                                   const SaddlePointOptions& options, const WeakCost& cost,
                                   Random& random)
    : options_(options), cost_(cost), noise_(0, "unset") {
  require_fit(options_, cost_.gamma());
  potential_.critic = std::make_shared<ResNetCritic>(network, random);
  build(network, random);
}

ImageSaddlePoint::ImageSaddlePoint(const NoisedResNetCriticOptions& network,
                                   const SaddlePointOptions& options, const WeakCost& cost,
                                   Random& random)
    : options_(options), cost_(cost), noise_(0, "unset") {
  require_fit_of_levels(options_, cost_.gamma());
  require_fit(options_, cost_.gamma());
  potential_.noised = std::make_shared<NoisedResNetCritic>(network, random);
  build(network, random);
}

void ImageSaddlePoint::build(const ResNetCriticOptions& images, Random& random) {
  options_ = sized_for(options_, potential_.any().dimension());
  for (auto* one : {&map_, &average_}) *one = make_map(options_, images, random);
  copy_parameters(average_->parameters(), map_->parameters(), "saddle_point");
  const Computation computation = computation_of(options_.device, options_.precision);
  move_to(computation.device, potential_.any().parameters());
  for (const auto& one : {map_, average_})
    for (const State& tensors : {one->parameters(), one->statistics()})
      move_to(computation.device, tensors);
  map_adam_.emplace(
      map_->parameters(),
      AdamOptions{options_.learning_rate, options_.beta1, options_.beta2, 1e-8, options_.average},
      std::map<std::string, double>(), options_.average > 0 ? average_->parameters() : State());
  potential_adam_.emplace(
      potential_.any().parameters(),
      AdamOptions{options_.potential_learning_rate, options_.beta1, options_.beta2, 1e-8});
  step_ = std::make_unique<ImageSaddlePointStep>(
      ImageObjective{.noise_samples = options_.noise_samples,
                     .noise_scale = options_.noise_scale,
                     .gamma = cost_.gamma_at(0),
                     .exponent = cost_.exponent(),
                     .cost_scale = options_.cost_scale,
                     .residual = options_.residual,
                     .micro_batch = options_.micro_batch,
                     .computation = computation},
      potential_.critic ? image_potential(*potential_.critic) : image_potential(*potential_.noised),
      *map_);
}

ImageSaddlePoint::~ImageSaddlePoint() = default;

void ImageSaddlePoint::start(const Problem& problem, Random& random) {
  noise_ = Random(
      static_cast<std::uint64_t>(random.integers(std::int64_t{1} << 62, 1).item<std::int64_t>()),
      "noise");
  if (potential_.noised) potential_.noised->levels().measure(problem.target.measure(), random);
}

/// The points where the networks are.
Tensor ImageSaddlePoint::placed(const Tensor& points) const {
  return points.to(map_adam_->parameters().front().device());
}

/// Of the noise of a batch, that of the own rows.
Tensor ImageSaddlePoint::noise(const Rows& own) {
  if (!noisy()) return {};
  const ImageShape shape = map_->shape();
  const std::int64_t samples = options_.noise_samples;
  return placed(
      noise_.normal({options_.batch * samples, shape.noise_channels * shape.size * shape.size})
          .narrow(0, own.begin * samples, own.count * samples));
}

/// Of the noise and the levels at which the potential sees a batch, those of the own rows.
Tensor ImageSaddlePoint::levels(const Rows& own) {
  if (!potential_.noised) return {};
  return rows_in(potential_.noised->levels().draw(options_.batch, noise_), own);
}

/// One step of the map, or none where its scaled derivatives overflowed; false where it would have
/// left the finite numbers.
bool ImageSaddlePoint::improve_map(Problem& problem, double rate) {
  const Rows own = problem.group->rows_of(options_.batch);
  SaddlePointTerms terms =
      step_->for_map(placed(problem.source.next(options_.batch)), noise(own), levels(own));
  Exchange(*problem.group, options_.batch)
      .means(step_->map_derivatives())
      .means(tensors_of(map_->statistics()))
      .means({&terms.cost, &terms.mapped})
      .run();
  if (!std::isfinite(terms.cost) || !std::isfinite(terms.mapped)) return false;
  const bool finite = std::isfinite(norm_of(step_->map_derivatives()));
  if (!step_->map_scale().take(finite)) return true;
  if (!finite) return false;
  map_adam_->step(step_->map_derivatives(), rate);
  if (options_.average > 0) average_statistics();
  return true;
}

/// The averaged parameters have the moments of their activations averaged along with them.
void ImageSaddlePoint::average_statistics() {
  const at::NoGradGuard no_graph;
  const double share = map_adam_->newest_share();
  const State live = map_->statistics();
  for (const auto& [name, moments] : average_->statistics())
    Tensor(moments).lerp_(live.at(name), share);
}

StepReport ImageSaddlePoint::step(Problem& problem, double rate) {
  StepReport report;
  step_->set_gamma(cost_.gamma_at(potential_adam_->steps()));
  for (std::int64_t inner = 0; inner < options_.inner_steps; ++inner)
    if (!improve_map(problem, rate)) {
      report.loss = std::numeric_limits<double>::quiet_NaN();
      report.finite = false;
      return report;
    }
  const Tensor x = placed(problem.source.next(options_.batch));
  const Tensor y = placed(problem.target.next(options_.batch));
  const Rows own = problem.group->rows_of(options_.batch);
  SaddlePointTerms terms = step_->for_potential(x, noise(own), y, levels(own));
  Exchange(*problem.group, options_.batch)
      .means(step_->potential_derivatives())
      .means(tensors_of(map_->statistics()))
      .means({&terms.cost, &terms.mapped, &terms.target})
      .run();
  report.loss = terms.cost + terms.target - terms.mapped;
  report.terms = {{"cost", terms.cost}, {"gap", terms.target - terms.mapped}};
  report.gradient_norm = norm_of(step_->potential_derivatives());
  if (std::isfinite(report.loss) &&
      !step_->potential_scale().take(std::isfinite(report.gradient_norm))) {
    report.gradient_norm = 0;  // of the update that was left out
    return report;
  }
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (report.finite) potential_adam_->step(step_->potential_derivatives(), rate);
  return report;
}

Solution ImageSaddlePoint::solution() const {
  const auto& network = options_.average > 0 ? average_ : map_;
  if (noisy())
    return {std::make_shared<StochasticUNetMap>(network, options_.residual, options_.noise_scale),
            nullptr};
  return {std::make_shared<UNetMap>(network, options_.residual), nullptr};
}

State ImageSaddlePoint::state() const {
  State state{{"noise", noise_.state()}};
  insert_state(state, "potential", potential_.any().parameters());
  insert_state(state, "map", map_->parameters());
  insert_state(state, "map_statistics", map_->statistics());
  insert_state(state, "average", average_->parameters());
  insert_state(state, "average_statistics", average_->statistics());
  insert_state(state, "map_adam", map_adam_->state());
  insert_state(state, "potential_adam", potential_adam_->state());
  insert_state(state, "map_scale", step_->map_scale().state());
  insert_state(state, "potential_scale", step_->potential_scale().state());
  if (potential_.noised)
    insert_state(state, "statistics", potential_.noised->levels().statistics());
  return state;
}

void ImageSaddlePoint::restore(const State& state) {
  const auto copied = [&](const char* prefix, const State& mine) {
    copy_parameters(mine, extract_state(state, prefix), fmt::format("saddle_point: {}", prefix));
  };
  copied("potential", potential_.any().parameters());
  if (potential_.noised) copied("statistics", potential_.noised->levels().statistics());
  copied("map", map_->parameters());
  copied("map_statistics", map_->statistics());
  copied("average", average_->parameters());
  copied("average_statistics", average_->statistics());
  copied("map_scale", step_->map_scale().state());
  copied("potential_scale", step_->potential_scale().state());
  map_adam_->restore(extract_state(state, "map_adam"));
  potential_adam_->restore(extract_state(state, "potential_adam"));
  noise_.set_state(require_tensor(state, "noise", "saddle_point"));
}

}  // namespace monge
