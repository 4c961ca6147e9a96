#pragma once

#include "monge/adam.h"
#include "monge/cost.h"
#include "monge/networks/dense_icnn.h"
#include "monge/networks/mlp.h"
#include "monge/networks/network.h"
#include "monge/networks/noised_mlp.h"
#include "monge/solver.h"

#include <memory>
#include <optional>

namespace monge {

class FrameEntry;
class SaddlePointStep;

/// Options of the saddle-point solver.
struct SaddlePointOptions {
  std::string map = "auto";
  bool residual = false;
  std::vector<std::int64_t> map_hidden = {};
  std::string map_activation = "relu";
  std::int64_t noise_dimension = 0;
  std::int64_t noise_samples = 4;
  std::int64_t inner_steps = 3;
  std::int64_t batch = 0;
  double learning_rate = 0;
  double potential_learning_rate = 0;
  double beta1 = 0;
  double beta2 = 0.9;
  double average = 0.999;
  std::string convexity = "clamp";
  double convexity_weight = 1;
  double expectile_weight = 0;
  double expectile = 0.99;
  bool bidirectional = false;
  std::string start = "auto";
  std::string map_network = "unet";
  std::int64_t map_width = 48;
  std::vector<std::int64_t> map_multipliers = {1, 2, 2, 2};
  std::int64_t map_blocks = 2;
  std::int64_t map_attention = 0;
  std::int64_t noise_channels = 0;
  double noise_scale = 0.1;
  double cost_scale = 0;
  std::int64_t micro_batch = 0;
  std::string device = "cpu";
  std::string precision = "float32";
};

const Declaration<SaddlePointOptions>& saddle_point_declaration();

/// Steps of the potential that usually suffice in that dimension.
std::int64_t saddle_point_usual_steps(std::int64_t dimension);

/// Max–min optimal transport (Korotin et al. 2023, algorithm 1):
///
///   sup_f inf_T  E_X [C(X, T(X, .)) - E_z f(T(X, z))] + E_Y f(Y)
///
/// with C a weak cost: the gamma-weak quadratic one, ½ E_z |x - T|² - ½ gamma var_z T, for gamma =
/// 0 the strong one, or that of a kernel (Korotin et al. 2023, Kernel Neural Optimal Transport). T
/// is a multilayer perceptron of x and noise z, x - ∇u(x) of a perceptron u, or the gradient of an
/// input-convex network.
///
/// With a DenseICNN for the potential it is the correlation form of the same problem, f = ½|.|² -
/// phi and phi convex:
///
///   inf_phi sup_T  E phi(Y) + E [<X, T(X)> - phi(T(X))]
///
/// that is MM-2 (Makkuva et al. 2020, eq. 11) where T is the gradient of a DenseICNN and MM-B where
/// it is a free network. ∇phi is then the inverse map. Makkuva et al. do not clamp the weights of
/// the network of T but add to its objective, with w those that convexity wants non-negative,
///
///   convexity_weight · Σ max(-w, 0)²                                                    eq. 8
///
/// The expectile regulariser of ENOT (Buzun et al. 2024) takes, with f^T(x) = C(x, T(x)) - f(T(x)),
///
///   expectile_weight · E |tau - 1[u < 0]| u²,      u = f^T(X) + f(Y) - C(X, Y)
///
/// from the objective of f. `bidirectional`: each step then changes the roles, u being the
/// potential on the source and f that of the map back.
///
/// With a NoisedMlp the potential sees T(x) and y with noise and is told its level (noised strong
/// NOT, docs/methods/noised-not.md): for f(y) stands, over levels sigma and standard normal n,
///
///   E weight(sigma) f(y + u sigma n, sigma)
///
/// A network of the caller's can take the place of f and of that of T. It is differentiated by
/// autograd, a batch at a time. f is trained where it is; where the map's parameters are averaged,
/// the given network is the average's, and a clone is what moves.
class SaddlePoint final : public Solver {
 public:
  /// The potential: exactly one of the networks.
  struct Potentials {
    std::shared_ptr<DenseIcnn> icnn;
    std::shared_ptr<MlpPotential> mlp;
    std::shared_ptr<NoisedMlp> noised;
    std::shared_ptr<NetworkPotential> given;
    Potential& any() const {
      if (icnn) return *icnn;
      if (given) return *given;
      return mlp ? static_cast<Potential&>(*mlp) : static_cast<Potential&>(*noised);
    }
    /// Null where it is the input-convex network or a given one.
    const Mlp* perceptron() const {
      if (noised) return &noised->network();
      return mlp ? &mlp->network() : nullptr;
    }
  };

  /// `map`: the network from x and z to points, null: a perceptron or a gradient as the options
  /// say. Throws Error where the options do not fit one another, the cost or the networks.
  SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options, const WeakCost& cost,
              const DenseIcnnOptions& network, Random& random,
              const std::shared_ptr<AutogradNetwork>& map = nullptr);
  SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options, const WeakCost& cost,
              const MlpOptions& network, Random& random,
              const std::shared_ptr<AutogradNetwork>& map = nullptr);
  SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options, const WeakCost& cost,
              const NoisedMlpOptions& network, Random& random,
              const std::shared_ptr<AutogradNetwork>& map = nullptr);
  /// `potential`: from R^dimension to R.
  SaddlePoint(std::int64_t dimension, const SaddlePointOptions& options, const WeakCost& cost,
              const std::shared_ptr<AutogradNetwork>& potential, Random& random,
              const std::shared_ptr<AutogradNetwork>& map = nullptr);
  ~SaddlePoint() override;

  std::string name() const override { return "saddle_point"; }
  Table options() const override { return saddle_point_declaration().write(options_); }
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  double step_work() const override;
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

 private:
  struct Maps;  // the trained network and its average
  void build(Random& random, const std::shared_ptr<AutogradNetwork>& map);
  struct Direction;  // one of the two in which the networks are played against each other
  void require_fit(const AutogradNetwork* map) const;
  void require_fit_of_levels() const;
  void require_fit_of_frame() const;
  bool noisy() const { return options_.noise_dimension > 0; }
  void set_frame(const AffineFrame& frame);
  Tensor noise(const Rows& own);
  Tensor levels(const Rows& own);
  void load();
  void penalise_map() const;
  bool improve_map(const Direction& side, double rate);
  StepReport improve(const Direction& side, double rate);

  SaddlePointOptions options_;
  WeakCost cost_;
  Potentials potential_;
  std::unique_ptr<Maps> map_;
  AffineFrame exact_frame_;            // float64
  AffineFrame frame_, inverse_frame_;  // float32
  std::unique_ptr<FrameEntry> enter_, enter_inverse_;
  Random noise_;
  Tensor drawn_;  // the last noise
  std::optional<Adam> map_adam_, potential_adam_;
  std::unique_ptr<SaddlePointStep> step_, reverse_step_;
};

}  // namespace monge
