#include "monge/adam.h"

#include "monge/error.h"

#include "kernels/adam_loop.h"
#include "kernels/shares.h"

#include <c10/util/SmallVector.h>

#include <limits>
#include <numeric>

namespace monge {
namespace {

template <class T>
double sum_of_squares(const Tensor& numbers, std::int64_t from, std::int64_t to) {
  return kernels::adam_loops<T>().sum_of_squares(to - from, numbers.const_data_ptr<T>() + from);
}

/// Contiguous copies where one of the tensors is not contiguous, otherwise none.
std::vector<Tensor> contiguous_copies(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> copies;
  if (std::ranges::all_of(tensors, [](const Tensor& one) { return one.is_contiguous(); }))
    return copies;
  for (const Tensor& tensor : tensors) copies.push_back(tensor.contiguous());
  return copies;
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
  const std::vector<Tensor> copies = contiguous_copies(gradients);
  const std::vector<Tensor>& whole = copies.empty() ? gradients : copies;
  kernels::over_shares(whole, [&](std::size_t i, std::int64_t from, std::int64_t to) {
    const kernels::AdamFactors<T> factors{T(options_.beta1), T(options_.beta2), T(options_.epsilon),
                                          T(step),           T(root),           T(lowest_[i]),
                                          T(share)};
    T *p = parameters_[i].data_ptr<T>() + from, *m = first_[i].data_ptr<T>() + from;
    T* v = second_[i].data_ptr<T>() + from;
    const T* g = whole[i].const_data_ptr<T>() + from;
    if (averages_.empty())
      loops.update(factors, to - from, p, g, m, v);
    else
      loops.update_average(factors, to - from, p, g, m, v, averages_[i].data_ptr<T>() + from);
  });
}

void Adam::update_by_aten(const std::vector<Tensor>& gradients, double rate) {
  const std::vector<Tensor> copies = contiguous_copies(gradients);
  const std::vector<Tensor>& whole = copies.empty() ? gradients : copies;
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
  const std::vector<Tensor> copies = contiguous_copies(tensors);
  const std::vector<Tensor>& whole = copies.empty() ? tensors : copies;
  c10::SmallVector<double, 64> sums(static_cast<std::size_t>(at::get_num_threads()), 0.0);
  kernels::over_shares(whole, [&](std::size_t i, std::int64_t from, std::int64_t to) {
    sums[at::get_thread_num()] += whole[i].scalar_type() == at::kDouble
                                      ? sum_of_squares<double>(whole[i], from, to)
                                      : sum_of_squares<float>(whole[i], from, to);
  });
  return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
}

}  // namespace monge
