#include "monge/config.h"
#include "monge/registry.h"

#include "bindings.h"

namespace monge::python {

void bind_options(py::module_& module) {
  py::class_<OptionInfo>(module, "OptionInfo", "An option as its part declares it.")
      .def_readonly("name", &OptionInfo::name)
      .def_readonly("type", &OptionInfo::type)
      .def_readonly("default", &OptionInfo::fallback)
      .def_property_readonly("bounds",
                             [](const OptionInfo& option) { return option.bounds.text(); })
      .def_readonly("sentence", &OptionInfo::sentence);
  py::class_<PartInfo>(module, "PartInfo", "A solver, network, measure, cost, metric or section.")
      .def_readonly("kind", &PartInfo::kind)
      .def_readonly("name", &PartInfo::name)
      .def_readonly("sentence", &PartInfo::sentence)
      .def_readonly("source", &PartInfo::source)
      .def_readonly("options", &PartInfo::options);
  module.def("parts", &all_parts, "Every part with its options, as `monge describe` shows them.");
  module.def(
      "choices",
      [](const std::string& solver) {
        const SolverRow& row = find_solver(solver, "solver");
        return std::pair(row.networks, row.costs);
      },
      py::arg("solver"),
      "The networks and the costs that a solver takes, the default first. Raises ValueError on an "
      "unknown one, naming the nearest.");
  module.def(
      "recipe", [](const std::string& name) { return recipe_config(name, "recipe").sections; },
      py::arg("name"),
      "The sections of a recipe. Raises ValueError on an unknown one, naming the nearest.");
  module.def("nearest", &nearest, py::arg("word"), py::arg("candidates"),
             "The candidate with the smallest edit distance to the word; '' where there is none.");
}

}  // namespace monge::python
