#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <functional>

// What feature networks see of images.

namespace monge::features {

/// The images as a file of 8 bits holds them, in [-1, 1]. Throws Error unless they are [n, c, h, w]
/// with c = 1 or 3.
Tensor displayed(const Tensor& images);
/// The mean over the channels, [n, 1, h, w].
Tensor grey(const Tensor& images);
/// Three channels, of grey images three equal ones.
Tensor colour(const Tensor& images);
/// Bilinear with antialiasing to `side` pixels a side.
Tensor resized(const Tensor& images, std::int64_t side);

/// `work` of some images at a time, [n, ...]: what holds memory in bounds.
Tensor in_batches(const Tensor& images, std::int64_t batch,
                  const std::function<Tensor(const Tensor&)>& work);
/// The same of pairs of images, [n]. Throws Error where the shapes differ.
Tensor in_batches(const Tensor& x, const Tensor& y, std::int64_t batch,
                  const std::function<Tensor(const Tensor&, const Tensor&)>& work);

}  // namespace monge::features
