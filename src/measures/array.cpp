#include "monge/measures/array.h"

#include "monge/affine.h"
#include "monge/error.h"

#include "measures/categorical.h"
#include "measures/gather.h"
#include "measures/numbers.h"

namespace monge {
namespace {

Tensor checked_rows(const Tensor& rows, const char* where) {
  if (rows.dim() != 2 || rows.size(0) < 1 || rows.size(1) < 1)
    fail(where, "points [n, d] with n, d >= 1", shape_text(rows));
  const Tensor kept = rows.to(at::kFloat).contiguous();
  const Tensor finite = at::isfinite(kept).all(1);
  if (!finite.all().item<bool>())
    fail(where, "finite values",
         fmt::format("a value that is not finite in row {}",
                     finite.logical_not().nonzero()[0].item<std::int64_t>()));
  return kept;
}

}  // namespace

ArrayMeasure::ArrayMeasure(const Tensor& rows, std::vector<std::int64_t> shape)
    : rows_(checked_rows(rows, "array")), shape_(std::move(shape)) {
  if (shape_.empty()) shape_ = {rows_.size(1)};
  if (c10::multiply_integers(shape_) != rows_.size(1))
    fail("array", fmt::format("points of shape [{}]", fmt::join(shape_, ", ")), shape_text(rows_));
}

void ArrayMeasure::gather(std::span<const std::int64_t> indices, std::span<float> points) const {
  gather_rows(rows_, indices, points);
}

std::optional<Moments> ArrayMeasure::moments() const {
  const std::int64_t n = size(), d = dimension();
  if (n == 1) return Moments{rows_[0].to(at::kDouble), at::zeros({d, d}, at::kDouble)};
  Moments moments = empirical_moments(rows_);
  moments.covariance *= static_cast<double>(n - 1) / static_cast<double>(n);  // of the measure
  return moments;
}

WeightedMeasure::WeightedMeasure(const Tensor& points, const Tensor& weights)
    : points_(checked_rows(points, "weighted points")),
      shares_(std::make_shared<Categorical>(weights, points_.size(0), "weighted points")) {}

void WeightedMeasure::sample_into(std::span<float> points, Random& random) const {
  in_pieces(points, dimension(), [&](std::span<float> piece) {
    std::array<std::int64_t, piece_points> memory;
    const auto indices = std::span(memory).first(piece.size() / dimension());
    shares_->draw(indices, random);
    gather_rows(points_, indices, piece);
  });
}

std::optional<Moments> WeightedMeasure::moments() const {
  const Tensor points = points_.to(at::kDouble), mass = shares_->probabilities();
  const Tensor mean = mass.matmul(points), centred = points - mean;
  return Moments{mean, at::matmul((centred * mass.unsqueeze(1)).t(), centred)};
}

}  // namespace monge
