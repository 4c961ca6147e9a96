#pragma once

#include "monge/image.h"

#include <vips/vips8>

#include <cstdint>
#include <string>

namespace monge::image {

/// An 8-bit picture with every colour replaced. The map sees each distinct colour once, here and
/// now; the pixels are computed when an encoder asks for them.
vips::VImage recolour_by_table(const vips::VImage& picture, const ColourFunction& map,
                               const std::string& where);

/// A 16-bit picture with every colour replaced. The map sees each distinct colour of a strip once,
/// in this thread, since a map need not be safe to call from several; the result is kept as
/// room_for keeps it.
vips::VImage recolour_by_strips(const vips::VImage& picture, const ColourFunction& map,
                                const std::string& where,
                                std::uint64_t limit = vips_get_disc_threshold());

}  // namespace monge::image
