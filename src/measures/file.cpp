#include "monge/measures/file.h"

#include "monge/arrays.h"
#include "monge/colour_space.h"
#include "monge/error.h"
#include "monge/image.h"

namespace monge {

const Declaration<FileOptions>& array_declaration() {
  static const auto declaration =
      Declaration<FileOptions>("measure", "array",
                               "The rows of an array file: npy, npz, safetensors, csv or h5ad.", "")
          .option("file", &FileOptions::file,
                  "The file; file.npz:key and file.safetensors:key pick an array, "
                  "file.h5ad:X_pca:day=2 a matrix of AnnData and cells by their obs.");
  return declaration;
}

const Declaration<PixelsOptions>& pixels_declaration() {
  static const auto declaration =
      Declaration<PixelsOptions>("measure", "pixels", "The colours of a photograph's pixels.",
                                 "Korotin et al. 2021, appendix C.6")
          .option("file", &PixelsOptions::file, "The photograph, of any common format.")
          .option("space", &PixelsOptions::space,
                  "Their coordinates: sRGB in [0, 1]³; linear light; CIELAB or OKLab, whose "
                  "distances are near those that are seen.",
                  one_of(colour_space_names()));
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

std::shared_ptr<const Measure> make_pixels(const PixelsOptions& options, std::string_view where) {
  if (options.file.empty()) fail(fmt::format("{}.file", where), "a photograph", "none");
  const Palette palette = Photograph(options.file).palette();
  const ColourSpace space = colour_space_of(options.space, fmt::format("{}.space", where));
  return std::make_shared<WeightedMeasure>(from_srgb(palette.colours, space), palette.counts);
}

}  // namespace monge
