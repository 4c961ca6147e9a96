#include "monge/conjugate.h"
#include "monge/density.h"
#include "monge/differentiable.h"
#include "monge/error.h"
#include "monge/map_file.h"
#include "monge/network_map.h"
#include "monge/run.h"

#include "networks.h"

#include <c10/core/GradMode.h>
#include <c10/util/accumulate.h>

#include <fmt/ranges.h>

#include <optional>

namespace monge::python {
namespace {

using Points = Argument<"points", Tensor>;
using Seed = Argument<"seed", std::uint64_t>;

/// The tensor itself, whole numbers as float32. Throws Error unless it is [n, d] of real numbers on
/// the processor.
Tensor points_of(const Points& given, std::int64_t dimension) {
  const Tensor& x = given.value;
  if (!x.device().is_cpu())
    fail("points", "a tensor on the cpu", fmt::format("one on {}", x.device().str()));
  if (x.layout() != at::kStrided) fail("points", "a dense tensor", c10::str(x.layout()));
  if (x.is_complex() || x.is_quantized())
    fail("points", "real numbers", at::toString(x.scalar_type()));
  if (x.dim() != 2 || x.size(1) != dimension)
    fail("points", fmt::format("[n, {}]", dimension), shape_text(x));
  return x.is_floating_point() ? x : x.to(at::kFloat);
}

/// T(x), with a graph where x requires one.
Tensor transport(const TransportMap& map, const Points& given) {
  const Tensor x = points_of(given, map.dimension());
  if (x.requires_grad() && c10::GradMode::is_enabled()) return differentiable_transport(map, x);
  return map.transport(x.to(at::kFloat)).to(x.scalar_type());
}

/// The noise of n points' draws as [n, k, m], from [k, m], the same for every point, or from
/// itself.
Tensor noise_of_points(const Tensor& noise, std::int64_t n, std::int64_t m) {
  const bool of_each = noise.dim() == 3 && noise.size(0) == n;
  if ((noise.dim() != 2 && !of_each) || noise.size(-1) != m || noise.size(-2) < 1)
    fail("sample: noise", fmt::format("[draws, {}] or [{}, draws, {}]", m, n, m),
         shape_text(noise));
  return of_each ? noise : noise.unsqueeze(0).expand({n, -1, -1});
}

/// Throws KeyboardInterrupt after Ctrl-C.
void stop_where_interrupted() {
  const py::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

/// An empty tensor, asked for at once: a MemoryError where there is no room, not where the last of
/// it is taken.
Tensor room_for(at::IntArrayRef shape, at::ScalarType dtype) {
  try {
    return at::empty(shape, dtype);
  } catch (const c10::Error&) {
    const std::string text = fmt::format(
        "sample: expected as many numbers as memory holds, got [{}]", fmt::join(shape, ", "));
    py::gil_scoped_acquire lock;
    py::set_error(PyExc_MemoryError, text.c_str());
    throw py::error_already_set();
  }
}

/// [n, k, d]: k draws of the law that each x is sent to, with the noise where it is given.
Tensor draws(const TransportMap& map, const Points& given,
             const Argument<"draws", std::int64_t>& count, const Seed& seed,
             const Argument<"noise", std::optional<Tensor>>& noise) {
  const auto* plan = dynamic_cast<const StochasticMap*>(&map);
  if (!plan)
    fail("sample", "a map with noise (light_sb, or saddle_point with noise_dimension)",
         "a map without");
  const Tensor x = points_of(given, map.dimension());
  if (noise.value) {
    const Tensor z =
        noise_of_points(noise.value->to(at::kFloat), x.size(0), plan->noise_dimension());
    const Tensor repeated = x.to(at::kFloat).repeat_interleave(z.size(1), 0);
    const Tensor moved = plan->transport(repeated, z.reshape({-1, z.size(2)}).contiguous());
    return moved.view({x.size(0), z.size(1), -1}).to(x.scalar_type());
  }
  if (count.value < 1) fail("sample", "at least 1 draw", fmt::format("{}", count.value));
  Random stream(seed.value, "draws of a map");
  const Tensor points = x.to(at::kFloat);
  const Tensor drawn = room_for(
      {x.size(0), count.value, c10::multiply_integers(plan->target_shape())}, x.scalar_type());
  for (std::int64_t i = 0; i < count.value; ++i) {
    drawn.select(1, i).copy_(plan->sample(points, stream));
    stop_where_interrupted();
  }
  return drawn;
}

/// The potential of which the map is the gradient, in coordinates of the map's frame.
std::shared_ptr<const Potential> potential_of(const std::shared_ptr<const TransportMap>& map) {
  const auto held_by_map = [&](const Potential& potential) {
    return std::shared_ptr<const Potential>(map, &potential);
  };
  if (const auto* brenier = dynamic_cast<const BrenierMap*>(map.get()))
    return held_by_map(brenier->potential());
  if (const auto* conjugate = dynamic_cast<const ConjugateMap*>(map.get()))
    return held_by_map(conjugate->potential());
  if (const auto* kantorovich = dynamic_cast<const KantorovichMap*>(map.get()))
    return held_by_map(kantorovich->potential());
  return nullptr;
}

py::object described(const py::object& module, const char* name, std::int64_t inputs,
                     std::int64_t outputs) {
  return py::module_::import("monge._modules").attr("Network")(module, name, inputs, outputs);
}

using Dimension = Argument<"dimension", std::int64_t>;
using NoiseDimension = Argument<"noise_dimension", std::int64_t>;

void require_at_least(std::int64_t least, const char* name, std::int64_t given) {
  if (given < least) fail(name, fmt::format("at least {}", least), fmt::format("{}", given));
}

std::shared_ptr<Potential> potential_of_module(const py::object& module,
                                               const Dimension& dimension) {
  require_at_least(1, "dimension", dimension.value);
  return std::make_shared<NetworkPotential>(
      network_of(described(module, "potential", dimension.value, 1)));
}

std::shared_ptr<TransportMap> map_of_module(const py::object& module, const Dimension& given,
                                            const NoiseDimension& noise) {
  const std::int64_t dimension = given.value, noise_dimension = noise.value;
  require_at_least(1, "dimension", dimension);
  require_at_least(0, "noise_dimension", noise_dimension);
  const auto network = network_of(described(module, "map", dimension + noise_dimension, dimension));
  if (noise_dimension > 0) return std::make_shared<StochasticNetworkMap>(network, false);
  return std::make_shared<NetworkMap>(network, false,
                                      identity_frame(dimension).to_dtype(at::kFloat));
}

/// A function of Python that makes the network of a map file; none for None.
NetworkMaker maker_of(const py::object& maker) {
  if (maker.is_none()) return {};
  return [&maker](std::int64_t inputs, std::int64_t outputs, const auto& notes) {
    const py::gil_scoped_acquire lock;
    return network_of(maker(inputs, outputs, notes));
  };
}

/// What a function of a potential and points gives, computed in the dtype of its parameters and
/// given in that of the points.
template <class Function>
auto at_points(Function function) {
  return [function](const Potential& psi, const Points& given) {
    const Tensor x = points_of(given, psi.dimension());
    const State parameters = psi.parameters();
    const auto dtype = parameters.empty() ? at::kFloat : parameters.begin()->second.scalar_type();
    return function(psi, x.to(dtype)).to(x.scalar_type());
  };
}

/// What a map is, as Python shows it.
std::string text_of(const TransportMap& map) {
  const auto* noisy = dynamic_cast<const StochasticMap*>(&map);
  return fmt::format("TransportMap([{}] to [{}]{})", fmt::join(map.shape(), ", "),
                     fmt::join(map.target_shape(), ", "), noisy ? ", stochastic" : "");
}

/// What a pickle holds: the function of monge._storage that reads it, and a map file's bytes.
py::tuple pickled_by(const char* reader, const Solution& solution) {
  const py::module_ storage = py::module_::import("monge._storage");
  return py::make_tuple(storage.attr(reader), py::make_tuple(storage.attr("bytes_of")(solution)));
}

void bind_potential(py::module_& module) {
  py::class_<Potential, std::shared_ptr<Potential>>(
      module, "Potential",
      "A scalar function of a point; of a torch.nn.Module from [n, d] to [n] or [n, 1] by "
      "autograd, "
      "which shares its parameters.")
      .def(py::init(&potential_of_module), py::arg("module"), py::arg("dimension"))
      .def("__repr__",
           [](const Potential& psi) {
             return fmt::format("Potential({}, dimension={})", psi.name(), psi.dimension());
           })
      .def_property_readonly("dimension", &Potential::dimension)
      .def_property_readonly("name", &Potential::name)
      .def_property_readonly("options", &Potential::options)
      .def("parameters", &Potential::parameters, "The trainable tensors by name.")
      .def("value", at_points([](const Potential& psi, const Tensor& x) {
             return psi.value(x, Graph::none);
           }),
           py::arg("x"), Unlocked(), "psi(x_i) for x [n, d]; [n].")
      .def("gradient", at_points([](const Potential& psi, const Tensor& x) {
             return psi.gradient(x, Graph::none);
           }),
           py::arg("x"), Unlocked(), "The gradient at each point of x [n, d]; [n, d].")
      .def(
          "hessian_product",
          [](const Potential& psi, const Points& x, const Argument<"v", Tensor>& v) {
            const Tensor along = points_of({v.value}, psi.dimension());
            return at_points([&](const Potential& same, const Tensor& points) {
              return same.hessian_product(points, along.to(points.scalar_type()));
            })(psi, x);
          },
          py::arg("x"), py::arg("v"), Unlocked(),
          "The Hessian at x_i times v_i for x, v [n, d]; [n, d].")
      .def("hessian",
           at_points([](const Potential& psi, const Tensor& x) { return psi.hessian(x); }),
           py::arg("x"), Unlocked(), "The Hessian at each point of x [n, d]; [n, d, d].");
}

}  // namespace

void bind_maps(py::module_& module) {
  bind_potential(module);
  py::class_<TransportMap, std::shared_ptr<TransportMap>>(
      module, "TransportMap",
      "A map T that moves points of the source to points of the target; of a torch.nn.Module from "
      "[n, d], or [n, d + noise_dimension], to [n, d], whose parameters it shares.")
      .def(py::init(&map_of_module), py::arg("module"), py::arg("dimension"),
           py::arg("noise_dimension") = 0)
      .def("__repr__", &text_of)
      .def("__reduce__",
           [](const std::shared_ptr<TransportMap>& map) {
             return pickled_by("map_of", {map, nullptr});
           })
      .def_property_readonly("dimension", &TransportMap::dimension)
      .def_property_readonly("shape", &TransportMap::shape, "[d], or [c, h, w] of images.")
      .def_property_readonly("target_shape", &TransportMap::target_shape,
                             "The shape of T(x), where the map leads to another space.")
      .def_property_readonly("stochastic",
                             [](const TransportMap& map) {
                               return dynamic_cast<const StochasticMap*>(&map) != nullptr;
                             })
      .def_property_readonly("noise_dimension",
                             [](const TransportMap& map) {
                               const auto* plan = dynamic_cast<const StochasticMap*>(&map);
                               return plan ? plan->noise_dimension() : 0;
                             })
      .def_property_readonly("has_log_det", &has_log_det)
      .def_property_readonly(
          "potential", &potential_of,
          "The potential of which the map is the gradient in its affine frame, or None.")
      .def("__call__", &transport, py::arg("x"), Unlocked(),
           "T(x) for a tensor x [n, d]; [n, d] in its dtype, with a graph where x requires one.")
      .def(
          "at_time",
          [](const TransportMap& map, const Points& given, const Argument<"time", double>& time) {
            const Tensor x = points_of(given, map.dimension());
            return map.at_time(x.to(at::kFloat), time.value).to(x.scalar_type());
          },
          py::arg("x"), py::arg("time"), Unlocked(),
          "Where x [n, d] is at `time` in [0, 1] of its way to T(x); McCann 1997.")
      .def(
          "sample", &draws, py::arg("x"), py::arg("draws") = 1, py::arg("seed") = 0,
          py::arg("noise") = py::none(), Unlocked(),
          "Draws of the law that each x is sent to, [n, draws, d]. With `noise`, T(x_i, z_k) of "
          "its rows z: [draws, m], the same for every point, or [n, draws, m]. ValueError on a map "
          "without noise.")
      .def(
          "log_det",
          [](const TransportMap& map, const Points& x) {
            const LogDet found = log_det_jacobian(map, points_of(x, map.dimension()));
            return std::pair(found.value, found.standard_error);
          },
          py::arg("x"), Unlocked(),
          "log|det dT(x_i)| and the standard error of its estimate (0 where exact), [n] float64.");
  py::class_<Solution>(module, "Solution", "A map and, where there is one, its inverse.")
      .def("__repr__",
           [](const Solution& both) {
             return fmt::format("Solution(map={}, inverse={})", text_of(*both.map),
                                both.inverse ? text_of(*both.inverse) : "None");
           })
      .def("__reduce__",
           [](const Solution& solution) { return pickled_by("solution_of", solution); })
      .def_readonly("map", &Solution::map)
      .def_readonly("inverse", &Solution::inverse);
  module.def(
      "pushed_log_density",
      [](const TransportMap& map, const Solution& both, const LogDensity& density,
         const Tensor& y) {
        const auto& other = both.map.get() == &map ? both.inverse : both.map;
        const auto found =
            pushed_log_density(map, dynamic_cast<const BrenierMap*>(other.get()), density, y);
        return std::tuple(found.value, found.standard_error, found.residual);
      },
      py::arg("map"), py::arg("solution"), py::arg("log_density"), py::arg("y"), Unlocked(),
      "Of T#P at y [n, d]: log-density, its standard error, residual of T(x) = y; [n] each.");
  module.def(
      "save_map",
      [](const std::filesystem::path& path, const Solution& solution,
         const std::map<std::string, std::string>& notes, bool replace) {
        save_map(path, solution, notes, replace ? Existing::replace : Existing::keep);
      },
      py::arg("path"), py::arg("solution"), py::arg("notes"), py::arg("replace"), Unlocked());
  module.def(
      "load_map",
      [](const std::filesystem::path& path, const py::object& maker) {
        LoadedMap loaded = load_map(
            std::filesystem::is_directory(path) ? open_run(path).map() : path, maker_of(maker));
        return std::pair(std::move(loaded.solution), std::move(loaded.notes));
      },
      py::arg("path"), py::arg("maker") = py::none(), Unlocked(),
      "The solution and the notes of a map file or run directory. `maker(inputs, outputs, notes)` "
      "makes the monge._modules.Network of a map that was a module.");
}

}  // namespace monge::python
