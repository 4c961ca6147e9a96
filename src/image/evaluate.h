#pragma once

#include "monge/image.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace monge::image {

/// No map sees more colours than this in one call.
inline constexpr std::int64_t kBlock = 65536;

/// map(colours) for [n, 3] colours, row by row, clipped to [0, 1]. Throws Error where the result is
/// not [n, 3] or not finite.
std::vector<float> evaluate(const ColourFunction& map, const Tensor& colours,
                            const std::string& where);

/// `levels` holds [n, 3] channels of full-scale integers; writes the map of each, rounded to the
/// same scale, to `mapped`. Calls the map on blocks of at most kBlock colours.
template <typename Channel>
void evaluate_levels(const ColourFunction& map, std::span<const Channel> levels,
                     std::span<Channel> mapped, const std::string& where);

}  // namespace monge::image
