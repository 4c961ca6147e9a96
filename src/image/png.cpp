#include "image/png.h"

#include "monge/error.h"

#include "image/levels.h"
#include "image/prepare.h"
#include "image/vips_session.h"

namespace monge::image {

Tensor grid_of(const Tensor& images, std::int64_t columns, std::int64_t scale) {
  constexpr std::int64_t gap = 2;
  const double white = images.scalar_type() == at::kByte ? 255 : 1;
  const Tensor large = images.detach().repeat_interleave(scale, 2).repeat_interleave(scale, 3);
  const std::int64_t n = large.size(0), height = large.size(2) + gap, width = large.size(3) + gap;
  const std::int64_t shown = std::min(columns, n), rows = (n + shown - 1) / shown;
  const Tensor grid =
      at::full({large.size(1), rows * height + gap, shown * width + gap}, white, large.options());
  for (std::int64_t i = 0; i < n; ++i)
    grid.narrow(1, i / shown * height + gap, height - gap)
        .narrow(2, i % shown * width + gap, width - gap)
        .copy_(large[i]);
  return grid;
}

std::string png_of(const Tensor& image) {
  if (image.dim() != 3 || (image.size(0) != 1 && image.size(0) != 3) || image.numel() == 0)
    fail("PNG", "an image [c, h, w] with c = 1 or 3", shape_text(image));
  const Tensor levels = to_levels(image.detach().to(at::kCPU), "PNG").contiguous();
  return with_vips("PNG", "an image that can be encoded", [&] {
    const vips::VImage picture =
        from_planes(levels.const_data_ptr<std::uint8_t>(), levels.sizes().vec());
    void* bytes = nullptr;
    std::size_t count = 0;
    picture.write_to_buffer(".png", &bytes, &count, vips::VImage::option()->set("strip", true));
    const std::unique_ptr<void, void (*)(void*)> owner(bytes, g_free);
    return std::string(static_cast<const char*>(bytes), count);
  });
}

}  // namespace monge::image
