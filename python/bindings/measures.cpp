#include "monge/error.h"
#include "monge/map_images.h"
#include "monge/measures/array.h"
#include "monge/measures/crops.h"
#include "monge/measures/images.h"
#include "monge/measures/registry.h"

#include "bindings.h"

#include <c10/util/accumulate.h>

#include <fmt/ranges.h>

#include <algorithm>

namespace monge::python {
namespace {

/// The measure of a Python function draw(n, seed) -> [n, d], of points or images of that shape. The
/// seed comes from the stream, so that a function of it alone gives the same points again.
class CallableMeasure final : public Measure {
 public:
  CallableMeasure(py::function draw, std::vector<std::int64_t> shape)
      : draw_(std::move(draw)),
        shape_(std::move(shape)),
        dimension_(c10::multiply_integers(shape_)) {}
  ~CallableMeasure() override {
    const py::gil_scoped_acquire lock;
    draw_ = py::function();
  }

  std::int64_t dimension() const override { return dimension_; }
  std::vector<std::int64_t> shape() const override { return shape_; }

  void sample_into(std::span<float> points, Random& random) const override {
    const auto n = static_cast<std::int64_t>(points.size()) / dimension_;
    const std::int64_t seed = random.integers(std::int64_t{1} << 62, 1).item<std::int64_t>();
    Tensor drawn;
    {
      const py::gil_scoped_acquire lock;
      drawn = draw_(n, seed).cast<Tensor>();
    }
    if (drawn.sizes() != at::IntArrayRef{n, dimension_})
      fail("measure", shape_text(at::empty({n, dimension_})), shape_text(drawn));
    drawn = drawn.to(at::kFloat).contiguous();
    std::copy_n(drawn.const_data_ptr<float>(), drawn.numel(), points.data());
  }

 private:
  py::function draw_;
  std::vector<std::int64_t> shape_;
  std::int64_t dimension_;
};

std::vector<std::pair<std::string, std::string>> skipped_files(const Measure& measure) {
  std::vector<std::pair<std::string, std::string>> files;
  if (const auto* images = dynamic_cast<const ImageMeasure*>(&measure))
    for (const auto& [name, reason] : images->skipped()) files.emplace_back(name, reason);
  if (const auto* crops = dynamic_cast<const CropMeasure*>(&measure))
    for (const auto& [name, reason] : crops->skipped()) files.emplace_back(name, reason);
  return files;
}

}  // namespace

void bind_measures(py::module_& module) {
  py::class_<Measure, std::shared_ptr<Measure>>(
      module, "Measure", "A probability measure known by its samples; monge.measure() makes one.")
      .def(
          "__deepcopy__", [](const py::object& self, const py::dict&) { return self; },
          "Itself: a measure does not change.")
      .def("__repr__",
           [](const py::object& self) {
             return fmt::format("{}([{}])",
                                std::string(py::str(py::type::of(self).attr("__name__"))),
                                fmt::join(self.cast<const Measure&>().shape(), ", "));
           })
      .def_property_readonly("dimension", &Measure::dimension)
      .def_property_readonly("shape", &Measure::shape, "[d], or [c, h, w] of images.")
      .def_property_readonly("skipped", &skipped_files,
                             "Name and reason of the files of an image folder that are none.")
      .def(
          "sample",
          [](const Measure& measure, const Argument<"n", std::int64_t>& n,
             const Argument<"seed", std::uint64_t>& seed) {
            if (n.value < 0) fail("sample", "at least 0 points", fmt::format("{}", n.value));
            Random random(seed.value, "sample");
            return measure.sample(n.value, random);
          },
          py::arg("n"), py::arg("seed") = 0, Unlocked(),
          "n independent points, a tensor [n, d] float32.")
      .def(
          "moments",
          [](const Measure& measure) -> std::optional<std::pair<Tensor, Tensor>> {
            const auto moments = measure.moments();
            if (!moments) return std::nullopt;
            return std::pair(moments->mean, moments->covariance);
          },
          Unlocked(), "Mean [d] and covariance [d, d], float64, or None where not known exactly.")
      .def(
          "log_density",
          [](const Measure& measure, const Argument<"points", Tensor>& x) {
            return measure.log_density(x.value);
          },
          py::arg("x"), Unlocked(),
          "log p(x_i) for x [n, d], [n] float64; None where the density is not known.");
  py::class_<ArrayMeasure, Measure, std::shared_ptr<ArrayMeasure>>(
      module, "ArrayMeasure", "The empirical measure of the rows of an array.")
      .def(py::init([](const Tensor& rows, std::vector<std::int64_t> shape) {
             return std::make_shared<ArrayMeasure>(rows, std::move(shape));
           }),
           py::arg("rows"), py::arg("shape") = std::vector<std::int64_t>{}, Unlocked(),
           "Shares the memory of contiguous float32 rows [n, d]; shape [c, h, w] of images.")
      .def("__reduce__",
           [](const py::object& self) {
             const auto& measure = self.cast<const ArrayMeasure&>();
             return py::make_tuple(py::type::of(self),
                                   py::make_tuple(measure.rows(), measure.shape()));
           })
      .def_property_readonly("rows", &ArrayMeasure::rows);
  py::class_<CallableMeasure, Measure, std::shared_ptr<CallableMeasure>>(module, "CallableMeasure")
      .def(py::init<py::function, std::vector<std::int64_t>>(), py::arg("draw"), py::arg("shape"));
  module.def(
      "write_grid",
      [](const std::filesystem::path& path, const Tensor& images, std::int64_t columns) {
        write_grid(path, images, columns);
      },
      py::arg("path"), py::arg("images"), py::arg("columns"), Unlocked(),
      "A PNG of images [n, c, h, w] in [-1, 1], in rows of `columns`.");
  module.def("make_measure", &make_measure, py::arg("name"), py::arg("options"), py::arg("where"),
             Unlocked(), "The measure of that name in the registry.");
}

}  // namespace monge::python
