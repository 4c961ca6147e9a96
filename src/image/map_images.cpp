#include "monge/map_images.h"

#include "monge/arrays.h"
#include "monge/error.h"

#include "arrays/idx.h"
#include "image/array_images.h"
#include "image/decode.h"
#include "image/folder_images.h"
#include "image/format.h"
#include "image/levels.h"
#include "image/prepare.h"

namespace monge {
namespace {

namespace fs = std::filesystem;
using image::FolderImages;
using image::make_folder;
using image::Order;
using image::output_name;
using image::require_place;

std::string sides_text(at::IntArrayRef sides) {
  return fmt::format("[{}]", fmt::join(sides, ", "));
}

std::int64_t dimension_of(const ImageMapping& mapping) {
  return c10::multiply_integers(mapping.shape);
}

/// Images that are mapped together, so that memory stays bounded.
std::int64_t images_at_once(const ImageMapping& mapping) {
  constexpr std::int64_t numbers = std::int64_t{1} << 22;
  return std::clamp<std::int64_t>(numbers / dimension_of(mapping), 1, 4096);
}

/// The training's preparation, with what the map's shape says where it is silent.
ImageOptions preparation_of(const ImageMapping& mapping) {
  ImageOptions options = mapping.preparation;
  options.channels = mapping.shape[0];
  if (options.size > 0 || options.crop_size > 0 || options.pad > 0) return options;
  if (mapping.shape[1] == mapping.shape[2])
    options.size = mapping.shape[1];
  else
    options.crop = "none";
  return options;
}

void require_shape(const ImageMapping& mapping, at::IntArrayRef shape, const std::string& where) {
  if (shape != at::IntArrayRef(mapping.shape))
    fail(where, fmt::format("images {}, those of the map", sides_text(mapping.shape)),
         sides_text(shape));
}

/// What comes of images [n, c, h, w] in [-1, 1]: [n, samples, c, h, w].
Tensor mapped(const ImageMapping& mapping, const Tensor& images, const std::string& where) {
  std::vector<std::int64_t> shape{images.size(0), mapping.samples};
  shape.insert(shape.end(), mapping.shape.begin(), mapping.shape.end());
  const Tensor result = mapping.function(images.flatten(1));
  if (result.numel() != c10::multiply_integers(shape))
    fail(where, fmt::format("a map that returns {}", sides_text(shape)), shape_text(result));
  return result.reshape(shape);
}

/// The middle of images [..., h, w].
Tensor middle(const Tensor& images, std::int64_t height, std::int64_t width) {
  return images.narrow(-2, (images.size(-2) - height) / 2, height)
      .narrow(-1, (images.size(-1) - width) / 2, width);
}

/// The pictures of a folder as far as they can be read, in batches.
class FolderBatches {
 public:
  FolderBatches(const fs::path& folder, const ImageOptions& options)
      : images_(folder, options), shape_(images_.shape()) {}

  const FolderImages& images() const { return images_; }

  /// Up to `count` further ones, [n, c, h, w] bytes, with their names; none at the end.
  std::pair<Tensor, std::vector<std::string>> next(std::int64_t count) {
    const auto bytes = static_cast<std::size_t>(c10::multiply_integers(shape_));
    announce(count);
    std::vector<std::uint8_t> levels;
    std::vector<std::string> names;
    for (; std::ssize(names) < count && position_ < images_.size(); ++position_) {
      levels.resize((names.size() + 1) * bytes);
      if (images_.read(position_, std::span(levels).last(bytes)))
        names.push_back(images_.name(position_));
      else
        levels.resize(names.size() * bytes);
    }
    std::vector<std::int64_t> sizes{std::ssize(names)};
    sizes.insert(sizes.end(), shape_.begin(), shape_.end());
    return {at::from_blob(levels.data(), sizes, at::kByte).clone(), std::move(names)};
  }

 private:
  void announce(std::int64_t count) const {
    std::vector<std::int64_t> ahead;
    for (std::int64_t i = position_; i < std::min(position_ + 2 * count, images_.size()); ++i)
      ahead.push_back(i);
    images_.prefetch(ahead);
  }

  FolderImages images_;
  std::vector<std::int64_t> shape_;
  std::int64_t position_ = 0;
};

/// Images [n, c, h, w] of an array or an IDX file as they are in it, in batches.
class ArrayBatches {
 public:
  explicit ArrayBatches(const std::string& location) : location_(location) {
    if (is_idx_path(location)) {
      whole_ = image::read_array_images(location);
      type_ = at::kByte;
      order_ = whole_->order;
      return;
    }
    reader_ = open_array(location);
    sides_ = reader_->row_shape();
    order_ = image::order_of(sides_, location);
    type_ = reader_->type() == at::kByte ? at::kByte : at::kFloat;
  }

  Order order() const { return order_; }
  at::ScalarType type() const { return type_; }

  Tensor next(std::int64_t count) {
    if (whole_) {
      const std::int64_t left = whole_->images.size(0) - position_;
      const Tensor batch = whole_->images.narrow(0, position_, std::min(count, left));
      position_ += batch.size(0);
      return batch;
    }
    const Tensor rows = reader_->next(count);
    std::vector<std::int64_t> sizes{rows.size(0)};
    sizes.insert(sizes.end(), sides_.begin(), sides_.end());
    if (type_ != at::kByte && rows.size(0) > 0) image::require_range(rows, location_);
    return image::to_planes(rows.to(type_).view(sizes), order_);
  }

 private:
  std::string location_;
  std::optional<image::ArrayImages> whole_;  // of an IDX file
  std::int64_t position_ = 0;
  std::unique_ptr<ArrayReader> reader_;  // of an array
  std::vector<std::int64_t> sides_;
  Order order_ = Order::planes;
  at::ScalarType type_ = at::kByte;
};

/// Results [n, samples, c, h, w] as rows of the file.
struct OutputRows {
  Tensor rows;                      // [n, d]
  std::vector<std::int64_t> shape;  // of a row
};

OutputRows rows_of(const Tensor& results, Order order) {
  const std::int64_t n = results.size(0), samples = results.size(1);
  const Tensor ordered = image::from_planes(results.flatten(0, 1), order);
  std::vector<std::int64_t> shape = ordered.sizes().slice(1).vec();
  if (samples > 1) shape.insert(shape.begin(), samples);
  return {ordered.reshape({n, -1}), shape};
}

}  // namespace

MappedFolder map_image_folder(const ImageMapping& mapping, const fs::path& in, const fs::path& out,
                              Existing existing) {
  require_place(in, out, existing);
  FolderBatches batches(in, preparation_of(mapping));
  const FolderImages& images = batches.images();
  require_shape(mapping, images.shape(), in.string());
  MappedFolder done;
  while (true) {
    const auto [levels, names] = batches.next(images_at_once(mapping));
    if (names.empty()) break;
    const Tensor results =
        image::to_levels(middle(mapped(mapping, image::from_levels(levels), in.string()),
                                images.height(), images.width()),
                         in.string());
    for (std::size_t i = 0; i < names.size(); ++i)
      for (std::int64_t k = 0; k < mapping.samples; ++k) {
        const fs::path path = out / output_name(names[i], k, mapping.samples);
        make_folder(path.parent_path());
        image::write_levels(path, results[static_cast<std::int64_t>(i)][k], existing);
      }
    done.images += std::ssize(names);
  }
  done.skipped = images.skipped();
  return done;
}

void map_image(const ImageMapping& mapping, const fs::path& in, const fs::path& out,
               Existing existing) {
  if (mapping.samples != 1)
    fail(in.string(), "a folder or an array for several samples", "one picture");
  const ImageOptions options = preparation_of(mapping);
  const Tensor levels = image::read_picture(in, options);
  const auto [height, width] = std::pair(levels.size(1), levels.size(2));
  const Tensor padded = image::padded(levels.unsqueeze(0), options.pad, 0);
  require_shape(mapping, padded.sizes().slice(1), in.string());
  const Tensor result = mapped(mapping, image::from_levels(padded), in.string());
  image::write_levels(out, image::to_levels(middle(result, height, width), in.string())[0][0],
                      existing);
}

void map_image_array(const ImageMapping& mapping, const std::string& in, const fs::path& out,
                     Existing existing) {
  ArrayBatches batches(in);
  const bool bytes = batches.type() == at::kByte;
  ImageOptions options{.pad = mapping.preparation.pad};  // all that can be done to floats
  if (bytes) {
    options = mapping.preparation;
    options.channels = mapping.shape[0];
  }
  const std::int64_t count = images_at_once(mapping);
  std::unique_ptr<ArrayWriter> writer;
  for (Tensor images = batches.next(count); images.size(0) > 0; images = batches.next(count)) {
    const Tensor padded = image::prepare_array(images, options, in);
    require_shape(mapping, padded.sizes().slice(1), in);
    const auto sides =
        image::prepared_shape(mapping.shape[0], images.size(3), images.size(2), options);
    const Tensor results = middle(mapped(mapping, bytes ? image::from_levels(padded) : padded, in),
                                  sides[1], sides[2]);
    const OutputRows output =
        rows_of(bytes ? image::to_levels(results, in) : results, batches.order());
    if (!writer) writer = create_array(out, RowFormat{output.shape, batches.type()}, existing);
    writer->append(output.rows);
  }
  if (!writer) fail(in, "at least one image", "none");
  writer->close();
}

bool holds_images(const std::string& location) {
  if (is_idx_path(location)) return true;
  return is_array_location(location) && open_array(location)->row_shape().size() >= 2;
}

}  // namespace monge
