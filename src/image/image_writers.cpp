#include "monge/arrays.h"
#include "monge/error.h"
#include "monge/image.h"
#include "monge/map_images.h"

#include "image/levels.h"

namespace monge {
namespace {

/// Rows as images [n, c, h, w].
Tensor as_images(const Tensor& rows, const std::vector<std::int64_t>& shape) {
  return rows.view({rows.size(0), shape[0], shape[1], shape[2]});
}

/// A PNG file for each image, numbered from 1 with as many digits as the last one needs.
class FolderWriter final : public ArrayWriter {
 public:
  FolderWriter(std::filesystem::path folder, std::vector<std::int64_t> shape, std::int64_t count,
               Existing existing)
      : folder_(std::move(folder)),
        shape_(std::move(shape)),
        digits_(fmt::formatted_size("{}", count)),
        existing_(existing) {
    std::error_code failure;
    const bool there = std::filesystem::exists(folder_, failure);
    if (there && !std::filesystem::is_directory(folder_, failure))
      fail(folder_.string(), "a folder for the images", "a file");
    if (there && existing == Existing::keep && !std::filesystem::is_empty(folder_, failure))
      throw Error(fmt::format("{}: exists; pass --force to write into it", folder_.string()));
    std::filesystem::create_directories(folder_, failure);
    if (failure) fail(folder_.string(), "a folder that can be made", failure.message());
  }

  void append(const Tensor& rows) override {
    const Tensor levels = image::to_levels(as_images(rows, shape_), folder_.string());
    for (const Tensor& one : levels.unbind())
      image::write_levels(folder_ / fmt::format("{:0{}}.png", ++written_, digits_), one, existing_);
  }
  void close() override {}

 private:
  std::filesystem::path folder_;
  std::vector<std::int64_t> shape_;
  std::size_t digits_;
  Existing existing_;
  std::int64_t written_ = 0;
};

/// One picture of all images, about as many in a row as there are rows.
class GridWriter final : public ArrayWriter {
 public:
  GridWriter(std::filesystem::path path, std::vector<std::int64_t> shape, std::int64_t count,
             Existing existing)
      : path_(std::move(path)),
        shape_(std::move(shape)),
        columns_(std::llround(std::ceil(std::sqrt(static_cast<double>(count))))),
        existing_(existing) {
    constexpr std::int64_t most = 1 << 12;
    require_writable(path_, existing_);
    if (count > most)
      fail(path_.string(), fmt::format("at most {} images in one picture, or a folder", most),
           fmt::format("{}", count));
  }

  void append(const Tensor& rows) override {
    levels_.push_back(image::to_levels(as_images(rows, shape_), path_.string()));
  }
  void close() override { write_grid(path_, at::cat(levels_), columns_, existing_); }

 private:
  std::filesystem::path path_;
  std::vector<std::int64_t> shape_;
  std::int64_t columns_;
  Existing existing_;
  std::vector<Tensor> levels_;
};

}  // namespace

std::unique_ptr<ArrayWriter> create_points(const std::filesystem::path& path,
                                           const std::vector<std::int64_t>& shape,
                                           std::int64_t count, Existing existing) {
  if (is_array_location(path.string())) return create_array(path, RowFormat{shape}, existing);
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3))
    fail(path.string(), "an array (npy, npz, safetensors, csv) for points that are no images",
         "another extension");
  if (is_image_path(path)) return std::make_unique<GridWriter>(path, shape, count, existing);
  if (path.has_extension() && !std::filesystem::is_directory(path))
    fail(path.string(), "an array, a picture or a folder", "another extension");
  return std::make_unique<FolderWriter>(path, shape, count, existing);
}

}  // namespace monge
