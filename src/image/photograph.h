#pragma once

#include "monge/image.h"

#include <vips/vips8>

#include <string>

namespace monge {

struct Photograph::Impl {
  std::string name;      ///< the file it came from, for messages
  vips::VImage picture;  ///< as image::decode returns it: settled, sRGB, 8 or 16 bits
};

}  // namespace monge
