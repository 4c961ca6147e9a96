#pragma once

#include "monge/networks/resnet_critic.h"
#include "monge/networks/unet.h"
#include "monge/solvers/saddle_point.h"

namespace monge {

class ImageSaddlePointStep;

/// The critic's options for points of `shape`, channels and size taken from it; `given` are those
/// that the user set. Throws Error where the points are no square images of 16 2^k pixels, and
/// where the user set others.
ResNetCriticOptions sized_for(const Table& given, const std::vector<std::int64_t>& shape);

/// Neural Optimal Transport of images (Korotin et al. 2023, section 5): the game of SaddlePoint
/// between a UNet for the map, T(x) or T(x, z) with z as further channels, and a residual critic
/// for the potential. The solution is the UNet of the averaged parameters, normalised by the
/// average of the running moments.
class ImageSaddlePoint final : public Solver {
 public:
  /// Throws Error where the options do not fit images, one another or the cost.
  ImageSaddlePoint(const ResNetCriticOptions& network, const SaddlePointOptions& options,
                   const WeakCost& cost, Random& random);
  ~ImageSaddlePoint() override;

  std::string name() const override { return "saddle_point"; }
  Table options() const override { return saddle_point_declaration().write(options_); }
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

 private:
  bool noisy() const { return options_.noise_channels > 0; }
  Tensor noise(const Rows& own);
  bool improve_map(Problem& problem, double rate);
  void average_statistics();

  SaddlePointOptions options_;
  WeakCost cost_;
  std::shared_ptr<ResNetCritic> potential_;
  std::shared_ptr<UNet> map_, average_;
  Random noise_;
  std::optional<Adam> map_adam_, potential_adam_;
  std::unique_ptr<ImageSaddlePointStep> step_;
};

}  // namespace monge
