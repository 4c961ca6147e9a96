#include "discrete/sinkhorn.h"

#include "discrete/anderson.h"
#include "kernels/transport_loops.h"

namespace monge {
namespace {

constexpr std::int64_t depth = 5;
constexpr double first_epsilon = 0.5;  // of the spread of the costs
constexpr double epsilon_factor = 0.25;
// A stage before the last only brings the potentials near.
constexpr double stage_tolerance = 0.1;
constexpr std::int64_t stage_iterations = 10;
// Exponentials end at 1e-308, so a column sum below this may be wrong by any factor.
constexpr double least_sum = 1e-290;

class Sinkhorn {
 public:
  Sinkhorn(const CostRows& costs, const Tensor& a, const Tensor& b)
      : costs_(costs),
        a_(a),
        b_(b),
        log_b_(b.log()),
        f_(at::empty_like(a)),
        next_(at::zeros_like(b)) {}

  /// Iterates at this epsilon from where it is, `limits.iterations` times at most.
  void run(const SinkhornLimits& limits);
  EntropicState state() const { return {f_, g_, value_, cost_, error_, iterations_}; }

 private:
  /// f, the column sums and what follows from them at g.
  void pass(double epsilon);
  /// Where a plain iteration goes from g.
  Tensor image(double epsilon) const;
  Tensor log_column_sums(const Tensor& columns, double epsilon) const;

  const CostRows& costs_;
  Tensor a_, b_, log_b_, f_, g_, next_, column_sums_;
  double value_ = 0, cost_ = 0, error_ = std::numeric_limits<double>::infinity();
  std::int64_t iterations_ = 0;
};

void Sinkhorn::pass(double epsilon) {
  const auto& loops = kernels::transport_loops();
  const std::int64_t m = costs_.targets(), threads = at::get_num_threads();
  const Tensor h = g_ + epsilon * log_b_;
  const double *weight = a_.const_data_ptr<double>(), *shifted = h.const_data_ptr<double>();
  double* f = f_.data_ptr<double>();
  // Per thread, and added in their order, so that the same threads give the same bits.
  const Tensor sums = at::zeros({threads, m}, at::kDouble),
               spent = at::zeros({threads}, at::kDouble);
  const Tensor scratch = at::empty({threads, m}, at::kDouble);
  double *all_sums = sums.data_ptr<double>(), *all_spent = spent.data_ptr<double>();
  double* all_scratch = scratch.data_ptr<double>();
  costs_.for_each_row([&](std::int64_t i, const double* row) {
    const std::int64_t thread = at::get_thread_num();
    double* e = all_scratch + thread * m;
    const kernels::SoftRow soft = loops.soft_row(m, row, shifted, epsilon, e);
    const double scale = weight[i] / soft.sum;
    f[i] = -epsilon * (soft.largest + std::log(soft.sum));
    loops.add_scaled(m, scale, e, all_sums + thread * m);
    all_spent[thread] += scale * soft.cost;
  });
  column_sums_ = sums.sum(0);
  cost_ = spent.sum().item<double>();
  error_ = (column_sums_ - b_).abs().sum().item<double>();
  value_ = ((a_ * f_).sum() + (b_ * g_).sum()).item<double>();
}

/// log Σ_i a_i exp((f_i - c_ij) / epsilon) of each column j, without underflow.
Tensor Sinkhorn::log_column_sums(const Tensor& columns, double epsilon) const {
  const std::int64_t count = columns.size(0);
  Tensor exponents = (a_.log() + f_ / epsilon).unsqueeze(1).repeat({1, count});
  double* exponent = exponents.data_ptr<double>();
  const auto* column = columns.const_data_ptr<std::int64_t>();
  costs_.for_each_row([&](std::int64_t i, const double* row) {
    for (std::int64_t k = 0; k < count; ++k) exponent[i * count + k] -= row[column[k]] / epsilon;
  });
  return exponents.logsumexp(0);
}

Tensor Sinkhorn::image(double epsilon) const {
  Tensor next = g_ + epsilon * (log_b_ - column_sums_.log());
  const Tensor lost = column_sums_.lt(least_sum).nonzero().view({-1});
  if (lost.size(0) == 0) return next;
  const std::int64_t at_once =
      std::max<std::int64_t>((std::int64_t{1} << 22) / costs_.sources(), 1);
  for (const Tensor& part : lost.split(at_once))
    next.index_put_({part}, -epsilon * log_column_sums(part, epsilon));
  return next;
}

void Sinkhorn::run(const SinkhornLimits& limits) {
  Anderson anderson(depth);
  Tensor plain;  // where the last step goes without acceleration; undefined after a plain step
  double reached = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < limits.iterations; ++i) {
    g_ = next_;
    pass(limits.epsilon);
    ++iterations_;
    const double rounding = 1e-14 * (std::abs(reached) + limits.epsilon);
    if (plain.defined() && !(value_ >= reached - rounding)) {
      next_ = plain;
      plain.reset();
      anderson.forget();
      continue;
    }
    if (error_ <= limits.tolerance) return;
    reached = value_;
    plain = image(limits.epsilon);
    next_ = anderson.next(g_, plain);
  }
}

}  // namespace

EntropicState sinkhorn(const CostRows& costs, const Tensor& a, const Tensor& b,
                       const SinkhornLimits& limits) {
  const at::NoGradGuard no_graph;
  Sinkhorn solver(costs, a, b);
  std::int64_t left = limits.iterations;
  double epsilon = first_epsilon * costs.spread();
  while (epsilon > limits.epsilon && left > 1) {
    solver.run({epsilon, stage_tolerance, std::min(stage_iterations, left - 1)});
    left = limits.iterations - solver.state().iterations;
    epsilon *= epsilon_factor;
  }
  solver.run({limits.epsilon, limits.tolerance, left});
  return solver.state();
}

}  // namespace monge
