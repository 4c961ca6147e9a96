#pragma once

#include "monge/measures/array.h"
#include "monge/options.h"

#include <memory>
#include <string>
#include <string_view>

namespace monge {

struct FileOptions {
  std::string file;
};

const Declaration<FileOptions>& array_declaration();

struct PixelsOptions {
  std::string file;
  std::string space = "srgb";
};

const Declaration<PixelsOptions>& pixels_declaration();

/// The rows of an array file; at least 2. Throws Error.
std::shared_ptr<const ArrayMeasure> read_array_measure(const std::string& location);

std::shared_ptr<const Measure> make_array(const FileOptions& options, std::string_view where);

/// The colours of a photograph's pixels in the coordinates of the space. Throws Error.
std::shared_ptr<const Measure> make_pixels(const PixelsOptions& options, std::string_view where);

}  // namespace monge
