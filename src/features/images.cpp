#include "features/images.h"

#include "monge/error.h"

#include "image/levels.h"

namespace monge::features {

Tensor displayed(const Tensor& images) {
  if (images.dim() != 4 || (images.size(1) != 1 && images.size(1) != 3) || images.numel() == 0)
    fail("image features", "images [n, c, h, w] with c = 1 or 3", shape_text(images));
  return image::from_levels(image::to_levels(images, "image features"));
}

Tensor grey(const Tensor& images) { return images.mean(1, /*keepdim=*/true); }

Tensor colour(const Tensor& images) { return images.expand({-1, 3, -1, -1}); }

Tensor resized(const Tensor& images, std::int64_t side) {
  if (images.size(2) == side && images.size(3) == side) return images;
  return at::_upsample_bilinear2d_aa(images, {side, side}, /*align_corners=*/false);
}

Tensor in_batches(const Tensor& images, std::int64_t batch,
                  const std::function<Tensor(const Tensor&)>& work) {
  std::vector<Tensor> parts;
  for (const Tensor& some : images.split(batch)) parts.push_back(work(some));
  return at::cat(parts);
}

Tensor in_batches(const Tensor& x, const Tensor& y, std::int64_t batch,
                  const std::function<Tensor(const Tensor&, const Tensor&)>& work) {
  if (x.sizes() != y.sizes())
    fail("perceptual distance", "images of one shape",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  const std::vector<Tensor> xs = x.split(batch), ys = y.split(batch);
  std::vector<Tensor> parts;
  parts.reserve(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) parts.push_back(work(xs[i], ys[i]));
  return at::cat(parts);
}

}  // namespace monge::features
