#include "monge/check_gradients.h"

namespace monge {
namespace {

double relative_error(const Tensor& exact, const Tensor& approximate) {
  const double difference = (exact - approximate).norm().item<double>();
  return difference /
         std::max(1e-12, std::max(exact.norm().item<double>(), approximate.norm().item<double>()));
}

/// (function(+step) - function(-step)) / (2 step) with the parameters moved along `directions`.
Tensor parameter_difference(const State& parameters, const State& directions, double step,
                            const std::function<Tensor()>& function) {
  const at::NoGradGuard no_graph;
  const auto move = [&](double by) {
    for (const auto& [name, parameter] : parameters) parameter.add_(directions.at(name), by);
  };
  move(step);
  const Tensor above = function();
  move(-2 * step);
  const Tensor below = function();
  move(step);
  return (above - below) / (2 * step);
}

/// <gradients, directions> of a scalar in the parameters.
Tensor along(const Tensor& scalar, const State& parameters, const State& directions) {
  std::vector<Tensor> inputs;
  for (const auto& [name, parameter] : parameters) inputs.push_back(parameter);
  const auto gradients =
      torch::autograd::grad({scalar}, inputs, {}, std::nullopt, false, /*allow_unused=*/true);
  Tensor sum = at::zeros({}, scalar.options());
  std::size_t i = 0;
  for (const auto& [name, parameter] : parameters) {
    if (gradients[i].defined()) sum = sum + (gradients[i] * directions.at(name)).sum();
    ++i;
  }
  return sum;
}

}  // namespace

double GradientErrors::largest() const {
  return std::max({gradient, hessian_product, parameter_gradient, parameter_of_gradient});
}

GradientErrors check_gradients(const Potential& potential, const Tensor& x, Random& random,
                               double step) {
  const Tensor v = random.normal(x.sizes()).to(x.scalar_type());
  const auto value = [&](const Tensor& at) { return potential.value(at, Graph::none); };
  const auto gradient = [&](const Tensor& at) { return potential.gradient(at, Graph::none); };
  GradientErrors errors;
  errors.gradient = relative_error((gradient(x) * v).sum(1),
                                   (value(x + step * v) - value(x - step * v)) / (2 * step));

  const Tensor tracked = x.detach().clone().set_requires_grad(true);
  const Tensor projected = (potential.gradient(tracked, Graph::create) * v).sum();
  const Tensor product = torch::autograd::grad({projected}, {tracked}).front();
  errors.hessian_product =
      relative_error(product, (gradient(x + step * v) - gradient(x - step * v)) / (2 * step));

  const State parameters = potential.parameters();
  State directions;
  for (const auto& [name, parameter] : parameters)
    directions[name] = random.normal(parameter.sizes()).to(parameter.scalar_type());
  const auto sum_of_values = [&] { return potential.value(x, Graph::none).sum(); };
  errors.parameter_gradient =
      relative_error(along(potential.value(x, Graph::create).sum(), parameters, directions),
                     parameter_difference(parameters, directions, step, sum_of_values));
  const auto projected_gradient = [&] { return (potential.gradient(x, Graph::none) * v).sum(); };
  errors.parameter_of_gradient = relative_error(
      along((potential.gradient(x, Graph::create) * v).sum(), parameters, directions),
      parameter_difference(parameters, directions, step, projected_gradient));
  return errors;
}

}  // namespace monge
