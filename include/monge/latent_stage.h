#pragma once

#include "monge/experiment.h"
#include "monge/networks/autoencoder.h"

#include <cstdint>
#include <memory>
#include <span>

namespace monge {

/// The training of an autoencoder before the transport in its latent space.
struct LatentStage {
  std::shared_ptr<Autoencoder> autoencoder;
  std::unique_ptr<Solver> solver;  ///< an AutoencoderFit
  Problem problem;
  TrainOptions train;
  Split source, target;  ///< of data; the same one where the other side is of the latent space
  std::uint64_t seed;

  /// The unexplained variance of held-out points, reconstruction_error().
  Evaluator evaluator() const;
};

/// The stage of [latent] for points of `source` and `target`, with the guards of [train].
LatentStage make_latent_stage(const LatentOptions& options, const TrainOptions& train,
                              const Split& source, const Split& target, std::uint64_t seed,
                              const std::shared_ptr<ProcessGroup>& group);

/// Thrown where the training of an autoencoder was interrupted: not an error, and nothing follows.
struct LatentInterrupted : std::exception {
  explicit LatentInterrupted(const TrainSummary& ended) : summary(ended) {}
  const char* what() const noexcept override {
    return "the training of the autoencoder was interrupted";
  }

  TrainSummary summary;
};

/// Trains the stage's autoencoder, from a checkpoint where there is one, and centres and scales its
/// codes; all processes of a group together. Returns how it ended; throws LatentInterrupted where a
/// callback stops it.
TrainSummary train_latent(LatentStage& stage, std::span<Callback* const> callbacks = {},
                          const State* resumed = nullptr);

}  // namespace monge
