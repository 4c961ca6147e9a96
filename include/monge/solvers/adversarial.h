#pragma once

#include "monge/networks/mlp.h"
#include "monge/solver.h"

#include <memory>

namespace monge {

/// Options of the adversarial solver.
struct AdversarialOptions {
  std::string divergence = "w2";
  std::string start = "identity";
  double penalty = 0;
  std::int64_t potential_steps = 5;
  std::vector<std::int64_t> map_hidden = {};
  std::string map_activation = "relu";
  std::int64_t batch = 0;
  double learning_rate = 1e-3;
  double map_learning_rate = 0;
  double beta1 = 0.5;
  double beta2 = 0.9;
  double average = 0.99;
};

const Declaration<AdversarialOptions>& adversarial_declaration();

/// Steps that usually suffice in that dimension.
std::int64_t adversarial_usual_steps(std::int64_t dimension);

/// A map T as the generator of an adversarial game against potentials that measure how far T#P is
/// from Q. W1-LP (Petzka et al. 2018) plays against one potential with a one-sided Lipschitz
/// penalty at points x^ between those of Q and of T#P,
///
///   min_T sup_f  E f(Y) - E f(T(X)) - penalty · E max(0, |∇f(x^)| - 1)²
///
/// and W2GAN (Leygonie et al. 2019) against a pair of potentials of the quadratic cost between Q
/// and T#P, with g = e - f and e a potential of its own,
///
///   min_T sup_{f,e}  E f(Y) + E g(T(X)) - penalty · E max(0, f(y) + g(z) - ½ |y - z|²)²
///
/// where the penalty is taken at all pairs (y, z) of points of Q and T#P and at pairs between them.
/// The generator of W2GAN moves its points along -∇g, which is the direction of the optimal map
/// from T#P to Q: from the identity it follows the geodesic from P to Q.
class Adversarial final : public Solver {
 public:
  Adversarial(std::int64_t dimension, const AdversarialOptions& options, const MlpOptions& network,
              Random& random);
  ~Adversarial() override;

  std::string name() const override { return "adversarial"; }
  Table options() const override { return adversarial_declaration().write(options_); }
  /// Chooses the penalty where the option is 0, and begins the stream of the points between.
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  double step_work() const override;
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

 private:
  struct Networks;
  bool is_w2() const { return options_.divergence == "w2"; }
  Tensor between(const Tensor& a, const Tensor& b, const Rows& own);
  void learn_lipschitz(Problem& problem, StepReport& report);
  void learn_pair(Problem& problem, StepReport& report);
  void update_potentials(ProcessGroup& group, StepReport& report, double rate);
  void update_map(Problem& problem, StepReport& report, double rate);

  AdversarialOptions options_;
  Tensor penalty_;  // [], float64
  Random between_;
  std::unique_ptr<Networks> networks_;
};

}  // namespace monge
