#pragma once

#include "monge/networks/image_network.h"
#include "monge/networks/noised_resnet_critic.h"
#include "monge/networks/resnet_critic.h"

#include "solvers/mixed_precision.h"
#include "solvers/saddle_point_step.h"

#include <functional>
#include <vector>

namespace monge {

/// In the order of their names.
std::vector<Tensor> tensors_of(const State& state);

/// A potential as the step sees it: f(x_i), or with a draw of NoiseLevels [n, d + 1] what x_i adds
/// to its expectation over noise; [n], with a graph to x and the parameters.
struct ImagePotential {
  State parameters;
  std::function<Tensor(const Tensor& x, const Tensor& levels)> value;
};

/// The network has to outlive it.
ImagePotential image_potential(const ResNetCritic& critic);
ImagePotential image_potential(const NoisedResNetCritic& critic);

/// What an image solver optimises: SaddlePointStep's objectives with s C in place of C. The plan is
/// that of C, and the potential is s times its own.
struct ImageObjective {
  std::int64_t noise_samples = 1;
  double noise_scale = 1;
  double gamma = 0;
  double exponent = 2;           ///< of the distances in C
  double cost_scale = 1;         ///< s
  bool residual = false;         ///< T(x, z) = x + F(x, z)
  std::int64_t micro_batch = 0;  ///< images that pass together; 0: all
  Computation computation;       ///< that of the networks
};

/// The two objectives of SaddlePointStep for a network F and a critic f of images, and their
/// derivatives, summed over micro-batches of whole points x, each with all its noise samples. A
/// UNet F is normalised by the moments of a micro-batch, in both steps, and they move its running
/// ones.
///
/// In T's step f has no graph to its parameters, in f's step T has none at all; at most one
/// network's activations are held at a time, but for a bit for each of f's in T's step.
///
/// Points are on the networks' device, levels on the processor. In mixed precision the networks
/// compute in it, T's result is float32 again, and derivatives in float16 are those of the loss
/// times its scale until they are summed.
class ImageSaddlePointStep {
 public:
  /// The networks have to outlive it.
  ImageSaddlePointStep(const ImageObjective& objective, ImagePotential potential,
                       const ImageNetwork& map);

  /// The weight of the spread in C from now on.
  void set_gamma(double gamma) { objective_.gamma = gamma; }

  /// `x` [n, d] and, where the map has noise, `z` [n k, noise dimension], in the networks' dtype,
  /// and where the potential has levels a draw of them [n, d + 1], and k = 1. Sets
  /// map_derivatives(). The terms are those of C and f / s.
  SaddlePointTerms for_map(const Tensor& x, const Tensor& z, const Tensor& levels = {});
  /// The same with `y` [m, d], where there are levels seen at the same ones as T(x), and m = n.
  /// Sets potential_derivatives().
  SaddlePointTerms for_potential(const Tensor& x, const Tensor& z, const Tensor& y,
                                 const Tensor& levels = {});

  /// Of the two objectives; the caller says whether their derivatives overflowed.
  LossScale& map_scale() { return map_scale_; }
  LossScale& potential_scale() { return potential_scale_; }

  /// Parallel to the parameters in the order of their names; overwritten by the next call.
  const std::vector<Tensor>& map_derivatives() const { return map_sums_; }
  const std::vector<Tensor>& potential_derivatives() const { return potential_sums_; }

 private:
  template <class Body>
  void over_micro_batches(std::int64_t n, std::int64_t samples, Body body) const;
  Tensor transport(const Tensor& x, const Tensor& z) const;
  Tensor value(const Tensor& x, const Tensor& levels) const;
  Tensor cost(const Tensor& x, const Tensor& mapped) const;
  double learn(const Tensor& points, const Tensor& levels, double weight);
  SaddlePointTerms means(SaddlePointTerms sums, std::int64_t n, std::int64_t m) const;

  ImageObjective objective_;
  ImagePotential potential_;
  const ImageNetwork& map_;
  State map_state_;
  LossScale map_scale_, potential_scale_;
  std::vector<Tensor> map_sums_, potential_sums_;
};

}  // namespace monge
