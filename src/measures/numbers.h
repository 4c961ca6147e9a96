#pragma once

#include "monge/error.h"
#include "monge/tensor.h"

#include <algorithm>
#include <span>

namespace monge {

/// The numbers of a contiguous float32 tensor.
inline std::span<float> numbers_of(const Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

/// log 2π
inline constexpr double log_two_pi = 1.8378770664093453;

/// Throws Error unless `x` is [n, d].
inline void require_dimension(const Tensor& x, std::int64_t d, std::string_view where) {
  if (x.dim() != 2 || x.size(1) != d) fail(where, fmt::format("points [n, {}]", d), shape_text(x));
}

/// Points that are drawn together, so that what belongs to them fits on the stack.
constexpr std::size_t piece_points = 256;

/// work(piece) for the points [n, d] in pieces of at most `piece_points`.
template <class Work>
void in_pieces(std::span<float> points, std::int64_t d, Work work) {
  const std::size_t most = piece_points * static_cast<std::size_t>(d);
  for (std::size_t from = 0; from < points.size(); from += most)
    work(points.subspan(from, std::min(most, points.size() - from)));
}

}  // namespace monge
