#pragma once

#include "monge/networks/image_network.h"
#include "monge/options.h"

#include <string_view>

namespace monge::networks {

/// `x` as images [n, channels, h, w] channels last, of images in any layout or, where it has rank
/// 2, of rows [n, channels size size]. Throws Error at `where` on another rank or number of
/// channels, and on another device than the network's.
Tensor as_images(const Tensor& x, std::int64_t channels, std::int64_t size, at::Device device,
                 std::string_view where);

/// Takes a network's options from the images [channels, size, size] it is for. Throws Error where
/// the options that were `given` name others.
void take_image_shape(const Table& given, const std::vector<std::int64_t>& images,
                      std::int64_t& channels, std::int64_t& size);

/// Throws Error at `where` unless `divisor` divides the sides of images [n, c, h, w].
void require_divisible(const Tensor& images, std::int64_t divisor, std::string_view where);

/// What `run` makes of the images of a network on `device`, given channels last, in the shape of
/// `images`: images or rows. Throws Error at `where` on another shape and on sides that `divisor`
/// does not divide.
template <class Run>
Tensor mapped_images(const Tensor& images, const ImageShape& shape, std::int64_t divisor,
                     at::Device device, std::string_view where, Run run) {
  const Tensor x =
      as_images(images, shape.channels + shape.noise_channels, shape.size, device, where);
  require_divisible(x, divisor, where);
  const Tensor moved = run(x);
  return images.dim() == 2 ? moved.reshape({x.size(0), -1}) : moved;
}

}  // namespace monge::networks
