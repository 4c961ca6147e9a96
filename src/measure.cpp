#include "monge/measure.h"

#include "monge/error.h"

#include "measures/numbers.h"

namespace monge {

Tensor Measure::sample(std::int64_t n, Random& random) const {
  const Tensor points = at::empty({n, dimension()}, at::kFloat);
  sample_into(numbers_of(points), random);
  return points;
}

Tensor FiniteMeasure::points(const Tensor& indices) const {
  if (indices.dim() != 1 || indices.scalar_type() != at::kLong)
    fail("points", "indices [n], int64",
         fmt::format("{} of shape {}", c10::toString(indices.scalar_type()), shape_text(indices)));
  const Tensor kept = indices.contiguous();
  const std::span<const std::int64_t> which(kept.const_data_ptr<std::int64_t>(),
                                            static_cast<std::size_t>(kept.numel()));
  for (const std::int64_t index : which)
    if (index < 0 || index >= size())
      fail("points", fmt::format("indices from 0 to {}", size() - 1), fmt::format("{}", index));
  const Tensor found = at::empty({kept.numel(), dimension()}, at::kFloat);
  gather(which, numbers_of(found));
  return found;
}

void FiniteMeasure::sample_into(std::span<float> points, Random& random) const {
  in_pieces(points, dimension(), [&](std::span<float> piece) {
    std::array<std::int64_t, piece_points> memory;
    const auto indices = std::span(memory).first(piece.size() / dimension());
    random.fill_integers(size(), indices);
    gather(indices, piece);
  });
}

}  // namespace monge
