#include "monge/adam.h"

#include "monge/error.h"

#include "kernels/adam_loop.h"

#include <ATen/Parallel.h>

#include <limits>

namespace monge {
namespace {

constexpr std::int64_t grain = 1 << 16;  // numbers that are worth a thread

template <class T>
double sum_of_squares(const Tensor& numbers) {
  return kernels::adam_loops<T>().sum_of_squares(numbers.numel(), numbers.const_data_ptr<T>());
}

}  // namespace

Adam::Adam(State parameters, AdamOptions options, const std::map<std::string, double>& lower_bounds,
           const State& averages)
    : options_(options), steps_(at::zeros({}, at::kLong)) {
  for (auto& [name, parameter] : parameters) {
    if (!parameter.is_contiguous()) fail("optimiser", "contiguous parameters", name);
    const auto bound = lower_bounds.find(name);
    if (!averages.empty()) averages_.push_back(require_tensor(averages, name, "optimiser"));
    names_.push_back(name);
    parameters_.push_back(parameter);
    first_.push_back(at::zeros_like(parameter).detach());
    second_.push_back(at::zeros_like(parameter).detach());
    lowest_.push_back(bound == lower_bounds.end() ? -std::numeric_limits<double>::infinity()
                                                  : bound->second);
  }
}

void Adam::step(const std::vector<Tensor>& gradients, double rate) {
  const at::NoGradGuard no_graph;
  ++*steps_.data_ptr<std::int64_t>();
  if (!parameters_.front().is_cpu())
    update_by_aten(gradients, rate);
  else if (parameters_.front().scalar_type() == at::kDouble)
    update<double>(gradients, rate);
  else
    update<float>(gradients, rate);
}

template <class T>
void Adam::update(const std::vector<Tensor>& gradients, double rate) {
  const auto t = static_cast<double>(steps());
  const double step = options_.learning_rate * rate / (1 - std::pow(options_.beta1, t));
  const double root = 1 / std::sqrt(1 - std::pow(options_.beta2, t));
  const double share = newest_share();
  const kernels::AdamLoops<T>& loops = kernels::adam_loops<T>();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor gradient = gradients[i].contiguous();
    const kernels::AdamFactors<T> factors{T(options_.beta1), T(options_.beta2), T(options_.epsilon),
                                          T(step),           T(root),           T(lowest_[i]),
                                          T(share)};
    T *p = parameters_[i].data_ptr<T>(), *m = first_[i].data_ptr<T>();
    T* v = second_[i].data_ptr<T>();
    const T* g = gradient.const_data_ptr<T>();
    T* average = averages_.empty() ? nullptr : averages_[i].data_ptr<T>();
    at::parallel_for(0, gradient.numel(), grain, [&](std::int64_t from, std::int64_t to) {
      if (average)
        loops.update_average(factors, to - from, p + from, g + from, m + from, v + from,
                             average + from);
      else
        loops.update(factors, to - from, p + from, g + from, m + from, v + from);
    });
  }
}

void Adam::update_by_aten(const std::vector<Tensor>& gradients, double rate) {
  std::vector<Tensor> whole;
  whole.reserve(gradients.size());
  for (const Tensor& gradient : gradients) whole.push_back(gradient.contiguous());
  const Tensor t = steps_.to(parameters_.front().device(), at::kFloat);
  const std::vector<Tensor> steps(parameters_.size(), t);
  at::_fused_adam_(parameters_, whole, first_, second_, {}, steps, options_.learning_rate * rate,
                   options_.beta1, options_.beta2, /*weight_decay=*/0, options_.epsilon,
                   /*amsgrad=*/false, /*maximize=*/false);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (std::isfinite(lowest_[i])) parameters_[i].clamp_min_(lowest_[i]);
  if (!averages_.empty()) at::_foreach_lerp_(averages_, parameters_, newest_share());
}

double Adam::newest_share() const {
  const auto t = static_cast<double>(steps());
  return 1 - std::min(options_.average, (1 + t) / (10 + t));
}

std::int64_t Adam::steps() const { return *steps_.const_data_ptr<std::int64_t>(); }

State Adam::state() const {
  State state{{"steps", steps_}};
  for (std::size_t i = 0; i < names_.size(); ++i) {
    state["first." + names_[i]] = first_[i];
    state["second." + names_[i]] = second_[i];
  }
  return state;
}

void Adam::restore(const State& state) {
  const at::NoGradGuard no_graph;
  for (auto& [name, mine] : this->state()) {
    const Tensor& stored = require_tensor(state, name, "optimiser");
    if (stored.sizes() != mine.sizes())
      fail("optimiser: tensor '" + name + "'", shape_text(mine), shape_text(stored));
    mine.copy_(stored);
  }
}

double norm_of(const std::vector<Tensor>& tensors) {
  if (!tensors.empty() && !tensors.front().is_cpu())
    return at::stack(at::_foreach_norm(tensors, 2)).norm().item<double>();
  double sum = 0;
  for (const Tensor& tensor : tensors) {
    const Tensor whole = tensor.contiguous();
    sum += whole.scalar_type() == at::kDouble ? sum_of_squares<double>(whole)
                                              : sum_of_squares<float>(whole);
  }
  return std::sqrt(sum);
}

}  // namespace monge
