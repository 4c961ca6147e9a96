#include "monge/error.h"
#include "monge/log.h"

#include "bindings.h"

namespace monge::python {
namespace {

/// An Error is a ValueError with the same line.
void translate_errors(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const Error& error) {
    py::set_error(PyExc_ValueError, error.what());
  }
}

/// Messages of the library go to Python's logger "monge". The logger outlives the interpreter's
/// modules, so it is never let go.
void log_to_python() {
  auto* logger = new py::object(py::module_::import("logging").attr("getLogger")("monge"));
  log::set_sink([logger](log::Level level, std::string_view message) {
    constexpr int severities[] = {10, 20, 30, 40, 50};  // of Python's logging
    if (!Py_IsInitialized()) return;
    const py::gil_scoped_acquire lock;
    logger->attr("log")(severities[static_cast<int>(level)], py::str(message));
  });
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  py::module_::import("torch");  // its casters and libraries
  module.attr("__version__") = MONGE_VERSION;
  py::register_exception_translator(translate_errors);
  log_to_python();
  bind_options(module);
  bind_measures(module);
  bind_maps(module);
  bind_costs(module);
  bind_discrete(module);
  bind_training(module);
  bind_program(module);
}

}  // namespace monge::python
