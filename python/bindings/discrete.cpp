#include "monge/discrete.h"

#include "monge/metric.h"

#include "bindings.h"

namespace monge::python {
namespace {

using Weights = std::optional<Tensor>;  // none: equal ones

DiscreteWeights weights_of(const Weights& source, const Weights& target) {
  return {source.value_or(Tensor()), target.value_or(Tensor())};
}

}  // namespace

void bind_discrete(py::module_& module) {
  py::class_<DiscretePlan>(module, "DiscretePlan",
                           "The optimal plan of discrete transport, with its certificate.")
      .def("__repr__",
           [](const DiscretePlan& plan) {
             return fmt::format("DiscretePlan([{}, {}], cost={:.6g}, gap={:.2g})",
                                plan.source_potential.size(0), plan.target_potential.size(0),
                                plan.cost, plan.gap);
           })
      .def_readonly("cost", &DiscretePlan::cost, "The sum of plan times cost.")
      .def_readonly("gap", &DiscretePlan::gap, "No plan is cheaper by more than that.")
      .def_readonly("rows", &DiscretePlan::rows, "int64 [k], k < n + m.")
      .def_readonly("columns", &DiscretePlan::columns, "int64 [k].")
      .def_readonly("mass", &DiscretePlan::mass, "float64 [k], sums to 1.")
      .def_readonly("source_potential", &DiscretePlan::source_potential, "u, float64 [n].")
      .def_readonly("target_potential", &DiscretePlan::target_potential, "v, float64 [m].")
      .def(
          "dense",
          [](const DiscretePlan& plan) {
            return at::zeros({plan.source_potential.size(0), plan.target_potential.size(0)},
                             at::kDouble)
                .index_put_({plan.rows, plan.columns}, plan.mass);
          },
          Unlocked(), "The plan as a matrix, float64 [n, m].");
  py::class_<EntropicPlan>(module, "EntropicPlan", py::dynamic_attr(),
                           "Entropic transport by its potentials.")
      .def("__repr__",
           [](const EntropicPlan& plan) {
             return fmt::format("EntropicPlan([{}, {}], epsilon={:.6g}, cost={:.6g})",
                                plan.source_potential.size(0), plan.target_potential.size(0),
                                plan.epsilon, plan.cost);
           })
      .def_readonly("cost", &EntropicPlan::cost, "The sum of plan times cost.")
      .def_readonly("value", &EntropicPlan::value, "cost + epsilon KL(P | a b).")
      .def_readonly("marginal_error", &EntropicPlan::marginal_error)
      .def_readonly("iterations", &EntropicPlan::iterations, "Passes over the costs.")
      .def_readonly("epsilon", &EntropicPlan::epsilon)
      .def_readonly("source_potential", &EntropicPlan::source_potential, "f, float64 [n].")
      .def_readonly("target_potential", &EntropicPlan::target_potential, "g, float64 [m].");
  module.def(
      "exact_plan",
      [](const Tensor& x, const Tensor& y, const Weights& source, const Weights& target) {
        return exact_plan(x, y, QuadraticCost(), weights_of(source, target));
      },
      py::arg("x"), py::arg("y"), py::arg("source_weights"), py::arg("target_weights"), Unlocked());
  module.def(
      "entropic_plan",
      [](const Tensor& x, const Tensor& y, double epsilon, double tolerance,
         std::int64_t max_iterations, const Weights& source, const Weights& target) {
        return entropic_plan(x, y, QuadraticCost(), {epsilon, tolerance, max_iterations},
                             weights_of(source, target));
      },
      py::arg("x"), py::arg("y"), py::arg("epsilon"), py::arg("tolerance"),
      py::arg("max_iterations"), py::arg("source_weights"), py::arg("target_weights"), Unlocked());
  module.def(
      "entropic_map",
      [](const Tensor& points, const Tensor& potential, double epsilon,
         const Weights& weights) -> std::shared_ptr<TransportMap> {
        return std::make_shared<EntropicMap>(points, potential, epsilon,
                                             weights.value_or(Tensor()));
      },
      py::arg("points"), py::arg("potential"), py::arg("epsilon"), py::arg("weights"), Unlocked());
  module.def("l2_uvp", &l2_uvp, py::arg("mapped"), py::arg("truth"), py::arg("variance"),
             Unlocked(), "100 · E|T(x) - T*(x)|² / variance, %, from [n, d] each.");
  module.def("energy_distance", &energy_distance, py::arg("x"), py::arg("y"), Unlocked(),
             "2 E|x - y| - E|x - x'| - E|y - y'| from [n, d] and [m, d], unbiased.");
}

}  // namespace monge::python
