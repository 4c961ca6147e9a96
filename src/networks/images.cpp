#include "networks/images.h"

#include "monge/error.h"

namespace monge::networks {

Tensor as_images(const Tensor& x, std::int64_t channels, std::int64_t size, at::Device device,
                 std::string_view where) {
  if (x.device() != device)
    fail(where, fmt::format("images on {}, where the network is", device.str()), x.device().str());
  const std::int64_t length = channels * size * size;
  const bool rows = x.dim() == 2 && x.size(1) == length;
  const bool images = x.dim() == 4 && x.size(1) == channels;
  if (!rows && !images)
    fail(where, fmt::format("images [n, {}, h, w] or rows [n, {}]", channels, length),
         shape_text(x));
  return (rows ? x.reshape({-1, channels, size, size}) : x)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

void take_image_shape(const Table& given, const std::vector<std::int64_t>& images,
                      std::int64_t& channels, std::int64_t& size) {
  const auto take = [&](const char* option, std::int64_t& value, std::int64_t own) {
    if (given.contains(option) && value != own)
      fail(fmt::format("network.{}", option), fmt::format("that of the images, {}", own),
           std::to_string(value));
    value = own;
  };
  take("channels", channels, images[0]);
  take("size", size, images[1]);
}

void require_divisible(const Tensor& images, std::int64_t divisor, std::string_view where) {
  if (images.size(2) % divisor != 0 || images.size(3) % divisor != 0)
    fail(where, fmt::format("sides that {} divides", divisor), shape_text(images));
}

}  // namespace monge::networks
