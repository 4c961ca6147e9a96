#pragma once
// What every binding needs, and the one precompiled header of them: pybind11 with torch's casters.
#include "monge/options.h"
#include "monge/tensor.h"
#include "monge/transport_map.h"

#include <ATen/ATen.h>
#include <torch/csrc/utils/pybind.h>

#include <fmt/format.h>
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <memory>
#include <string>

namespace monge::python {

namespace py = pybind11;

/// Work of the library runs without the interpreter's lock.
using Unlocked = py::call_guard<py::gil_scoped_release>;

void bind_options(py::module_& module);
void bind_measures(py::module_& module);
void bind_maps(py::module_& module);
void bind_costs(py::module_& module);
void bind_discrete(py::module_& module);
void bind_training(py::module_& module);
void bind_program(py::module_& module);

}  // namespace monge::python
