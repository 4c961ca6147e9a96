#pragma once

#include "monge/adam.h"
#include "monge/mixture_plan.h"
#include "monge/solver.h"

#include <memory>
#include <optional>

namespace monge {

class FrameEntry;
class LightSbStep;

/// Options of the light Schrödinger bridge.
struct LightSbOptions {
  std::int64_t components = 50;
  double epsilon = 0;
  std::string frame = "scale";
  std::string start = "clusters";
  std::string map = "plan";
  std::int64_t batch = 512;
  double learning_rate = 1e-2;
};

const Declaration<LightSbOptions>& light_sb_declaration();

/// Steps that usually suffice in that dimension.
std::int64_t light_sb_usual_steps(std::int64_t dimension);

/// Entropic transport for the quadratic cost without an inner loop (Korotin et al. 2024,
/// proposition 3.1 and 3.2): of the plans of MixturePlan it learns the one that minimises
///
///   KL(π* | π) = E log c(X) - E log v(Y) + constant,
///
/// by stochastic gradients in closed form. The solution has no inverse: the plan's other
/// conditional needs the density of the source.
class LightSb final : public Solver {
 public:
  LightSb(std::int64_t dimension, const LightSbOptions& options);
  ~LightSb() override;

  std::string name() const override { return "light_sb"; }
  Table options() const override { return light_sb_declaration().write(options_); }
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  double step_work() const override;
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

  /// The plan, whatever the solution's map is.
  std::shared_ptr<const MixturePlan> plan() const;

 private:
  void set_problem(double epsilon, const AffineFrame& frame);

  LightSbOptions options_;
  PlanMixture mixture_;
  double epsilon_ = 1;
  AffineFrame frame_;  // float64
  std::unique_ptr<FrameEntry> enter_source_, enter_target_;
  std::optional<Adam> adam_;
  std::unique_ptr<LightSbStep> step_;
};

}  // namespace monge
