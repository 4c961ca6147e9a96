#include "image/array_images.h"

#include "monge/arrays.h"
#include "monge/error.h"

#include "arrays/idx.h"
#include "image/prepare.h"
#include "image/vips_session.h"

#include <ATen/Parallel.h>

namespace monge::image {
namespace {

bool is_channels(std::int64_t side) { return side == 1 || side == 3; }

std::vector<std::int64_t> with_count(std::int64_t n, const std::vector<std::int64_t>& sides) {
  std::vector<std::int64_t> shape{n};
  shape.insert(shape.end(), sides.begin(), sides.end());
  return shape;
}

Tensor read_rows(ArrayReader& reader, at::ScalarType type) {
  constexpr std::int64_t numbers_per_chunk = std::int64_t{1} << 22;
  const std::int64_t count = std::max<std::int64_t>(numbers_per_chunk / reader.columns(), 1);
  std::vector<Tensor> chunks;
  for (Tensor rows = reader.next(count); rows.size(0) > 0; rows = reader.next(count))
    chunks.push_back(rows.to(type));
  return chunks.empty() ? at::empty({0, reader.columns()}, type) : at::cat(chunks);
}

/// A byte tensor [n, c, h, w] through libvips, some megabytes at a time.
Tensor prepare_bytes(const Tensor& images, std::int64_t channels, const ImageOptions& options,
                     std::string_view where) {
  const std::vector<std::int64_t> before = images.sizes().slice(1).vec();
  require_room(before[2], before[1], options, where);
  const auto after = prepared_shape(channels, before[2], before[1], options);
  if (before == after) return images;
  const Tensor to = at::empty(with_count(images.size(0), after), at::kByte);
  constexpr std::int64_t bytes_a_block = std::int64_t{1} << 20;
  const std::int64_t block =
      std::max<std::int64_t>(bytes_a_block / c10::multiply_integers(before), 1);
  at::parallel_for(0, images.size(0), block, [&](std::int64_t first, std::int64_t last) {
    with_vips(where, "images that can be resized", [&] {
      for (std::int64_t i = first; i < last; i += block) {
        const std::int64_t count = std::min(block, last - i);
        to.narrow(0, i, count).copy_(prepare(images.narrow(0, i, count), channels, options));
      }
    });
  });
  return to;
}

}  // namespace

Order order_of(const std::vector<std::int64_t>& sides, std::string_view where) {
  if (sides.size() == 2) return Order::grey;
  if (sides.size() == 3 && is_channels(sides[0])) return Order::planes;
  if (sides.size() == 3 && is_channels(sides[2])) return Order::pixels;
  fail(where, "images [n, h, w], [n, h, w, c] or [n, c, h, w] with c = 1 or 3",
       sides.empty() ? "an array [n]" : fmt::format("an array [n, {}]", fmt::join(sides, ", ")));
}

Tensor to_planes(const Tensor& images, Order order) {
  if (order == Order::grey) return images.unsqueeze(1);
  return order == Order::pixels ? images.permute({0, 3, 1, 2}).contiguous() : images;
}

Tensor from_planes(const Tensor& images, Order order) {
  if (order == Order::grey && images.size(1) == 1) return images.squeeze(1);
  return order == Order::planes ? images : images.permute({0, 2, 3, 1}).contiguous();
}

void require_range(const Tensor& images, std::string_view where) {
  const Tensor outside = images.abs().gt(1).flatten(1).any(1);
  if (!outside.any().item<bool>()) return;
  const auto image = outside.nonzero()[0].item<std::int64_t>();
  fail(where, "bytes (uint8), or floats in [-1, 1]",
       fmt::format("floats from {} to {} in image {}", images[image].min().item<float>(),
                   images[image].max().item<float>(), image));
}

ArrayImages read_array_images(const std::string& location) {
  if (is_idx_path(location)) {
    const Tensor images = read_idx(location);
    const Order order = order_of(images.sizes().slice(1).vec(), location);
    return {to_planes(images, order), order};
  }
  if (!is_array_location(location))
    fail(location, "a folder of pictures, an IDX file or an array (npy, npz, safetensors)",
         "another extension");
  const auto reader = open_array(location);
  const at::ScalarType type = reader->type();
  if (type != at::kByte && !at::isFloatingType(type))
    fail(location, "images of bytes (uint8) or floats", fmt::format("{}", c10::toString(type)));
  const std::vector<std::int64_t> sides = reader->row_shape();
  const Order order = order_of(sides, location);
  const Tensor rows = read_rows(*reader, type == at::kByte ? at::kByte : at::kFloat);
  if (type != at::kByte) require_range(rows, location);
  return {to_planes(rows.view(with_count(rows.size(0), sides)), order), order};
}

Tensor prepare_array(const Tensor& images, const ImageOptions& options, std::string_view where) {
  const std::int64_t channels = options.channels > 0 ? options.channels : images.size(1);
  const bool bytes = images.scalar_type() == at::kByte;
  if (!bytes && (channels != images.size(1) || options.size > 0 || options.crop_size > 0))
    fail(where, "bytes (uint8), which can be cropped, resized and of other channels", "floats");
  const Tensor prepared = bytes ? prepare_bytes(images, channels, options, where) : images;
  const std::int64_t side = std::max(prepared.size(2), prepared.size(3));
  if (options.pad > 0 && options.pad < side)
    fail(where, fmt::format("images of at most {} pixels a side to pad", options.pad),
         fmt::format("{}", side));
  return padded(prepared, options.pad, bytes ? 0 : -1);
}

}  // namespace monge::image
