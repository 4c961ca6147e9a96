#include "monge/affine.h"
#include "monge/conditional.h"
#include "monge/conjugate.h"
#include "monge/density.h"
#include "monge/discrete.h"
#include "monge/error.h"
#include "monge/experiment.h"
#include "monge/image_brenier_map.h"
#include "monge/latent_map.h"
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/gaussian_mixture.h"
#include "monge/measures/sheet.h"
#include "monge/metric.h"
#include "monge/mixture_plan.h"
#include "monge/networks/autoencoder.h"
#include "monge/plan_check.h"
#include "monge/smoothing.h"

#include "evaluation_points.h"
#include "image_evaluation.h"

namespace monge {
namespace {

/// The optimal map where both measures are Gaussian.
std::optional<AffineMap> known_map(const Measure& source, const Measure& target) {
  if (!dynamic_cast<const GaussianMeasure*>(&source) ||
      !dynamic_cast<const GaussianMeasure*>(&target) || source.dimension() != target.dimension())
    return std::nullopt;
  return bures_wasserstein_map(*source.moments(), *target.moments());
}

void add_known_figures(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                       const Measure& source, const Measure& target,
                       const EvaluationPoints& points) {
  const auto forward = known_map(source, target);
  if (!forward) return;
  const Tensor truth = AffineTransportMap(*forward).transport(points.x);
  const Tensor mapped = solution.map->transport(points.x);
  const double variance = target.moments()->covariance.trace().item<double>();
  figures.push_back(
      {"l2_uvp", l2_uvp(mapped, truth, variance),
       "100 · E|T(x) - T*(x)|² / Var(Q), %, against the known optimal map; 0 is perfect"});
  figures.push_back({"cosine", cosine_similarity(points.x, mapped, truth),
                     "cosine of T(x) - x and T*(x) - x; 1 is perfect"});
  if (!solution.inverse) return;
  const Tensor back = AffineTransportMap(*known_map(target, source)).transport(points.y);
  figures.push_back({"inverse_l2_uvp",
                     l2_uvp(solution.inverse->transport(points.y), back,
                            source.moments()->covariance.trace().item<double>()),
                     "the same of the inverse map, %"});
}

/// Between sheets of lower dimension, where a smoothed source has a known optimal map.
void add_sheet_figures(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                       const Measure& source, const Measure& target, std::uint64_t seed) {
  constexpr std::int64_t drawn = 20000;
  const auto* from = dynamic_cast<const SheetMeasure*>(&source);
  const auto* to = dynamic_cast<const SheetMeasure*>(&target);
  if (!from || !to) return;
  Random random(seed, "sheets");
  const Tensor x = source.sample(drawn, random);
  if (const auto* plan = dynamic_cast<const SmoothedMap*>(solution.map.get())) {
    Tensor seen = x.clone();
    plan->noise().add_to(seen, random.normal(seen.sizes()));
    if (const auto truth = smoothed_sheet_transport(*from, *to, plan->noise(), seen))
      figures.push_back(
          {"l2_uvp",
           l2_uvp(plan->map()->transport(seen), *truth,
                  to->moments()->covariance.trace().item<double>()),
           "100 · E|T(x) - T*(x)|² / Var(Q), %, at points of the smoothed source, against its "
           "optimal map; 0 is perfect"});
  }
  if (!to->options().mirrored) return;
  constexpr double near = 0.1;  // of the distance of the sheets
  const auto* plan = dynamic_cast<const StochasticMap*>(solution.map.get());
  const Tensor mapped = to->flat(plan ? plan->sample(x, random) : solution.map->transport(x));
  const Tensor fixed = to->is_free().logical_not().to(at::kDouble);
  const double offset = std::abs(to->options().offset),
               width = std::sqrt(fixed.sum().item<double>());
  const Tensor above = mapped.mv(fixed) > 0;
  const Tensor side = at::where(above, offset, -offset).unsqueeze(1);
  const Tensor apart = ((mapped - side) * fixed).norm(2, {1}) / (2 * offset * width);
  const auto share = [](const Tensor& which) {
    return which.to(at::kDouble).mean().item<double>();
  };
  figures.push_back({"share_above", share(above),
                     "share of mapped points on the target's upper sheet; 0.5 is right"});
  figures.push_back({"share_on_sheets", share(apart < near),
                     "share of mapped points within a tenth of the sheets' distance of one; 1 is "
                     "right"});
}

/// Where the target is a mixture of round Gaussians: how much mass each of its modes gets.
void add_mode_figures(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                      const Measure& source, const Measure& target, std::uint64_t seed) {
  constexpr std::int64_t drawn = 50000;
  const auto* mixture = dynamic_cast<const GaussianMixture*>(&target);
  if (!mixture || mixture->spreads().dim() != 1) return;
  Random random(seed, "modes");
  const auto shares = [&](const Tensor& points) {
    return mode_shares(points, mixture->centers(), mixture->spreads(), mixture->weights());
  };
  const ModeShares mapped = shares(solution.map->transport(source.sample(drawn, random)));
  figures.push_back({"least_mode_mass", mapped.least,
                     "smallest mass of a mode over the right one, points counted to the nearest"});
  figures.push_back(
      {"largest_mode_mass", mapped.most, "largest mass of a mode over the right one"});
  figures.push_back(
      {"within_3_std", mapped.within,
       fmt::format("share of mapped points within 3 standard deviations of a mode; of "
                   "the target's own {:.3f}",
                   shares(target.sample(drawn, random)).within)});
}

/// Where both densities are known, the divergence of the mapped source from the target.
void add_divergence(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                    const Measure& source, const Measure& target, const Tensor& x) {
  // The average over the points takes the noise of the determinants away: few probes do.
  const LogDetOptions options{.exact_dimension = 64, .probes = 2, .steps = 20};
  constexpr std::int64_t few = 128;  // where each point costs probes x steps products
  const bool exact = x.size(1) <= options.exact_dimension;
  const Tensor points = exact ? x : x.narrow(0, 0, std::min(few, x.size(0)));
  const auto divergence = kl_pushed(*solution.map, source, target, points, options);
  if (!divergence) return;
  figures.push_back(
      {"kl_pushed", divergence->value,
       "KL(T#P | Q) = E[log p(x) - log|det ∇T(x)| - log q(T(x))], nats; 0 is perfect, "
       "infinite where T leaves the target's support"});
  if (std::isfinite(divergence->standard_error))
    figures.push_back({"kl_pushed_error", divergence->standard_error,
                       fmt::format("standard error of kl_pushed over {} points", points.size(0))});
}

/// The measure itself, which is the caller's, or that of its codes.
std::shared_ptr<const Measure> side_of(const Measure& measure, bool is_data,
                                       const LatentSpace& space) {
  const std::shared_ptr<const Measure> held(std::shared_ptr<void>(), &measure);
  return is_data ? encoded(held, space.autoencoder) : held;
}

/// For maps through a latent space: how right they are between the codes, where they were learned.
void add_latent_figures(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                        const Measure& source, const Measure& target, std::int64_t points,
                        std::uint64_t seed) {
  const auto parts = latent_parts(*solution.map);
  if (!parts) return;
  const LatentSpace& space = parts->space;
  const EvaluationPoints set =
      draw_evaluation_points(*side_of(source, space.source_is_data, space),
                             *side_of(target, space.target_is_data, space), points, seed);
  const Tensor mapped = parts->map->transport(set.x);
  const QuadraticCost cost;
  figures.push_back({"latent_energy_distance", energy_distance(mapped, set.y),
                     "between mapped source and target in the latent space"});
  figures.push_back({"latent_energy_distance_floor", energy_distance(set.y_other, set.y),
                     "the same between two samples of the target"});
  figures.push_back(
      {"latent_transport_cost", transport_cost(set.x, mapped, cost), "½ E|u - T(u)|² of codes u"});
  figures.push_back({"latent_optimal_cost", exact_plan(set.x, set.y, cost).cost,
                     "the cost of the exact discrete plan between these very codes"});
}

/// Whether the points of the figures are those of the training, and finitely many.
bool trained_on_all(const Split& split) {
  return split.train == split.held_out &&
         dynamic_cast<const FiniteMeasure*>(split.train.get()) != nullptr;
}

constexpr const char* conditional_variance = "conditional_variance";
constexpr const char* conditional_target = "conditional_variance_target";

/// For stochastic maps: what of their variety comes of the noise; of codes where they are through a
/// latent space.
void add_spread(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                const Measure& source, double gamma, std::uint64_t seed) {
  if (const auto parts = latent_parts(*solution.map))
    return add_spread(figures, {parts->map, nullptr},
                      *side_of(source, parts->space.source_is_data, parts->space), gamma, seed);
  const auto* map = dynamic_cast<const StochasticMap*>(solution.map.get());
  if (!map) return;
  const bool costly = is_image(source.shape());  // a network's pass for every draw
  Random random(seed, "conditional spread");
  const Tensor x = distinct_points(source, costly ? 128 : 512, random);
  const ConditionalSpread spread = conditional_spread(*map, x, gamma, costly ? 4 : 8, random);
  figures.push_back({"diversity", spread.diversity, "E |T(x, z) - T(x, z')|"});
  figures.push_back({conditional_variance, spread.variance,
                     "E var_z T(x, z) over Var(T#P): 0 where the map ignores z"});
  if (gamma > 0)
    figures.push_back({conditional_target, spread.target,
                       "what the weak cost wants it to be, from mixing the map's own points"});
}

EvaluatedFigure unfinished_searches(const ConjugateMap::Unfinished& searches) {
  std::string meaning = "share of target points whose search for the inverse does not come to rest";
  if (searches.not_convex > 0)
    meaning +=
        fmt::format("; {:.2g} of all: the potential is not convex there", searches.not_convex);
  if (searches.unbounded > 0)
    meaning += fmt::format("; {:.2g} of all: no source point goes near, the conjugate is infinite",
                           searches.unbounded);
  return {"inverse_unfinished", searches.share, meaning};
}

/// For gradients of potentials: whether the potential is convex, as it must be.
void add_convexity(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                   const Tensor& points, std::uint64_t seed) {
  constexpr std::int64_t segments = 1000, of_images = 100;
  const auto* map = dynamic_cast<const BrenierMap*>(solution.map.get());
  const auto* image_map = dynamic_cast<const ImageBrenierMap*>(solution.map.get());
  if (!map && !image_map) return;
  Random random(seed, "segments");
  const double violation =
      map ? convexity_violation(map->potential(), map->frame().enter(points), segments, random)
          : convexity_violation(image_map->potential(), points, of_images, random);
  figures.push_back({"convexity_violation", violation,
                     "largest relative rise above a chord of the potential; 0 up to rounding where "
                     "the map is a gradient of a convex function"});
}

/// How far the inverse map is from that of the map, at the points `x` that the latter moved.
void add_cycle_error(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                     const Tensor& x, const Tensor& mapped) {
  const double variance = x.to(at::kDouble).var(0, false).sum().item<double>();
  if (variance > 0)
    figures.push_back({"cycle_error", l2_uvp(solution.inverse->transport(mapped), x, variance),
                       "100 · E|S(T(x)) - x|² / Var(P), %, of the inverse map S"});
}

/// For gradients of potentials of images: what says whether they are those of convex functions and
/// inverse to one another.
void add_image_potential_figures(std::vector<EvaluatedFigure>& figures, const Solution& solution,
                                 const Measure& source, std::uint64_t seed) {
  constexpr std::int64_t images = 64;
  if (!dynamic_cast<const ImageBrenierMap*>(solution.map.get())) return;
  Random random(seed, "image potential");
  const Tensor x = distinct_points(source, images, random);
  add_cycle_error(figures, solution, x, solution.map->transport(x));
  add_convexity(figures, solution, x, seed);
}

}  // namespace

const Declaration<EvaluateOptions>& evaluate_declaration() {
  using O = EvaluateOptions;
  static const auto declaration =
      Declaration<O>("section", "evaluate", "What the figures are measured on.", "")
          .option("points", &O::points, "Held-out points of each measure.", between(10, 20000))
          .option(
              "holdout", &O::holdout,
              "Share of an array's rows, or of the images, kept out of training for evaluation; "
              "a share of fewer than 50 is not kept out.",
              between(0, 0.9))
          .option("features", &O::features,
                  "InceptionV3 weights for the FID of images, written by `python -m "
                  "monge.convert_features inception`; none: the offline features.")
          .option("perceptual", &O::perceptual,
                  "LPIPS weights for images, written by `python -m monge.convert_features lpips`; "
                  "none: the offline features.")
          .option("statistics", &O::statistics,
                  "Statistics of the features of the whole target, an npz file as pytorch-fid "
                  "writes it.");
  return declaration;
}

std::vector<EvaluatedFigure> evaluate_solution(const Solution& solution, const Measure& source,
                                               const Measure& target, std::int64_t points,
                                               std::uint64_t seed,
                                               const EvaluationSettings& settings) {
  if (makes_images(source, target)) {
    auto figures = evaluate_images(solution, source, target, points, seed, settings.images);
    add_latent_figures(figures, solution, source, target, points, seed);
    add_image_potential_figures(figures, solution, source, seed);
    add_spread(figures, solution, source, settings.gamma, seed);
    return figures;
  }
  constexpr std::int64_t numbers = 1 << 22;  // of a set; there are four, and twice that for means
  const EvaluationPoints set =
      draw_evaluation_points(source, target, affordable(source, points, numbers), seed);
  const Tensor mapped = solution.map->transport(set.x);
  if (!mapped.isfinite().all().item<bool>())
    throw Error("evaluate: the map gives values that are not finite");
  const QuadraticCost cost;
  std::vector<EvaluatedFigure> figures;
  figures.push_back({"points", static_cast<double>(set.x.size(0)),
                     "of each measure, on which the following figures stand"});
  add_known_figures(figures, solution, source, target, set);
  add_sheet_figures(figures, solution, source, target, seed);
  figures.push_back(
      {"energy_distance", energy_distance(mapped, set.y),
       "between mapped source and target, 2 E|T(x) - y| - E|T(x) - T(x')| - E|y - y'|"});
  figures.push_back({"energy_distance_floor", energy_distance(set.y_other, set.y),
                     "the same between two samples of the target: what sampling alone gives"});
  figures.push_back({"w2_squared", exact_w2_squared(mapped, set.y),
                     "exact squared W2 between mapped source and target on samples"});
  figures.push_back({"w2_squared_floor", exact_w2_squared(set.y_other, set.y),
                     "the same between two samples of the target"});
  if (source.dimension() == target.dimension()) {
    figures.push_back({"transport_cost", transport_cost(set.x, mapped, cost), "½ E|x - T(x)|²"});
    figures.push_back(
        {"optimal_cost", exact_plan(set.x, set.y, cost).cost,
         "the cost of the exact discrete plan between these very points, which varies with them"});
  }
  if (solution.inverse) {
    figures.push_back({"inverse_energy_distance",
                       energy_distance(solution.inverse->transport(set.y), set.x),
                       "between the target mapped back and the source"});
    if (const auto* search = dynamic_cast<const ConjugateMap*>(solution.inverse.get()))
      figures.push_back(unfinished_searches(search->unfinished(set.y)));
    add_cycle_error(figures, solution, set.x, mapped);
  }
  add_latent_figures(figures, solution, source, target, points, seed);
  add_divergence(figures, solution, source, target, set.x);
  add_mode_figures(figures, solution, source, target, seed);
  add_convexity(figures, solution, set.x, seed);
  add_spread(figures, solution, source, settings.gamma, seed);
  return figures;
}

std::vector<EvaluatedFigure> evaluate_splits(const Solution& solution, const Split& source,
                                             const Split& target, std::int64_t points,
                                             std::uint64_t seed,
                                             const EvaluationSettings& settings) {
  auto figures =
      evaluate_solution(solution, *source.held_out, *target.held_out, points, seed, settings);
  for (const auto& [name, split] : {std::pair("source", &source), std::pair("target", &target)})
    if (trained_on_all(*split))
      figures.push_back(
          {fmt::format("{}_trained_on", name), 1,
           "too few rows to hold any out: its figures are on points of the training"});
  return figures;
}

std::vector<std::string> warnings_of(std::span<const EvaluatedFigure> figures) {
  const auto value = [&](const char* name) {
    const auto found = std::ranges::find(figures, name, &EvaluatedFigure::name);
    return found == figures.end() ? 0 : found->value;
  };
  const ConditionalSpread spread{value(conditional_variance), value(conditional_target), 0};
  if (!spread.collapsed()) return {};
  return {fmt::format(
      "conditional collapse: T(x, z) hardly depends on z; {:.2g} of its variance is over z, where "
      "the weak cost wants about {:.2g}",
      spread.variance, spread.target)};
}

PlanCheck judge_plan(const Solution& solution, const Measure& source, const Measure& target,
                     std::string_view cost, std::int64_t points, std::uint64_t seed) {
  constexpr std::int64_t most_points = 1000;  // exact plans take seconds
  if (const auto parts = latent_parts(*solution.map)) {
    const LatentSpace& space = parts->space;
    return judge_plan({parts->map, nullptr}, *side_of(source, space.source_is_data, space),
                      *side_of(target, space.target_is_data, space), cost, points, seed);
  }
  const TransportMap& map = *solution.map;
  const bool entropic =
      dynamic_cast<const MixturePlan*>(&map) || dynamic_cast<const BarycentricMap*>(&map);
  constexpr std::int64_t numbers = 1 << 20;  // of a set; there are 24, in float64
  return check_plan(map, source, target, seed,
                    {.points = affordable(source, std::min(points, most_points), numbers),
                     .judge_cost = cost == "quadratic" && !entropic});
}

}  // namespace monge
