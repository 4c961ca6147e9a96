#include "monge/measures/images.h"

#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/measures/array.h"

#include "arrays/idx.h"
#include "image/array_images.h"
#include "image/levels.h"
#include "image/prepare.h"

#include <numeric>

namespace monge {
namespace {

constexpr std::int64_t usual_size = 64;  // of the pictures of a folder, NOT's smaller one

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

class LoadedImages final : public ImageSet {
 public:
  explicit LoadedImages(const Tensor& levels) : levels_(levels.contiguous()) {}

  std::int64_t size() const override { return levels_.size(0); }
  std::vector<std::int64_t> shape() const override { return levels_.sizes().slice(1).vec(); }
  void gather(std::span<const std::int64_t> indices,
              std::span<std::uint8_t> levels) const override {
    const auto bytes = static_cast<std::size_t>(levels_.stride(0));
    const auto* from = levels_.const_data_ptr<std::uint8_t>();
    for (std::size_t k = 0; k < indices.size(); ++k)
      std::copy_n(from + indices[k] * bytes, bytes, levels.data() + k * bytes);
  }

 private:
  Tensor levels_;
};

void scale(const std::uint8_t* levels, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = image::from_level(levels[i]);
}

/// Rows of `width` pixels from right to left.
void scale_mirrored(const std::uint8_t* levels, std::int64_t count, std::int64_t width, float* to) {
  for (std::int64_t row = 0; row < count; row += width)
    for (std::int64_t x = 0; x < width; ++x)
      to[row + x] = image::from_level(levels[row + width - 1 - x]);
}

/// Where MNIST and its likes have the labels of "train-images-idx3-ubyte.gz".
std::string labels_beside(const std::string& images) {
  constexpr std::string_view named = "images-idx3";
  const std::filesystem::path path = images;
  std::string name = path.filename().string();
  const std::size_t at = name.find(named);
  if (!is_idx_path(path) || at == std::string::npos) return "";
  return (path.parent_path() / name.replace(at, named.size(), "labels-idx1")).string();
}

/// [n] int64.
Tensor read_labels(const std::string& file) {
  if (!is_idx_path(file)) return read_array(file).flatten().to(at::kLong);
  const Tensor labels = read_idx(file);
  if (labels.dim() != 1)
    fail(file, "labels [n]", fmt::format("an array of {} sides", labels.dim()));
  return labels.to(at::kLong);
}

/// The images whose label is one of those that are asked for.
Tensor labelled(const Tensor& images, const ImageOptions& options, std::string_view where) {
  if (options.labels.empty()) return images;
  const std::string file =
      options.labels_file.empty() ? labels_beside(options.file) : options.labels_file;
  if (file.empty()) fail(fmt::format("{}.labels_file", where), "a file of labels", "none");
  const Tensor labels = read_labels(file);
  if (labels.size(0) != images.size(0))
    fail(file, fmt::format("{} labels, one for each image of {}", images.size(0), options.file),
         fmt::format("{}", labels.size(0)));
  const Tensor kept = at::isin(labels, at::tensor(options.labels)).nonzero().squeeze(1);
  if (kept.size(0) == 0)
    fail(file, fmt::format("labels {}", fmt::join(options.labels, ", ")),
         fmt::format("labels from {} to {}", labels.min().item<std::int64_t>(),
                     labels.max().item<std::int64_t>()));
  return images.index_select(0, kept);
}

/// The measure of bytes that the options describe.
std::shared_ptr<const Measure> measure_of(std::shared_ptr<const ImageSet> images,
                                          const ImageOptions& options, std::string_view where) {
  if (!options.hues.empty() && images->shape().front() != 1)
    fail(fmt::format("{}.channels", where), "1, grey images, where they are given hues",
         fmt::format("{}", images->shape().front()));
  return std::make_shared<ImageMeasure>(std::move(images),
                                        options.flip ? Mirrored::yes : Mirrored::no, options.hues);
}

std::shared_ptr<const Measure> folder_measure(ImageOptions options, std::string_view where) {
  if (!options.labels.empty())
    fail(fmt::format("{}.labels", where), "none where the images are the pictures of a folder",
         fmt::format("[{}]", fmt::join(options.labels, ", ")));
  if (options.size == 0 && options.crop_size == 0 && options.pad == 0) options.size = usual_size;
  return measure_of(open_image_folder(options.file, options), options, where);
}

std::shared_ptr<const Measure> array_measure(const ImageOptions& options, std::string_view where) {
  const Tensor read = image::read_array_images(options.file).images;
  const Tensor images = image::prepare_array(labelled(read, options, where), options, options.file);
  if (images.size(0) < 2)
    fail(options.file, "at least 2 images", fmt::format("{}", images.size(0)));
  if (images.scalar_type() == at::kByte) return measure_of(image_set(images), options, where);
  if (options.flip) fail(options.file, "bytes (uint8), of which there are mirror images", "floats");
  if (!options.hues.empty()) fail(options.file, "bytes (uint8), which are given hues", "floats");
  return std::make_shared<ArrayMeasure>(images.flatten(1), images.sizes().slice(1).vec());
}

}  // namespace

const Declaration<ImageOptions>& images_declaration() {
  using O = ImageOptions;
  constexpr double largest = 8192;
  static const auto declaration =
      Declaration<O>("measure", "images",
                     "Images scaled to [-1, 1]: the pictures of a folder, an IDX file, or an "
                     "array [n, h, w], [n, h, w, c] or [n, c, h, w] of bytes or floats.",
                     "Korotin et al. 2023, appendix C")
          .option("file", &O::file,
                  "A folder (with the folders in it), an IDX file (.gz too), an npy, file.npz:key "
                  "or file.safetensors:key.")
          .option("size", &O::size,
                  "Pixels a side after resizing with antialiasing; 0: as they are, but 64 for "
                  "folders without crop_size and pad.",
                  between(0, largest))
          .option("channels", &O::channels,
                  "1 (grey) or 3 (sRGB); 0: those of the files, which must then agree.",
                  between(0, 3))
          .option("crop", &O::crop,
                  "Before resizing: the square at the centre, or nothing, so that the whole "
                  "picture is made square.",
                  one_of({"centre", "none"}))
          .option("crop_size", &O::crop_size,
                  "Pixels a side of that square in the file; 0: the largest one.",
                  between(0, largest))
          .option("crop_offset", &O::crop_offset,
                  "Pixels that the square lies above the centre (14 with crop_size 256 in NOT's "
                  "anime faces).",
                  between(-largest, largest))
          .option("pad", &O::pad,
                  "Pixels a side after padding with black, such as 32 for images of 28; 0: none.",
                  between(0, largest))
          .option("flip", &O::flip, "Whether training sees mirror images as well.")
          .option("hues", &O::hues,
                  "Hues in degrees that grey images are given, 0 red, 120 green, 240 blue: each "
                  "with the same probability, independent of the image, black staying black; "
                  "empty: none.",
                  between(0, 360))
          .option("labels", &O::labels, "Only images with these labels; empty: all.")
          .option("labels_file", &O::labels_file,
                  "The labels of an array's images, IDX or an array; empty: the IDX file beside "
                  "it, \"labels-idx1\" in place of \"images-idx3\".")
          .option("cache", &O::cache,
                  "A folder that keeps decoded pictures for other runs and may be deleted at any "
                  "time; empty: none.")
          .option("memory", &O::memory,
                  "MiB of decoded pictures that are kept in memory; further ones are decoded, or "
                  "read from the cache, again.",
                  between(1, 1 << 24))
          .option("workers", &O::workers,
                  "Threads that decode pictures ahead of training; 0: as many as compute, at most "
                  "16.",
                  between(0, 256));
  return declaration;
}

std::string summary_of(const std::vector<SkippedFile>& skipped) {
  constexpr std::size_t most = 3;
  std::vector<std::string> named;
  for (std::size_t i = 0; i < std::min(most, skipped.size()); ++i)
    named.push_back(fmt::format("{} ({})", skipped[i].name, skipped[i].reason));
  return fmt::format(
      "{} {} and {} skipped: {}{}", skipped.size(),
      skipped.size() == 1 ? "file is no picture" : "files are no pictures",
      skipped.size() == 1 ? "was" : "were", fmt::join(named, ", "),
      skipped.size() > most ? fmt::format(" and {} more", skipped.size() - most) : "");
}

std::shared_ptr<const ImageSet> image_set(const Tensor& levels) {
  if (levels.dim() != 4 || levels.scalar_type() != at::kByte || levels.numel() == 0)
    fail("images", "[n, channels, height, width] uint8",
         fmt::format("{} of {}", shape_text(levels), c10::toString(levels.scalar_type())));
  return std::make_shared<LoadedImages>(levels);
}

ImageMeasure::ImageMeasure(std::shared_ptr<const ImageSet> images, Mirrored mirrored,
                           std::span<const double> hues)
    : images_(std::move(images)), mirrored_(mirrored) {
  const auto shape = images_->shape();
  kept_channels_ = shape.at(0);
  height_ = shape.at(1);
  width_ = shape.at(2);
  members_.resize(static_cast<std::size_t>(images_->size()));
  std::iota(members_.begin(), members_.end(), std::int64_t{0});
  std::ranges::transform(hues, std::back_inserter(colours_), colour_of);
  if (!colours_.empty() && kept_channels_ != 1)
    fail("images", "grey ones, which are given hues", fmt::format("{} channels", kept_channels_));
}

/// Of full saturation and value: each channel is 1 within 60 degrees of its own hue, 0 from 120 on,
/// and linear between.
ImageMeasure::Colour ImageMeasure::colour_of(double hue) {
  Colour colour{};
  for (std::size_t channel = 0; channel < colour.size(); ++channel) {
    const double way = std::abs(std::remainder(hue - 120 * static_cast<double>(channel), 360));
    colour[channel] = static_cast<float>(std::clamp(2 - way / 60, 0.0, 1.0));
  }
  return colour;
}

/// Makes three planes of the first one of `planes`.
void ImageMeasure::paint(const Colour& colour, std::int64_t pixels, float* planes) {
  for (const std::size_t channel : {2, 1, 0})
    for (std::int64_t i = 0; i < pixels; ++i)
      planes[channel * pixels + i] = (planes[i] + 1) * colour[channel] - 1;
}

std::vector<std::int64_t> ImageMeasure::members_of(std::span<const std::int64_t> indices) const {
  std::vector<std::int64_t> members(indices.size());
  std::ranges::transform(indices, members.begin(),
                         [&](std::int64_t index) { return members_[index % count()]; });
  return members;
}

void ImageMeasure::prefetch(std::span<const std::int64_t> indices) const {
  images_->prefetch(members_of(indices));
}

void ImageMeasure::gather(std::span<const std::int64_t> indices, std::span<float> points) const {
  const std::int64_t d = dimension(), kept = kept_channels_ * height_ * width_;
  std::vector<std::uint8_t> levels(indices.size() * static_cast<std::size_t>(kept));
  images_->gather(members_of(indices), levels);
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const std::uint8_t* from = levels.data() + k * kept;
    float* to = points.data() + k * d;
    const std::int64_t variant = indices[k] / count();
    if (variant % mirrors() == 0)
      scale(from, kept, to);
    else
      scale_mirrored(from, kept, width_, to);
    if (!colours_.empty()) paint(colours_[static_cast<std::size_t>(variant / mirrors())], kept, to);
  }
}

std::shared_ptr<const ImageMeasure> ImageMeasure::part(const Tensor& indices,
                                                       Mirrored mirrored) const {
  auto part = std::make_shared<ImageMeasure>(images_, mirrored);
  part->colours_ = colours_;
  const Tensor which = indices.contiguous();
  part->members_ =
      members_of({which.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(which.numel())});
  return part;
}

std::shared_ptr<const Measure> make_images(const ImageOptions& options, std::string_view where) {
  if (options.file.empty()) fail(fmt::format("{}.file", where), "a folder or a file", "none");
  image::require_sound(options, where);
  return is_folder(options.file) ? folder_measure(options, where) : array_measure(options, where);
}

bool is_image_collection(const std::string& file) { return is_folder(file) || is_idx_path(file); }

}  // namespace monge
