#include "monge/latent_stage.h"

#include "monge/log.h"
#include "monge/solvers/autoencoder_fit.h"

#include "evaluation_points.h"

namespace monge {
namespace {

constexpr std::int64_t watched = 256, known = 4096;  // points of each side

/// Of both sides.
Tensor points_of(const Measure& source, const Measure& target, std::int64_t count,
                 std::uint64_t seed) {
  Random random(seed, "autoencoder points");
  return at::cat({distinct_points(source, count, random), distinct_points(target, count, random)});
}

}  // namespace

Evaluator LatentStage::evaluator() const {
  const Tensor points = points_of(*source.held_out, *target.held_out, watched, seed);
  return [points](const Solution& solution) {
    const double error = reconstruction_error(points, solution.map->transport(points));
    return Quality{.value = error, .figures = {{"unexplained variance", error}}};
  };
}

LatentStage make_latent_stage(const LatentOptions& options, const TrainOptions& train,
                              const Split& source, const Split& target, std::uint64_t seed,
                              const std::shared_ptr<ProcessGroup>& group) {
  Random random(seed, "autoencoder");
  auto autoencoder = std::make_shared<Autoencoder>(options, target.train->shape(), random);
  Problem problem{.source = Sampler(source.train, Random(seed, "autoencoder source")),
                  .target = Sampler(target.train, Random(seed, "autoencoder target")),
                  .group = group};
  problem.source.join(group);
  problem.target.join(group);
  TrainOptions budget = train;
  budget.max_steps = options.steps;
  budget.max_seconds = 0;
  budget.evaluate_every = 0;
  budget.schedule = "cosine";
  return {autoencoder,
          std::make_unique<AutoencoderFit>(autoencoder),
          std::move(problem),
          sized_for(budget),
          source,
          target,
          seed};
}

TrainSummary train_latent(LatentStage& stage, std::span<Callback* const> callbacks,
                          const State* resumed) {
  ProcessGroup& group = *stage.problem.group;
  if (!resumed && group.leads()) {
    Random random(stage.seed, "autoencoder start");
    stage.solver->start(stage.problem, random);
  }
  const TrainSummary summary =
      train(*stage.solver, stage.problem, stage.train, stage.evaluator(), callbacks, resumed);
  if (summary.reason == StopReason::interrupted) throw LatentInterrupted(summary);
  if (summary.reason == StopReason::diverged)
    log::warning(fmt::format("{}: {}", stage.solver->name(), summary.message));
  stage.autoencoder->standardise(
      points_of(*stage.source.train, *stage.target.train, known, stage.seed));
  copy_parameters(stage.autoencoder->state(), broadcast(group, stage.autoencoder->state()),
                  "autoencoder");
  return summary;
}

}  // namespace monge
