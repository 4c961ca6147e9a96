#pragma once

#include "monge/adam.h"
#include "monge/affine.h"
#include "monge/networks/dense_icnn.h"
#include "monge/solver.h"

#include <optional>

namespace monge {

class CentredUpdate;
class DualBatches;
class DualStep;
class Ridge;
class SearchStarts;

/// Options of the dual solver.
struct DualOptions {
  std::string start = "affine";
  double network_share = -1;
  std::string bends = "random";
  std::int64_t batch = 0;
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double average = 0.99;
  double ridge = 0.02;
  double conjugate_tolerance = 0.03;
  std::int64_t conjugate_evaluations = 14;
  std::string batches = "auto";
  std::string amortise = "auto";
  std::int64_t members = 0;
};

const Declaration<DualOptions>& dual_declaration();

/// The options with every automatic value chosen from the dimension and the network.
DualOptions sized_for(DualOptions options, std::int64_t dimension, const DenseIcnnOptions& network);

/// About how many multiplications a step does: five gradients of a search, and the derivatives.
double dual_step_work(std::int64_t dimension, const DualOptions& options,
                      const DenseIcnnOptions& network);

/// Steps that usually suffice in that dimension.
std::int64_t dual_usual_steps(std::int64_t dimension);

/// The moments of both measures, each in its own coordinates, from samples: means [d] and
/// covariances [d, d], float64.
struct DualMoments {
  Moments source, target;
};
DualMoments dual_moments(const Problem& problem, Random& random);

/// The dual of optimal transport with the quadratic cost over convex potentials, its conjugate by
/// searches (Taghvaei & Jalali 2019, eq. 5; MM-1 of Korotin et al. 2021):
///
///   min_psi  E psi(X) + E psi*(Y),   psi*(y) = max_x <x, y> - psi(x)
///
/// whose derivative is that of E psi(X) - E psi(x^(Y)) with the maximisers x^ held fixed. The map
/// is ∇psi, the inverse map ∇psi*, both in the affine frame of the samples' moments.
///
/// Of a finite target, each search begins where the last one for that point has ended, elsewhere at
/// the guess of a network that learns beside psi (solvers/search_starts.h). The derivative is a
/// difference of two means over points that lie alike in the end, and its noise all that is left of
/// it: batches are weighted so that they have their measures' moments (solvers/calibration.h), or
/// where there are points enough of two finite measures, drawn so that x and x^(y) lie alike
/// (solvers/coupled_batches.h). A ridge keeps where it began what few points speak for
/// (solvers/ridge.h).
class Dual final : public Solver {
 public:
  Dual(std::int64_t dimension, const DualOptions& options, const DenseIcnnOptions& network,
       Random& random);
  ~Dual() override;

  std::string name() const override { return "dual"; }
  Table options() const override { return dual_declaration().write(options_); }
  void start(const Problem& problem, Random& random) override;
  /// The same in the frame of these moments.
  void start(const Problem& problem, const DualMoments& moments, Random& random);
  StepReport step(Problem& problem, double rate) override;
  double step_work() const override;
  Solution solution() const override;
  /// The maps of another potential in this solver's frame and box.
  Solution solution_of(const std::shared_ptr<const DenseIcnn>& psi) const;
  /// What the solution uses: the average, or psi itself.
  const DenseIcnn& potential() const { return options_.average > 0 ? *average_ : *psi_; }
  State state() const override;
  void restore(const State& state) override;

 private:
  std::int64_t d() const { return psi_->dimension(); }
  void set_frame(const AffineFrame& frame);
  void set_box(const Problem& problem, Random& random);
  void set_sides(const Tensor& low, const Tensor& high);
  void require_table(const Measure& target) const;

  DualOptions options_;
  std::shared_ptr<DenseIcnn> psi_, average_;
  AffineFrame exact_frame_;            // float64
  AffineFrame frame_, inverse_frame_;  // float32
  Tensor low_, high_;  // of the source's points in the frame, widened, [d]; everywhere at first
  std::unique_ptr<SearchStarts> starts_;
  std::unique_ptr<DualBatches> batches_;
  std::optional<Adam> adam_;
  std::unique_ptr<Ridge> ridge_;
  std::unique_ptr<CentredUpdate> update_;
  std::unique_ptr<DualStep> step_;
};

}  // namespace monge
