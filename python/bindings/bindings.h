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

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

namespace monge::python {

namespace py = pybind11;

/// Work of the library runs without the interpreter's lock.
using Unlocked = py::call_guard<py::gil_scoped_release>;

/// The name of an argument, as a template's parameter.
template <std::size_t Size>
struct ArgumentName {
  consteval ArgumentName(const char (&name)[Size]) { std::ranges::copy(name, text); }
  char text[Size];
};

/// An argument of that name: what is no T is a TypeError of one line, and a negative number where
/// none may be a ValueError.
template <ArgumentName Name, class T>
struct Argument {
  T value;
};

/// What a function takes for T, in words.
template <class T>
constexpr const char* type_text() {
  if constexpr (std::is_same_v<T, Tensor>) return "a tensor";
  if constexpr (std::is_same_v<T, std::optional<Tensor>>) return "a tensor or None";
  if constexpr (std::is_unsigned_v<T>) return "an integer of at least 0";
  return std::is_integral_v<T> ? "an integer" : "a number";
}

void bind_options(py::module_& module);
void bind_measures(py::module_& module);
void bind_maps(py::module_& module);
void bind_costs(py::module_& module);
void bind_discrete(py::module_& module);
void bind_training(py::module_& module);
void bind_program(py::module_& module);

}  // namespace monge::python

template <monge::python::ArgumentName Name, class T>
struct pybind11::detail::type_caster<monge::python::Argument<Name, T>> {
  using Given = monge::python::Argument<Name, T>;
  static constexpr auto name = make_caster<T>::name;
  template <class>
  using cast_op_type = const Given&;

  bool load(handle source, bool convert) {
    make_caster<T> inner;
    const bool truth = std::is_arithmetic_v<T> && PyBool_Check(source.ptr());
    if (truth || !inner.load(source, convert)) {
      const bool whole = !truth && PyLong_Check(source.ptr()) != 0;
      const std::string got = whole ? std::string(str(source))
                                    : std::string(str(type::handle_of(source).attr("__name__")));
      const std::string text =
          fmt::format("{}: expected {}, got {}", Name.text, monge::python::type_text<T>(), got);
      if (whole && std::is_integral_v<T>) throw value_error(text);
      throw type_error(text);
    }
    given_.value = cast_op<T>(inner);
    return true;
  }
  operator const Given&() { return given_; }

 private:
  Given given_;
};
