#include "monge/measures/file.h"

#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/image.h"

namespace monge {

const Declaration<FileOptions>& array_declaration() {
  static const auto declaration =
      Declaration<FileOptions>("measure", "array",
                               "The rows of an array file: npy, npz, safetensors or csv.", "")
          .option("file", &FileOptions::file,
                  "The file; file.npz:key and file.safetensors:key pick an array.");
  return declaration;
}

const Declaration<FileOptions>& pixels_declaration() {
  static const auto declaration =
      Declaration<FileOptions>("measure", "pixels",
                               "The colours of a photograph's pixels, sRGB in [0, 1]³.",
                               "Korotin et al. 2021, appendix C.6")
          .option("file", &FileOptions::file, "The photograph, of any common format.");
  return declaration;
}

std::shared_ptr<const ArrayMeasure> read_array_measure(const std::string& location) {
  Tensor rows = read_array(location);
  if (rows.size(0) < 2) fail(location, "at least 2 points", fmt::format("{}", rows.size(0)));
  return std::make_shared<ArrayMeasure>(std::move(rows));
}

std::shared_ptr<const Measure> make_array(const FileOptions& options, std::string_view where) {
  if (options.file.empty()) fail(fmt::format("{}.file", where), "a file", "none");
  return read_array_measure(options.file);
}

std::shared_ptr<const Measure> make_pixels(const FileOptions& options, std::string_view where) {
  if (options.file.empty()) fail(fmt::format("{}.file", where), "a photograph", "none");
  const Palette palette = Photograph(options.file).palette();
  return std::make_shared<WeightedMeasure>(palette.colours, palette.counts);
}

}  // namespace monge
