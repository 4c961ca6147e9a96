#pragma once

#include "monge/measures/prefetching.h"
#include "monge/options.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace monge {

/// How files become images of one shape, and where they are kept.
struct ImageOptions {
  std::string file;
  std::int64_t size = 0;
  std::int64_t channels = 0;
  std::string crop = "centre";
  std::int64_t crop_size = 0;
  std::int64_t crop_offset = 0;
  std::int64_t pad = 0;
  bool flip = false;
  std::vector<double> hues;
  std::vector<std::int64_t> labels;
  std::string labels_file;
  std::string cache;
  std::int64_t memory = 1024;
  std::int64_t workers = 0;
};

const Declaration<ImageOptions>& images_declaration();

/// A file of a folder that is no image, and why.
struct SkippedFile {
  std::string name;  ///< within the folder
  std::string reason;
};

/// "3 files are no pictures and were skipped: a.txt (an empty file), ..."; the first ones by name.
std::string summary_of(const std::vector<SkippedFile>& skipped);

/// Images of one shape, a byte for every channel of a pixel. Safe to use from several threads.
class ImageSet {
 public:
  virtual ~ImageSet() = default;
  virtual std::int64_t size() const = 0;
  virtual std::vector<std::int64_t> shape() const = 0;  ///< [channels, height, width]
  /// The images of the given indices, one after the other.
  virtual void gather(std::span<const std::int64_t> indices,
                      std::span<std::uint8_t> levels) const = 0;
  /// Says which images are gathered next.
  virtual void prefetch(std::span<const std::int64_t> /*indices*/) const {}
  /// The files that were found to be none, so far.
  virtual std::vector<SkippedFile> skipped() const { return {}; }
};

/// Pictures of a folder and the folders in it, in the order of their names, decoded when they are
/// needed or announced by prefetch(), by worker threads, and kept as long as there is memory. The
/// head of every file is read here, and what is no picture is skipped; a picture whose pixels turn
/// out to be damaged gives its place to the next one. Throws Error on a folder that cannot be read
/// or holds no picture, on pictures of both one and three channels where none are asked for, and on
/// one that has no room for the crop.
std::shared_ptr<const ImageSet> open_image_folder(const std::filesystem::path& folder,
                                                  const ImageOptions& options);

/// Images of bytes that are there: `levels` is [n, channels, height, width] uint8.
std::shared_ptr<const ImageSet> image_set(const Tensor& levels);

/// Whether a measure counts the mirror image of every image.
enum class Mirrored { no, yes };

/// The empirical measure of images, rows [channels · height · width] scaled to [-1, 1].
///
/// With mirror images it has twice as many points, the mirrored ones behind the others: the law of
/// an image that is flipped from left to right with probability 1/2. With hues every image comes
/// once in each, those of the second hue behind all of the first: the law of an image in a hue that
/// is drawn alike and independently of it. A level l in the hue of the colour c (the sRGB colour of
/// full saturation and value) is c · l: black stays black.
class ImageMeasure final : public PrefetchingMeasure {
 public:
  /// `hues` in degrees. Throws Error on hues of images that are not grey.
  explicit ImageMeasure(std::shared_ptr<const ImageSet> images, Mirrored mirrored = Mirrored::no,
                        std::span<const double> hues = {});

  std::int64_t dimension() const override { return channels() * height_ * width_; }
  std::vector<std::int64_t> shape() const override { return {channels(), height_, width_}; }
  std::int64_t size() const override {
    return count() * mirrors() * std::max<std::int64_t>(std::ssize(colours_), 1);
  }
  void gather(std::span<const std::int64_t> indices, std::span<float> points) const override;
  void prefetch(std::span<const std::int64_t> indices) const override;

  /// How many images there are, their mirror images and hues not counted.
  std::int64_t count() const { return static_cast<std::int64_t>(members_.size()); }
  Mirrored mirrored() const { return mirrored_; }
  /// The measure of some of the images, in the same hues: of the `indices` [k] int64, each below
  /// count().
  std::shared_ptr<const ImageMeasure> part(const Tensor& indices, Mirrored mirrored) const;
  std::vector<SkippedFile> skipped() const { return images_->skipped(); }

 private:
  using Colour = std::array<float, 3>;
  static Colour colour_of(double hue);
  static void paint(const Colour& colour, std::int64_t pixels, float* planes);
  std::int64_t channels() const { return colours_.empty() ? kept_channels_ : 3; }
  std::int64_t mirrors() const { return mirrored_ == Mirrored::yes ? 2 : 1; }
  std::vector<std::int64_t> members_of(std::span<const std::int64_t> indices) const;

  std::shared_ptr<const ImageSet> images_;
  std::int64_t kept_channels_, height_, width_;
  std::vector<std::int64_t> members_;  // which of the images
  Mirrored mirrored_;
  std::vector<Colour> colours_;
};

/// The images of a folder, an IDX file or an array of images ([n, h, w], [n, h, w, c] or [n, c, h,
/// w], c = 1 or 3). An ImageMeasure, or an ArrayMeasure of an array of floats, which are kept as
/// they are and must lie in [-1, 1]. Throws Error.
std::shared_ptr<const Measure> make_images(const ImageOptions& options, std::string_view where);

/// True where `file` is a folder or an IDX file.
bool is_image_collection(const std::string& file);

}  // namespace monge
