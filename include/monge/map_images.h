#pragma once

#include "monge/arrays.h"
#include "monge/files.h"
#include "monge/image.h"
#include "monge/measures/images.h"
#include "monge/tensor.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace monge {

/// A map of images, and what it takes for one.
struct ImageMapping {
  /// Rows [n, channels · height · width] in [-1, 1] to [n, samples · channels · height · width].
  std::function<Tensor(const Tensor&)> function;
  std::vector<std::int64_t> shape;  ///< [channels, height, width]
  std::int64_t samples = 1;         ///< images that come of each one
  /// How the images of the training were made; what it leaves open follows from the shape.
  ImageOptions preparation = {};
  std::int64_t downscale = 1;  ///< times that a photograph is enlarged before its tiles are mapped
  bool grey = false;           ///< whether it loses its colours before
};

struct MappedFolder {
  std::int64_t images = 0;  ///< that were mapped
  std::vector<SkippedFile> skipped;
};

/// Maps every picture of a folder and the folders in it to one of the same name under `out`, which
/// is made where it is missing; with several samples to NAME-1, NAME-2, ... A picture of a format
/// that cannot be written is called NAME.gif.png. The pictures are prepared as those of the
/// training, and what comes of them has the map's size, padding removed. Throws Error where `out`
/// holds files and `existing` is keep, and where it is `in`.
MappedFolder map_image_folder(const ImageMapping& mapping, const std::filesystem::path& in,
                              const std::filesystem::path& out, Existing existing);

/// Maps an image of any size, [channels, h, w] in [-1, 1], by a map of square ones of s pixels: in
/// tiles that overlap by half, whose results are blended by sin² across each; of [channels, h, w].
/// Around the image lies its mirror image, so that every pixel is in four tiles. The samples are 1.
/// Throws Error on a map of other images; each side has to have s pixels at least.
Tensor map_by_tiles(const ImageMapping& mapping, const Tensor& image);

/// Maps a photograph tile by tile to one of its own size, or `downscale` times as large, of 8 bits
/// and without alpha; it is enlarged bicubically. Throws Error on one that is then smaller than a
/// tile.
void map_photograph(const ImageMapping& mapping, const std::filesystem::path& in,
                    const std::filesystem::path& out, Existing existing);

/// The same of every picture of a folder and the folders in it, to the same names under `out`.
/// Damaged pictures are skipped. Throws Error as map_image_folder() does.
MappedFolder map_photograph_folder(const ImageMapping& mapping, const std::filesystem::path& in,
                                   const std::filesystem::path& out, Existing existing);

/// Recolours every picture of a folder and the folders in it, to the same names under `out`, as
/// Photograph::recolour() does: at its own size and depth. Damaged pictures are skipped. Throws
/// Error as map_image_folder() does.
MappedFolder recolour_folder(const ColourFunction& map, const std::filesystem::path& in,
                             const std::filesystem::path& out, Existing existing);

/// Maps one picture to another; of one sample only.
void map_image(const ImageMapping& mapping, const std::filesystem::path& in,
               const std::filesystem::path& out, Existing existing);

/// Maps an array of images or an IDX file to an array of the same order and type, [n, ...], or [n,
/// samples, ...] with several samples. Throws Error on images of another shape.
void map_image_array(const ImageMapping& mapping, const std::string& in,
                     const std::filesystem::path& out, Existing existing);

/// Whether an array or IDX file holds images, by the sides of its points.
bool holds_images(const std::string& location);

/// Where `count` points of that shape go as they come, [k, d] at a time: an array file [count,
/// ...]; or, of images [1 or 3, height, width] in [-1, 1], a picture of all of them in rows, or a
/// folder of PNG files 01.png, 02.png, ... that is made where it is missing. Throws Error on other
/// points and where something stands there that `existing` keeps.
std::unique_ptr<ArrayWriter> create_points(const std::filesystem::path& path,
                                           const std::vector<std::int64_t>& shape,
                                           std::int64_t count, Existing existing);

/// A PNG of images [n, channels, height, width], floats in [-1, 1] or bytes, in rows of `columns`,
/// with white lines between them. Throws Error on another shape. Atomic.
void write_grid(const std::filesystem::path& path, const Tensor& images, std::int64_t columns,
                Existing existing = Existing::replace);

}  // namespace monge
