#include "image/bicubic.h"

namespace monge::image {

Tensor bicubic(const Tensor& levels, std::int64_t height, std::int64_t width) {
  const Tensor resized = at::_upsample_bicubic2d_aa(levels.unsqueeze(0).to(at::kFloat),
                                                    {height, width}, /*align_corners=*/false);
  return resized.squeeze(0).round_().clamp_(0, 255).to(at::kByte).contiguous();
}

}  // namespace monge::image
