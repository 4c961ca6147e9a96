#include "monge/cost.h"
#include "monge/error.h"
#include "monge/registry.h"

#include "bindings.h"

namespace monge::python {
namespace {

/// The cost of that name. Throws Error on an unknown name or option, naming the nearest.
WeakCost make_cost(const std::string& name, const Table& options) {
  const PartInfo& info = find_cost(name, "cost");
  require_known_keys(options, info, "cost");
  if (name == "weak_quadratic") return WeakCost(weak_quadratic_declaration().read(options, "cost"));
  if (name == "kernel_weak") return WeakCost(kernel_weak_declaration().read(options, "cost"));
  return WeakCost(0.0);
}

void require_points(const char* name, const Tensor& points, std::int64_t columns) {
  if (points.dim() != 2 || points.size(1) != columns)
    fail(fmt::format("cost: {}", name), fmt::format("points [n, {}]", columns), shape_text(points));
}

/// Of the law of one point y_i, or of the samples of one.
Tensor value_of(const WeakCost& cost, const Tensor& x, const Tensor& y) {
  return cost.estimate(x, y.dim() == 2 ? y.unsqueeze(1) : y);
}

Tensor matrix_of(const WeakCost& cost, const Tensor& x, const Tensor& y) {
  if (x.dim() != 2) fail("cost: x", "points [n, d]", shape_text(x));
  require_points("y", y, x.size(1));
  if (cost.gamma() > 0)
    fail("cost", "a cost of two points for a matrix", fmt::format("gamma = {:g}", cost.gamma()));
  if (cost.quadratic()) return QuadraticCost().matrix(x, y);
  return 0.5 * at::cdist(x, y).pow(cost.exponent());
}

}  // namespace

void bind_costs(py::module_& module) {
  py::class_<WeakCost>(module, "WeakCost", "The cost of sending a point to a law; see monge.Cost.")
      .def(py::init(&make_cost), py::arg("name"), py::arg("options"))
      .def_property_readonly("gamma", [](const WeakCost& cost) { return cost.gamma(); })
      .def_property_readonly("exponent", &WeakCost::exponent)
      .def("value", &value_of, py::arg("x"), py::arg("y"), Unlocked(),
           "C(x_i, y_i) for x [n, d] and y [n, d], or samples [n, k, d] of laws; [n].")
      .def("matrix", &matrix_of, py::arg("x"), py::arg("y"), Unlocked(),
           "c(x_i, y_j) for x [n, d] and y [m, d]; [n, m].");
}

}  // namespace monge::python
