#pragma once

#include "kernels/weak_cost.h"
#include "solvers/passes.h"

namespace monge {

/// The two objectives of a max–min solver and their derivatives, without a graph: with f the
/// potential, T the map, k noise samples z for each x and n points,
///
///   for T:  mean_x C(x, T(x, .)) - mean f(T(x, z)),     for f:  mean f(T(x, z)) - mean f(y),
///
/// both to be decreased (Korotin et al. 2023, algorithm 1). C is the unbiased estimate of a weak
/// cost from the k samples of T (monge::WeakCost::estimate); gamma = 0 is the strong cost. In the
/// correlation form (Makkuva et al. 2020, eq. 11), C = -<x, T> and f is -phi with phi convex.
///
/// The expectile regulariser (Buzun et al. 2024) adds, to the objective of f alone,
///
///   weight · mean |tau - 1[u < 0]| u²,     u = C(x, T(x)) - f(T(x)) + f(y) - C(x, y),
///
/// over the pairs (x_i, y_i) of a batch: u is at most 0 where C(x, T) - f(T) is the conjugate of f.
///
/// Where the potential is conditioned on the noise level, f(.) above is weight · f(. + u sigma n,
/// sigma) with fresh n and sigma, the same ones for T(x_i) and y_i (NoiseLevels; noised strong
/// NOT).
///
/// In multiplications per point, with I and M those of the first and of the other weights: for T,
/// an MLP needs 2 I + 3 M, the gradient of an ICNN 5 I + 6 M (forward 2 I + 2 M, tangent and
/// adjoint I + 2 M, derivatives 2 I + 2 M); ∇f costs 2 I + 2 M. For f: T once, and f's value and
/// derivative 2 I + 3 M at the points of each side; the regulariser takes f's value at y once more.
///
/// float32. Agreement with the plain objectives (autograd): derivatives 3e-4 relative to the
/// largest entry of all those of a network, as some are differences of two means and vanish; the
/// terms 1e-4 relative to 1 + their size.
struct SaddlePointObjective {
  std::int64_t dimension = 0;
  std::int64_t noise_dimension = 0;
  std::int64_t noise_samples = 1;
  double gamma = 0;
  double exponent = 2;  ///< of the distances in C; 2 in the correlation form
  bool correlation = false;
  double expectile_weight = 0;  ///< above 0: one noise sample, as many y as x
  double expectile = 0.99;      ///< tau
  /// Numbers of a point in a draw of NoiseLevels; above 0: one noise sample, no regulariser.
  std::int64_t level_numbers = 0;
};

/// Means over the batch.
struct SaddlePointTerms {
  double cost = 0;    ///< C(x, T)
  double mapped = 0;  ///< f(T)
  double target = 0;  ///< f(y)
  double excess = 0;  ///< |tau - 1[u < 0]| u²
};

class SaddlePointStep {
 public:
  /// `rows`: how many points pass together.
  SaddlePointStep(const SaddlePointObjective& objective, std::int64_t rows,
                  PotentialPasses potential, MapPasses map);
  ~SaddlePointStep();

  /// To be called whenever the parameters of one have changed.
  void potential_changed() { potential_.network->changed(); }
  void map_changed() { map_.network->changed(); }
  /// The weight of the spread in C from now on.
  void set_gamma(double gamma) { objective_.gamma = gamma; }

  /// `x` [n, d], where the map has noise `z` [n k, noise dimension], and where the potential has
  /// levels those of the points [n, level numbers]; float32, contiguous. Sets map_derivatives().
  SaddlePointTerms for_map(const Tensor& x, const Tensor& z, const Tensor& levels = {});
  /// The same with `y` [m, d], m = n where there are levels. Sets potential_derivatives().
  SaddlePointTerms for_potential(const Tensor& x, const Tensor& z, const Tensor& y,
                                 const Tensor& levels = {});

  /// Parallel to the parameters in the order of their names; overwritten by the next call.
  const std::vector<Tensor>& map_derivatives() const;
  const std::vector<Tensor>& potential_derivatives() const;

 private:
  struct Worker;
  struct Block;
  std::int64_t threads_for(std::int64_t n) const;
  void prepare(std::int64_t threads);
  template <class Part>
  void on_threads(std::int64_t threads, Part part);
  Block block_of(const Tensor& x, const Tensor& z, const Tensor& levels, std::int64_t from,
                 std::int64_t n) const;
  void transport(Worker& worker, const Block& block) const;
  const float* seen(Worker& worker, const float* points, const float* levels, std::int64_t n) const;
  kernels::WeakCostShape<float> cost_shape() const;
  double cost_of(Worker& worker, const Block& block, float* along) const;
  static double learn(Worker& worker, const float* at, std::int64_t count, float weight);
  void learn_pairs(Worker& worker, const Block& block, const float* y, float share) const;
  const SaddlePointTerms& summed_terms(std::int64_t threads);

  SaddlePointObjective objective_;
  std::int64_t rows_;
  PotentialPasses potential_;
  MapPasses map_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace monge
