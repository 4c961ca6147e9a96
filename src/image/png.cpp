#include "image/png.h"

#include "monge/error.h"

#include "image/vips_session.h"

namespace monge::image {

using vips::VImage;

std::string png_of(const Tensor& image) {
  if (image.dim() != 3 || (image.size(0) != 1 && image.size(0) != 3) || image.numel() == 0)
    fail("PNG", "an image [c, h, w] with c = 1 or 3", shape_text(image));
  const Tensor bytes = ((image.detach().to(at::kCPU, at::kFloat).clamp(-1, 1) + 1) * 127.5)
                           .round_()
                           .to(at::kByte)
                           .permute({1, 2, 0})
                           .contiguous();
  return with_vips("PNG", "an image that can be encoded", [&] {
    const int channels = static_cast<int>(bytes.size(2));
    const VImage picture =
        VImage::new_from_memory(bytes.data_ptr(), bytes.nbytes(), static_cast<int>(bytes.size(1)),
                                static_cast<int>(bytes.size(0)), channels, VIPS_FORMAT_UCHAR)
            .copy(VImage::option()->set("interpretation", channels == 1
                                                              ? VIPS_INTERPRETATION_B_W
                                                              : VIPS_INTERPRETATION_sRGB));
    void* encoded = nullptr;
    std::size_t count = 0;
    picture.write_to_buffer(".png", &encoded, &count, VImage::option()->set("strip", true));
    const std::unique_ptr<void, void (*)(void*)> owner(encoded, g_free);
    return std::string(static_cast<const char*>(encoded), count);
  });
}

Tensor grid_of(const Tensor& images, std::int64_t columns, std::int64_t scale) {
  constexpr std::int64_t line = 2;
  constexpr double light = 0.8;
  if (images.dim() != 4 || images.size(0) < 1 || columns < 1 || scale < 1)
    fail("grid", "images [n, c, h, w], at least one column and a scale of at least 1",
         shape_text(images));
  const Tensor large = images.detach().repeat_interleave(scale, 2).repeat_interleave(scale, 3);
  const std::int64_t n = large.size(0), height = large.size(2), width = large.size(3);
  const std::int64_t wide = std::min(columns, n), rows = (n + wide - 1) / wide;
  const Tensor grid =
      at::full({large.size(1), rows * (height + line) - line, wide * (width + line) - line}, light,
               large.options());
  for (std::int64_t i = 0; i < n; ++i)
    grid.narrow(1, i / wide * (height + line), height)
        .narrow(2, i % wide * (width + line), width)
        .copy_(large[i]);
  return grid;
}

}  // namespace monge::image
