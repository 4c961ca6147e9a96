#pragma once

#include "monge/networks/image_network.h"
#include "monge/networks/noised_resnet_critic.h"
#include "monge/networks/resnet_critic.h"
#include "monge/solvers/saddle_point.h"

namespace monge {

class ImageSaddlePointStep;

/// Takes channels and size from points of `shape`; `given` are the options that the user set.
/// Throws Error where the points are no square images of 16 2^k pixels, and where the user set
/// others.
void take_shape(ResNetCriticOptions& network, const Table& given,
                const std::vector<std::int64_t>& shape);

/// Neural Optimal Transport of images (Korotin et al. 2023, section 5): the game of SaddlePoint
/// between a UNet or SongUNet for the map, T(x) or T(x, z) with z as further channels, and a
/// residual critic for the potential, conditioned on the noise level or not. The solution is the
/// network of the averaged parameters, a UNet normalised by the average of the running moments.
/// The networks may be on a GPU and compute in mixed precision; the solution's map takes points on
/// the processor and gives them back there.
class ImageSaddlePoint final : public Solver {
 public:
  /// The potential: exactly one of the networks.
  struct Potentials {
    std::shared_ptr<ResNetCritic> critic;
    std::shared_ptr<NoisedResNetCritic> noised;
    Potential& any() const {
      return critic ? static_cast<Potential&>(*critic) : static_cast<Potential&>(*noised);
    }
  };

  /// Throws Error where the options do not fit images, one another or the cost.
  ImageSaddlePoint(const ResNetCriticOptions& network, const SaddlePointOptions& options,
                   const WeakCost& cost, Random& random);
  ImageSaddlePoint(const NoisedResNetCriticOptions& network, const SaddlePointOptions& options,
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
  void build(const ResNetCriticOptions& images, Random& random);
  bool noisy() const { return options_.noise_channels > 0; }
  Tensor placed(const Tensor& points) const;
  Tensor noise(const Rows& own);
  Tensor levels(const Rows& own);
  bool improve_map(Problem& problem, double rate);
  void average_statistics();

  SaddlePointOptions options_;
  WeakCost cost_;
  Potentials potential_;
  std::shared_ptr<ImageNetwork> map_, average_;
  Random noise_;
  std::optional<Adam> map_adam_, potential_adam_;
  std::unique_ptr<ImageSaddlePointStep> step_;
};

}  // namespace monge
