#include "discrete/sinkhorn.h"

#include "discrete/anderson.h"
#include "discrete/large_matrix.h"
#include "kernels/transport_loops.h"

namespace monge {
namespace {

constexpr std::int64_t depth = 5;
constexpr double first_epsilon = 0.5;  // of the spread of the costs
constexpr double epsilon_factor = 0.1;
// A stage before the last only brings the potentials near.
constexpr double stage_tolerance = 0.1;
constexpr std::int64_t stage_iterations = 10;
// Exponentials end at 1e-308, so a column sum below this may be wrong by any factor.
constexpr double least_sum = 1e-290;

// Exponentials are kept up to this number of pairs (256 MiB); above, every pass computes them.
constexpr std::int64_t most_kept = std::int64_t{1} << 25;
// They serve while no (g_j - g_j then) / epsilon is beyond this. What had underflowed, 1e-308 of a
// row's largest, is then still below least_sum of it.
constexpr double reach = 30;
// A thread takes at least so many pairs that are kept, a tenth of a millisecond.
constexpr std::int64_t kept_grain = std::int64_t{1} << 18;

/// The exponentials of a pass, E_ij = exp((h_j - c_ij) / epsilon - largest_i).
struct Kernel {
  double epsilon = 0;
  Tensor h;        ///< [m], that of the pass
  Tensor largest;  ///< [n]
  Tensor rows;     ///< [n, m]
  Tensor u;        ///< [m], the factors exp((h_j - h_j then) / epsilon) of the last pass, if any
};

class Sinkhorn {
 public:
  Sinkhorn(const CostRows& costs, const Tensor& a, const Tensor& b)
      : costs_(costs),
        a_(a),
        b_(b),
        log_b_(b.log()),
        f_(at::empty_like(a)),
        next_(at::zeros_like(b)),
        kernel_{.largest = at::empty_like(a)} {
    if (costs.sources() <= most_kept / costs.targets())
      kernel_.rows = large_matrix(costs.sources(), costs.targets());
  }

  /// Iterates at this epsilon from where it is, `limits.iterations` times at most.
  void run(const SinkhornLimits& limits);
  /// The state at the last iterate, its cost included.
  EntropicState settled();
  std::int64_t iterations() const { return iterations_; }

 private:
  /// f, the column sums and what follows from them at g.
  void pass(double epsilon);
  /// With the kernel's exponentials times u_j = exp((h_j - h_j then) / epsilon); no cost.
  void pass_over_kernel(const Tensor& steps);
  /// With exponentials of its own, which become the kernel's.
  void pass_over_costs(const Tensor& h, double epsilon);
  double cost_over_kernel() const;
  /// From Σ_i a_i E_ij / s_i, s_i the sum of a row, which u turns into the column sums.
  void conclude(const Tensor& sums, const Tensor& u);
  /// Where a plain iteration goes from g.
  Tensor image(double epsilon) const;
  Tensor log_column_sums(const Tensor& columns, double epsilon) const;

  const CostRows& costs_;
  Tensor a_, b_, log_b_, f_, g_, next_, column_sums_, lost_;
  Kernel kernel_;
  double value_ = 0, cost_ = 0, error_ = std::numeric_limits<double>::infinity();
  std::int64_t iterations_ = 0;
};

void Sinkhorn::pass(double epsilon) {
  const Tensor h = g_ + epsilon * log_b_;
  if (kernel_.rows.defined() && kernel_.epsilon == epsilon) {
    const Tensor steps = (h - kernel_.h) / epsilon;
    if (steps.abs().max().item<double>() <= reach) return pass_over_kernel(steps);
  }
  pass_over_costs(h, epsilon);
}

void Sinkhorn::pass_over_costs(const Tensor& h, double epsilon) {
  const auto& loops = kernels::transport_loops();
  const std::int64_t m = costs_.targets(), threads = at::get_num_threads();
  const double *weight = a_.const_data_ptr<double>(), *shifted = h.const_data_ptr<double>();
  double *f = f_.data_ptr<double>(), *largest = kernel_.largest.data_ptr<double>();
  // Per thread, and added in their order, so that the same threads give the same bits.
  const Tensor sums = at::zeros({threads, m}, at::kDouble),
               spent = at::zeros({threads}, at::kDouble);
  const bool kept = kernel_.rows.defined();
  const Tensor rows = kept ? kernel_.rows : at::empty({threads, m}, at::kDouble);
  double *all_sums = sums.data_ptr<double>(), *all_spent = spent.data_ptr<double>();
  double* all_rows = rows.data_ptr<double>();
  costs_.for_each_row([&](std::int64_t i, const double* row) {
    const std::int64_t thread = at::get_thread_num();
    double* e = all_rows + (kept ? i : thread) * m;
    const kernels::SoftRow soft = loops.soft_row(m, row, shifted, epsilon, e);
    const double scale = weight[i] / soft.sum;
    largest[i] = soft.largest;
    f[i] = -epsilon * (soft.largest + std::log(soft.sum));
    loops.add_scaled(m, scale, e, all_sums + thread * m);
    all_spent[thread] += scale * soft.cost;
  });
  kernel_.epsilon = epsilon, kernel_.h = h;
  cost_ = spent.sum().item<double>();
  kernel_.u.reset();
  conclude(sums.sum(0), at::ones_like(b_));
}

void Sinkhorn::pass_over_kernel(const Tensor& steps) {
  const auto& loops = kernels::transport_loops();
  const std::int64_t n = costs_.sources(), m = costs_.targets(), threads = at::get_num_threads();
  const Tensor factors = steps.exp(), sums = at::zeros({threads, m}, at::kDouble);
  const double *weight = a_.const_data_ptr<double>(), *u = factors.const_data_ptr<double>();
  const double *largest = kernel_.largest.const_data_ptr<double>(),
               *rows = kernel_.rows.const_data_ptr<double>();
  double *f = f_.data_ptr<double>(), *all_sums = sums.data_ptr<double>();
  const std::int64_t grain = std::max<std::int64_t>(kept_grain / m, 1);
  at::parallel_for(0, n, grain, [&](std::int64_t from, std::int64_t to) {
    double* own_sums = all_sums + at::get_thread_num() * m;
    for (std::int64_t i = from; i < to; ++i) {
      const double* e = rows + i * m;
      const double sum = loops.dot(m, e, u);
      f[i] = -kernel_.epsilon * (largest[i] + std::log(sum));
      loops.add_scaled(m, weight[i] / sum, e, own_sums);
    }
  });
  kernel_.u = factors;
  conclude(sums.sum(0), factors);
}

void Sinkhorn::conclude(const Tensor& sums, const Tensor& u) {
  lost_ = sums.lt(least_sum);
  column_sums_ = sums * u;
  error_ = (column_sums_ - b_).abs().sum().item<double>();
  value_ = ((a_ * f_).sum() + (b_ * g_).sum()).item<double>();
}

/// Σ_ij P_ij c_ij, P_ij = scale_i E_ij u_j with f_i = -epsilon log(exp(largest_i) a_i / scale_i).
double Sinkhorn::cost_over_kernel() const {
  const auto& loops = kernels::transport_loops();
  const std::int64_t m = costs_.targets();
  const Tensor scales = a_ * (kernel_.largest + f_ / kernel_.epsilon).exp();
  const Tensor spent = at::empty_like(a_);
  const double *scale = scales.const_data_ptr<double>(), *u = kernel_.u.const_data_ptr<double>();
  const double* rows = kernel_.rows.const_data_ptr<double>();
  double* out = spent.data_ptr<double>();
  costs_.for_each_row([&](std::int64_t i, const double* row) {
    out[i] = scale[i] * loops.dot3(m, rows + i * m, u, row);
  });
  return spent.sum().item<double>();
}

EntropicState Sinkhorn::settled() {
  if (kernel_.u.defined()) cost_ = cost_over_kernel();
  return {f_, g_, value_, cost_, error_, iterations_};
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
  const Tensor lost = lost_.nonzero().view({-1});
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
    left = limits.iterations - solver.iterations();
    epsilon *= epsilon_factor;
  }
  solver.run({limits.epsilon, limits.tolerance, left});
  return solver.settled();
}

}  // namespace monge
