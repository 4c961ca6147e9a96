#include "solvers/image_saddle_point_step.h"

#include "monge/cost.h"
#include "monge/frozen.h"

namespace monge {

std::vector<Tensor> tensors_of(const State& state) {
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : state) tensors.push_back(tensor);
  return tensors;
}

namespace {

/// Rows of noise or levels, where there are any.
Tensor rows_of(const Tensor& drawn, std::int64_t from, std::int64_t count) {
  return drawn.defined() ? drawn.narrow(0, from, count) : drawn;
}

/// Adds the derivatives of <result, along> in the parameters to `sums`.
void add_derivatives(std::vector<Tensor>& sums, const Tensor& result, const Tensor& along,
                     const State& parameters) {
  const auto found = torch::autograd::grad({result}, tensors_of(parameters), {along});
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (sums.size() == i)
      sums.push_back(found[i].contiguous());
    else
      sums[i].add_(found[i]);
  }
}

/// The derivatives of the loss from those of its multiple.
void unscale(const std::vector<Tensor>& sums, const LossScale& scale) {
  if (scale.value() != 1) at::_foreach_mul_(sums, 1 / scale.value());
}

}  // namespace

ImagePotential image_potential(const ResNetCritic& critic) {
  return {critic.parameters(),
          [&critic](const Tensor& x, const Tensor&) { return critic.value(x, Graph::create); }};
}

ImagePotential image_potential(const NoisedResNetCritic& critic) {
  return {critic.parameters(), [&critic](const Tensor& x, const Tensor& levels) {
            return critic.noised_value(x, levels, Graph::create);
          }};
}

ImageSaddlePointStep::ImageSaddlePointStep(const ImageObjective& objective,
                                           ImagePotential potential, const ImageNetwork& map)
    : objective_(objective),
      potential_(std::move(potential)),
      map_(map),
      map_state_(map.parameters()),
      map_scale_(objective.computation.precision),
      potential_scale_(objective.computation.precision) {}

/// body(from, count) for the points of each micro-batch, every one of which is `samples` images.
template <class Body>
void ImageSaddlePointStep::over_micro_batches(std::int64_t n, std::int64_t samples,
                                              Body body) const {
  const std::int64_t images = objective_.micro_batch > 0 ? objective_.micro_batch : n * samples;
  const std::int64_t points = std::max<std::int64_t>(images / samples, 1);
  for (std::int64_t from = 0; from < n; from += points) body(from, std::min(points, n - from));
}

/// T at every x with each of its noise samples, [n k, d], as in training.
Tensor ImageSaddlePointStep::transport(const Tensor& x, const Tensor& z) const {
  const Tensor start = x.repeat_interleave(objective_.noise_samples, 0);
  const Tensor input = z.defined() ? at::cat({start, objective_.noise_scale * z}, 1) : start;
  const MixedPrecision mixed(objective_.computation);
  const Tensor moved = map_.forward(input, Graph::create).to(x.scalar_type());
  return objective_.residual ? moved + start : moved;
}

/// f, or what it adds to its expectation.
Tensor ImageSaddlePointStep::value(const Tensor& x, const Tensor& levels) const {
  const MixedPrecision mixed(objective_.computation);
  return potential_.value(x, levels);
}

/// C(x_i, T(x_i, .)), [n].
Tensor ImageSaddlePointStep::cost(const Tensor& x, const Tensor& mapped) const {
  return WeakCost(KernelWeakOptions{.gamma = objective_.gamma, .exponent = objective_.exponent})
      .estimate(x, mapped.view({x.size(0), objective_.noise_samples, x.size(1)}));
}

/// Sums of C, f(T) and f(y) made means, f in the unit of C.
SaddlePointTerms ImageSaddlePointStep::means(SaddlePointTerms sums, std::int64_t n,
                                             std::int64_t m) const {
  const double images = static_cast<double>(n * objective_.noise_samples) * objective_.cost_scale;
  return {.cost = sums.cost / static_cast<double>(n),
          .mapped = sums.mapped / images,
          .target = sums.target / (static_cast<double>(m) * objective_.cost_scale)};
}

SaddlePointTerms ImageSaddlePointStep::for_map(const Tensor& x, const Tensor& z,
                                               const Tensor& levels) {
  const std::int64_t n = x.size(0), samples = objective_.noise_samples;
  const Frozen frozen(potential_.parameters);
  const at::AutoGradMode recording(true);
  map_sums_.clear();
  SaddlePointTerms sums;
  over_micro_batches(n, samples, [&](std::int64_t from, std::int64_t count) {
    const Tensor start = x.narrow(0, from, count);
    const Tensor moved = transport(start, rows_of(z, from * samples, count * samples));
    const Tensor mapped = moved.detach().set_requires_grad(true);
    const Tensor costs = cost(start, mapped).sum();
    const Tensor values = value(mapped, rows_of(levels, from, count)).sum();
    const Tensor along =
        torch::autograd::grad(
            {(objective_.cost_scale * costs - values / static_cast<double>(samples)) *
             (map_scale_.value() / static_cast<double>(n))},
            {mapped})
            .front();
    sums.cost += costs.item<double>();
    sums.mapped += values.item<double>();
    add_derivatives(map_sums_, moved, along, map_state_);
  });
  unscale(map_sums_, map_scale_);
  return means(sums, n, 1);
}

/// Adds weight · Σ f(points) to the potential's objective; Σ f(points).
double ImageSaddlePointStep::learn(const Tensor& points, const Tensor& levels, double weight) {
  const Tensor values = value(points, levels);
  add_derivatives(potential_sums_, values, at::full_like(values, weight * potential_scale_.value()),
                  potential_.parameters);
  return values.detach().sum().item<double>();
}

SaddlePointTerms ImageSaddlePointStep::for_potential(const Tensor& x, const Tensor& z,
                                                     const Tensor& y, const Tensor& levels) {
  const std::int64_t n = x.size(0), m = y.size(0), samples = objective_.noise_samples;
  const Frozen frozen(map_state_);
  const at::AutoGradMode recording(true);
  potential_sums_.clear();
  SaddlePointTerms sums;
  over_micro_batches(n, samples, [&](std::int64_t from, std::int64_t count) {
    const Tensor start = x.narrow(0, from, count);
    const Tensor mapped = transport(start, rows_of(z, from * samples, count * samples));
    sums.cost += cost(start, mapped).sum().item<double>();
    sums.mapped +=
        learn(mapped, rows_of(levels, from, count), 1 / static_cast<double>(n * samples));
  });
  over_micro_batches(m, 1, [&](std::int64_t from, std::int64_t count) {
    sums.target +=
        learn(y.narrow(0, from, count), rows_of(levels, from, count), -1 / static_cast<double>(m));
  });
  unscale(potential_sums_, potential_scale_);
  return means(sums, n, m);
}

}  // namespace monge
