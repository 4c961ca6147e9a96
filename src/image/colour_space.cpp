#include "monge/colour_space.h"

#include "monge/error.h"
#include "monge/options.h"

namespace monge {
namespace {

// Everything is in float64: float32 does not keep the levels of 16 bits.

/// A linear map of colours and its inverse, both transposed for rows.
struct Matrix {
  explicit Matrix(std::initializer_list<double> rows)
      : forward(at::tensor(std::vector<double>(rows), at::kDouble).view({3, 3}).t()),
        inverse(at::linalg_inv(forward)) {}
  Tensor forward, inverse;
};

Tensor times(const Tensor& colours, const Tensor& matrix) { return colours.mm(matrix); }

Tensor cube_root(const Tensor& values) { return values.clamp_min(0).pow(1.0 / 3); }

/// IEC 61966-2-1, 5.2.
Tensor decoded(const Tensor& srgb) {
  return at::where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055).pow(2.4));
}

Tensor encoded(const Tensor& linear) {
  const Tensor inside = linear.clamp(0, 1);
  return at::where(inside <= 0.0031308, 12.92 * inside, 1.055 * inside.pow(1 / 2.4) - 0.055);
}

/// IEC 61966-2-1, with the white D65 as (1, 1, 1).
const Matrix& relative_xyz() {
  static const Matrix matrix = [] {
    const Matrix xyz({0.4124564, 0.3575761, 0.1804375, 0.2126729, 0.7151522, 0.0721750, 0.0193339,
                      0.1191920, 0.9503041});
    Matrix relative = xyz;
    relative.forward = xyz.forward / xyz.forward.sum(0, true);
    relative.inverse = at::linalg_inv(relative.forward);
    return relative;
  }();
  return matrix;
}

constexpr double lab_knee = 6.0 / 29;  // CIE 15:2018, eq. 8.6 to 8.11

/// L* a* b* of f(X), f(Y), f(Z), without the offset of L*.
const Matrix& lab_of_roots() {
  static const Matrix matrix({0, 116, 0, 500, -500, 0, 0, 200, -200});
  return matrix;
}

Tensor lab_of(const Tensor& linear) {
  const Tensor xyz = times(linear, relative_xyz().forward);
  const Tensor roots = at::where(xyz > lab_knee * lab_knee * lab_knee, cube_root(xyz),
                                 xyz / (3 * lab_knee * lab_knee) + 4.0 / 29);
  const Tensor lab = times(roots, lab_of_roots().forward);
  lab.select(1, 0).sub_(16);
  return lab;
}

Tensor linear_of_lab(const Tensor& lab) {
  const Tensor shifted = lab.clone();
  shifted.select(1, 0).add_(16);
  const Tensor roots = times(shifted, lab_of_roots().inverse);
  const Tensor xyz =
      at::where(roots > lab_knee, roots.pow(3), 3 * lab_knee * lab_knee * (roots - 4.0 / 29));
  return times(xyz, relative_xyz().inverse);
}

/// Ottosson 2020, "A perceptual color space for image processing": cone responses of linear sRGB,
/// then the coordinates of their cube roots.
const Matrix& cones() {
  static const Matrix matrix({0.4122214708, 0.5363325363, 0.0514459929, 0.2119034982, 0.6806995451,
                              0.1073969566, 0.0883024619, 0.2817188376, 0.6299787005});
  return matrix;
}

const Matrix& oklab_of_roots() {
  static const Matrix matrix({0.2104542553, 0.7936177850, -0.0040720468, 1.9779984951,
                              -2.4285922050, 0.4505937099, 0.0259040371, 0.7827717662,
                              -0.8086757660});
  return matrix;
}

}  // namespace

const std::vector<std::string>& colour_space_names() {
  static const std::vector<std::string> names{"srgb", "linear", "lab", "oklab"};
  return names;
}

ColourSpace colour_space_of(std::string_view name, std::string_view where) {
  const auto& names = colour_space_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) throw unknown_name(where, "colour space", name, names);
  return static_cast<ColourSpace>(found - names.begin());
}

Tensor from_srgb(const Tensor& colours, ColourSpace space) {
  if (space == ColourSpace::srgb) return colours;
  const Tensor linear = decoded(colours.to(at::kDouble));
  Tensor coordinates = linear;
  if (space == ColourSpace::lab) coordinates = lab_of(linear);
  if (space == ColourSpace::oklab)
    coordinates = times(cube_root(times(linear, cones().forward)), oklab_of_roots().forward);
  return coordinates.to(colours.scalar_type());
}

Tensor to_srgb(const Tensor& colours, ColourSpace space) {
  if (space == ColourSpace::srgb) return colours.clamp(0, 1);
  Tensor linear = colours.to(at::kDouble);
  if (space == ColourSpace::lab) linear = linear_of_lab(linear);
  if (space == ColourSpace::oklab)
    linear = times(times(linear, oklab_of_roots().inverse).pow(3), cones().inverse);
  return encoded(linear).to(colours.scalar_type());
}

ColourFunction in_space(ColourFunction function, ColourSpace space) {
  if (space == ColourSpace::srgb) return function;
  return [function = std::move(function), space](const Tensor& colours) {
    return to_srgb(function(from_srgb(colours, space)), space);
  };
}

}  // namespace monge
