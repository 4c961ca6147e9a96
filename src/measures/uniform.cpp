#include "monge/measures/uniform.h"

#include "monge/error.h"

#include "measures/numbers.h"

#include <limits>

namespace monge {
namespace {

void check_ends(const Tensor& from, const Tensor& to, const char* where) {
  if (from.dim() != 1 || from.size(0) < 1 || from.sizes() != to.sizes())
    fail(where, "two points [d], d >= 1",
         fmt::format("{} and {}", shape_text(from), shape_text(to)));
  if (!at::isfinite(from).all().item<bool>() || !at::isfinite(to).all().item<bool>())
    fail(where, "finite points", "values that are not finite");
}

float between(double from, double to, float share) {
  return static_cast<float>(from + (to - from) * share);
}

}  // namespace

BoxMeasure::BoxMeasure(const Tensor& low, const Tensor& high)
    : low_(low.to(at::kDouble).contiguous()), high_(high.to(at::kDouble).contiguous()) {
  check_ends(low_, high_, "box");
  if (low_.gt(high_).any().item<bool>()) fail("box", "low <= high", "a low above its high");
}

void BoxMeasure::sample_into(std::span<float> points, Random& random) const {
  random.fill_uniform(points);
  const std::int64_t d = dimension();
  const double *low = low_.const_data_ptr<double>(), *high = high_.const_data_ptr<double>();
  for (float* point = points.data(); point < points.data() + points.size(); point += d)
    for (std::int64_t j = 0; j < d; ++j) point[j] = between(low[j], high[j], point[j]);
}

std::optional<Moments> BoxMeasure::moments() const {
  return Moments{0.5 * (low_ + high_), at::diag((high_ - low_).square() / 12)};
}

std::optional<Tensor> BoxMeasure::log_density(const Tensor& x) const {
  require_dimension(x, dimension(), "box");
  const Tensor sides = high_ - low_, points = x.to(at::kDouble);
  if (!(sides > 0).all().item<bool>()) return std::nullopt;
  const Tensor inside = ((points >= low_) & (points <= high_)).all(1);
  const Tensor off = at::full({x.size(0)}, -std::numeric_limits<double>::infinity(), at::kDouble);
  return at::where(inside, -sides.log().sum(), off);
}

SegmentMeasure::SegmentMeasure(const Tensor& from, const Tensor& to)
    : from_(from.to(at::kDouble).contiguous()), to_(to.to(at::kDouble).contiguous()) {
  check_ends(from_, to_, "segment");
}

void SegmentMeasure::sample_into(std::span<float> points, Random& random) const {
  const std::int64_t d = dimension();
  const double *from = from_.const_data_ptr<double>(), *to = to_.const_data_ptr<double>();
  in_pieces(points, d, [&](std::span<float> piece) {
    std::array<float, piece_points> memory;
    const auto shares = std::span(memory).first(piece.size() / d);
    random.fill_uniform(shares);
    float* point = piece.data();
    for (const float share : shares)
      for (std::int64_t j = 0; j < d; ++j) *point++ = between(from[j], to[j], share);
  });
}

std::optional<Moments> SegmentMeasure::moments() const {
  const Tensor along = to_ - from_;
  return Moments{0.5 * (from_ + to_), at::outer(along, along) / 12};
}

const Declaration<BoxOptions>& box_declaration() {
  using O = BoxOptions;
  static const auto declaration =
      Declaration<O>("measure", "box", "Uniform on a box.", "")
          .option("dimension", &O::dimension,
                  "d; 0: that of low or high, 2 where both are one number.", between(0, 65536))
          .option("low", &O::low, "The lower corner: one number for all coordinates, or d.")
          .option("high", &O::high, "The upper corner: one number for all coordinates, or d.");
  return declaration;
}

std::shared_ptr<const Measure> make_box(const BoxOptions& options, std::string_view where) {
  const std::size_t longest = std::max(options.low.size(), options.high.size());
  const std::int64_t d = options.dimension > 0 ? options.dimension
                         : longest > 1         ? static_cast<std::int64_t>(longest)
                                               : 2;
  const auto corner = [&](const char* key, const std::vector<double>& values) {
    const auto size = static_cast<std::int64_t>(values.size());
    if (size != 1 && size != d)
      fail(fmt::format("{}.{}", where, key), fmt::format("1 or {} numbers", d),
           fmt::format("{}", size));
    return at::tensor(values, at::kDouble).expand({d}).contiguous();
  };
  return std::make_shared<BoxMeasure>(corner("low", options.low), corner("high", options.high));
}

const Declaration<SegmentOptions>& segment_declaration() {
  using O = SegmentOptions;
  static const auto declaration =
      Declaration<O>("measure", "segment", "Uniform on the straight segment between two points.",
                     "")
          .option("from", &O::from, "One end, d numbers.")
          .option("to", &O::to, "The other end, d numbers.");
  return declaration;
}

std::shared_ptr<const Measure> make_segment(const SegmentOptions& options, std::string_view where) {
  if (options.from.empty() || options.from.size() != options.to.size())
    fail(where, "from and to of the same length, 1 or more",
         fmt::format("{} and {} numbers", options.from.size(), options.to.size()));
  return std::make_shared<SegmentMeasure>(at::tensor(options.from, at::kDouble),
                                          at::tensor(options.to, at::kDouble));
}

}  // namespace monge
