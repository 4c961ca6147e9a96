#include "monge/cost.h"

#include "monge/error.h"

#include "kernels/weak_cost.h"

#include <ATen/Parallel.h>

namespace monge {
namespace {

constexpr const char* gamma_steps_sentence =
    "Steps of the potential over which gamma rises linearly from 0; 0: it is constant.";

}  // namespace

Tensor QuadraticCost::between(const Tensor& x, const Tensor& y) const {
  return 0.5 * (x - y).square().sum(1);
}

Tensor QuadraticCost::matrix(const Tensor& x, const Tensor& y) const {
  // Centred first, so that the cancellation in |x|² - 2 <x, y> + |y|² does not grow with an offset.
  const Tensor centre = 0.5 * (x.mean(0) + y.mean(0));
  const Tensor from = x - centre, to = y - centre;
  const Tensor squares = 0.5 * (from.square().sum(1).unsqueeze(1) + to.square().sum(1));
  return at::addmm(squares, from, to.t(), 1, -1).clamp_min(0);
}

const Declaration<WeakQuadraticOptions>& weak_quadratic_declaration() {
  using O = WeakQuadraticOptions;
  static const auto declaration =
      Declaration<O>("cost", "weak_quadratic",
                     "C(x, mu) = ½ E |x - Y|² - ½ gamma Var(mu): for plans that send a point to "
                     "many; gamma > 0 rewards variety.",
                     "Neural Optimal Transport (Korotin et al. 2023), eq. 5")
          .option("gamma", &O::gamma, "The weight of the variance.", between(0, 1))
          .option("gamma_steps", &O::gamma_steps, gamma_steps_sentence, at_least(0));
  return declaration;
}

const Declaration<KernelWeakOptions>& kernel_weak_declaration() {
  using O = KernelWeakOptions;
  static const auto declaration =
      Declaration<O>(
          "cost", "kernel_weak",
          "C(x, mu) = ½ E |x - Y|^a - ¼ gamma E |Y - Y'|^a, Y and Y' from mu: a weak cost "
          "of a kernel, which makes the optimal plan unique.",
          "Kernel Neural Optimal Transport (Korotin et al. 2023), section 3.2")
          .option("gamma", &O::gamma, "The weight of the spread.", between(0, 1))
          .option("exponent", &O::exponent, "a, of the distances; 2 is weak_quadratic.",
                  {.least = 0, .most = 2, .open = true, .choices = {}})
          .option("gamma_steps", &O::gamma_steps, gamma_steps_sentence, at_least(0));
  return declaration;
}

double WeakCost::gamma_at(std::int64_t steps) const {
  if (steps >= gamma_steps_) return gamma_;
  return gamma_ * static_cast<double>(steps) / static_cast<double>(gamma_steps_);
}

void WeakCost::require_samples(const Tensor& x, const Tensor& y) const {
  if (x.dim() != 2 || y.dim() != 3 || y.size(0) != x.size(0) || y.size(2) != x.size(1))
    fail("weak cost", "points [n, d] and samples [n, k, d]",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  if (gamma_ > 0 && y.size(1) < 2)
    fail("weak cost", "at least 2 samples of each point where gamma > 0", "1");
}

Tensor WeakCost::estimate(const Tensor& x, const Tensor& y) const {
  require_samples(x, y);
  const Tensor moved = y - x.unsqueeze(1);
  if (quadratic()) {
    const Tensor strong = 0.5 * moved.square().sum(2).mean(1);
    if (gamma_ == 0) return strong;
    return strong - 0.5 * gamma_ * y.var(1, /*unbiased=*/true).sum(1);
  }
  const Tensor strong = 0.5 * at::linalg_vector_norm(moved, 2, {2}).pow(exponent_).mean(1);
  if (gamma_ == 0) return strong;
  const std::int64_t k = y.size(1);
  const Tensor pairs = at::triu_indices(k, k, 1, y.options().dtype(at::kLong));
  const Tensor apart = y.index_select(1, pairs[0]) - y.index_select(1, pairs[1]);
  return strong - 0.25 * gamma_ * at::linalg_vector_norm(apart, 2, {2}).pow(exponent_).mean(1);
}

WeakCost::Derivative WeakCost::derivative(const Tensor& x, const Tensor& y) const {
  require_samples(x, y);
  if (x.scalar_type() != y.scalar_type() ||
      (x.scalar_type() != at::kFloat && x.scalar_type() != at::kDouble))
    fail("weak cost", "points and samples both float32 or float64",
         fmt::format("{} and {}", c10::toString(x.scalar_type()), c10::toString(y.scalar_type())));
  const at::NoGradGuard no_graph;
  const Tensor from = x.contiguous(), to = y.contiguous();
  const std::int64_t n = x.size(0), d = x.size(1), k = y.size(1);
  Derivative result{at::empty({n}, x.options()), at::zeros_like(to)};
  const auto over_rows = [&]<class T>(T gamma) {
    const kernels::WeakCostShape<T> shape{k, d, gamma, static_cast<T>(exponent_)};
    const T *points = from.const_data_ptr<T>(), *samples = to.const_data_ptr<T>();
    T *value = result.value.mutable_data_ptr<T>(), *slope = result.in_y.mutable_data_ptr<T>();
    at::parallel_for(0, n, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        value[i] =
            kernels::weak_cost(shape, points + i * d, samples + i * k * d, slope + i * k * d);
    });
  };
  if (x.scalar_type() == at::kFloat)
    over_rows(static_cast<float>(gamma_));
  else
    over_rows(gamma_);
  return result;
}

}  // namespace monge
