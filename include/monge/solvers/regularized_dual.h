#pragma once

#include "monge/networks/mlp.h"
#include "monge/solver.h"

#include <memory>

namespace monge {

/// Options of the regularised dual.
struct RegularizedDualOptions {
  std::string regularizer = "l2";
  double epsilon = 0;
  std::int64_t potential_steps = 1;
  bool inverse = true;
  bool residual = false;
  std::vector<std::int64_t> map_hidden = {};
  std::string map_activation = "relu";
  std::int64_t batch = 0;
  double learning_rate = 1e-3;
  double map_learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double average = 0.99;
};

const Declaration<RegularizedDualOptions>& regularized_dual_declaration();

/// Steps that usually suffice in that dimension.
std::int64_t regularized_dual_usual_steps(std::int64_t dimension);

/// R of the regularised dual, which stands for u + v <= c: epsilon exp(t / epsilon), or
/// max(t, 0)² / (4 epsilon) (Seguy et al. 2018, section 3).
enum class Regularizer { entropy, l2 };

/// R(t) and its derivative H(t) at each entry of `excess`, in its shape. The exponential goes on
/// along its tangent above t = 12 epsilon, so that neither it nor H leaves the finite numbers.
struct RegularizerValues {
  Tensor value, weight;
};
RegularizerValues regularizer_values(Regularizer kind, const Tensor& excess, double epsilon);

/// Large-scale optimal transport (Seguy et al. 2018; LSOT, Barycentric-OT): two free potentials on
///
///   sup_{u,v}  E u(X) + E v(Y) - E_{X,Y} R(u(X) + v(Y) - c(X, Y))                 algorithm 1
///
/// over all pairs of two batches, c(x, y) = ½ |x - y|², and maps fitted to the barycentric
/// projection of the plan H dP dQ, H = R'(u + v - c), to which those potentials belong:
///
///   min_T  E_{X,Y} H(X, Y) c(T(X), Y)                                             algorithm 2
///
/// and likewise for the map back. The paper first learns the potentials and then the map; here each
/// step does `potential_steps` of the first and one of the second, with the weights of the same
/// batch, so that one number of steps is the budget. While the potentials still move the map
/// follows an old plan, and as the learning rate falls both settle.
class RegularizedDual final : public Solver {
 public:
  RegularizedDual(std::int64_t dimension, const RegularizedDualOptions& options,
                  const MlpOptions& network, Random& random);
  ~RegularizedDual() override;

  std::string name() const override { return "regularized_dual"; }
  Table options() const override { return regularized_dual_declaration().write(options_); }
  /// Chooses epsilon where the option is 0.
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  double step_work() const override;
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

 private:
  struct Networks;
  RegularizedDualOptions options_;
  Tensor epsilon_;  // [], float64
  std::unique_ptr<Networks> networks_;
};

}  // namespace monge
