#include "monge/measures/registry.h"

#include "monge/error.h"
#include "monge/measures/crops.h"
#include "monge/measures/file.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/gaussian_mixture.h"
#include "monge/measures/images.h"
#include "monge/measures/shapes.h"
#include "monge/measures/sheet.h"
#include "monge/measures/uniform.h"

namespace monge {
namespace {

using Made = std::shared_ptr<const Measure>;

template <class Options>
MeasureRow row(const Declaration<Options>& declaration,
               Made (*make)(const Options&, std::string_view)) {
  return {declaration.info(), [&declaration, make](const Table& table, std::string_view where) {
            return make(declaration.read(table, where), where);
          }};
}

/// For measures whose options always fit together.
template <class Options>
MeasureRow row(const Declaration<Options>& declaration, Made (*make)(const Options&)) {
  return {declaration.info(), [&declaration, make](const Table& table, std::string_view where) {
            return make(declaration.read(table, where));
          }};
}

}  // namespace

std::span<const MeasureRow> measure_rows() {
  static const std::vector<MeasureRow> rows{
      row(array_declaration(), make_array),
      row(pixels_declaration(), make_pixels),
      row(images_declaration(), make_images),
      row(crops_declaration(), make_crops),
      row(gaussian_declaration(), make_gaussian),
      row(random_gaussian_declaration(), make_random_gaussian),
      row(gaussian_mixture_declaration(), make_gaussian_mixture),
      row(gaussian_ring_declaration(), make_gaussian_ring),
      row(gaussian_grid_declaration(), make_gaussian_grid),
      row(swiss_roll_declaration(), make_swiss_roll),
      row(moons_declaration(), make_moons),
      row(circles_declaration(), make_circles),
      row(checkerboard_declaration(), make_checkerboard),
      row(box_declaration(), make_box),
      row(segment_declaration(), make_segment),
      row(sheet_declaration(), make_sheet)};
  return rows;
}

Made make_measure(std::string_view name, const Table& options, std::string_view where) {
  std::vector<std::string> names;
  for (const MeasureRow& one : measure_rows()) {
    if (one.info.name == name) return one.make(options, where);
    names.push_back(one.info.name);
  }
  throw unknown_name(where, "measure", name, names);
}

}  // namespace monge
