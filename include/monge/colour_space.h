#pragma once

#include "monge/image.h"
#include "monge/tensor.h"

#include <string>
#include <string_view>
#include <vector>

namespace monge {

/// Coordinates of colours. Distances in lab and oklab are near those that are seen.
enum class ColourSpace {
  srgb,    ///< as in files, [0, 1]³
  linear,  ///< light, IEC 61966-2-1 decoded, [0, 1]³
  lab,     ///< CIELAB of the white D65: L* 0 to 100, a* and b* about -100 to 100
  oklab,   ///< Ottosson 2020: L 0 to 1, a and b about -0.4 to 0.4
};

/// The names, in the order of the enum.
const std::vector<std::string>& colour_space_names();
/// Throws Error, naming `where`, on a name that is none of them.
ColourSpace colour_space_of(std::string_view name, std::string_view where);

/// The coordinates of sRGB colours [n, 3] in [0, 1]; [n, 3] of the same type.
Tensor from_srgb(const Tensor& colours, ColourSpace space);
/// The other way. Colours outside of sRGB's gamut are clipped, each channel by itself.
Tensor to_srgb(const Tensor& colours, ColourSpace space);

/// A function of the space's coordinates, [n, 3] to [n, 3], as one of sRGB colours.
ColourFunction in_space(ColourFunction function, ColourSpace space);

}  // namespace monge
