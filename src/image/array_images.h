#pragma once

#include "monge/measures/images.h"

#include <cstdint>
#include <string>
#include <vector>

namespace monge::image {

/// How an array [n, ...] has the numbers of an image.
enum class Order {
  grey,    ///< [height, width]
  planes,  ///< [channels, height, width]
  pixels,  ///< [height, width, channels]
};

/// The order that images of these sides have; where both are possible, planes. Throws Error on
/// sides that are those of no image.
Order order_of(const std::vector<std::int64_t>& sides, std::string_view where);

/// Images [n, sides...] as [n, channels, height, width].
Tensor to_planes(const Tensor& images, Order order);
/// Images [n, channels, height, width] in an order; grey only where there is one channel.
Tensor from_planes(const Tensor& images, Order order);

struct ArrayImages {
  Tensor images;  ///< [n, channels, height, width] uint8, or float32
  Order order;
};

/// Reads an IDX file, or an array of bytes or floats. Throws Error.
ArrayImages read_array_images(const std::string& location);

/// Throws Error where floats leave [-1, 1].
void require_range(const Tensor& images, std::string_view where);

/// Images [n, c, h, w] as the options ask: bytes cropped, resized, with `channels` and padded.
/// Throws Error where floats would have to be more than padded.
Tensor prepare_array(const Tensor& images, const ImageOptions& options, std::string_view where);

}  // namespace monge::image
