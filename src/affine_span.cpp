#include "monge/affine_span.h"

#include "monge/error.h"
#include "monge/measures/array.h"

namespace monge {
namespace {

constexpr double flat = 1e-8;  // of the largest variance; that of bures_wasserstein_frame

Tensor offset_of(const Tensor& basis, const Tensor& mean) {
  return mean - basis.mv(basis.t().mv(mean));
}

/// The law of Uᵀ x for x of a measure that is sampled without end.
class ProjectedMeasure final : public Measure {
 public:
  ProjectedMeasure(std::shared_ptr<const Measure> measure, AffineSpan span)
      : measure_(std::move(measure)), span_(std::move(span)) {}

  std::int64_t dimension() const override { return span_.rank(); }

  void sample_into(std::span<float> points, Random& random) const override {
    const std::int64_t r = dimension(), n = std::ssize(points) / r;
    at::from_blob(points.data(), {n, r}, at::kFloat)
        .copy_(span_.enter(measure_->sample(n, random)));
  }

  std::optional<Moments> moments() const override {
    const auto moments = measure_->moments();
    if (!moments) return std::nullopt;
    const Tensor to_span = span_.basis.t();
    return Moments{to_span.mv(moments->mean),
                   at::linalg_multi_dot({to_span, moments->covariance, span_.basis})};
  }

 private:
  std::shared_ptr<const Measure> measure_;
  AffineSpan span_;
};

}  // namespace

Tensor AffineSpan::enter(const Tensor& x) const { return x.mm(basis.to(x.scalar_type())); }

Tensor AffineSpan::leave(const Tensor& t) const {
  return at::addmm(offset.to(t.scalar_type()), t, basis.to(t.scalar_type()).t());
}

State AffineSpan::state() const { return {{"basis", basis}, {"offset", offset}}; }

std::optional<AffineSpan> lower_span(const Moments& moments) {
  const auto [values, vectors] = at::linalg_eigh(moments.covariance);
  const Tensor kept = values.gt(flat * values[-1]);
  const auto rank = kept.sum().item<std::int64_t>(), d = values.size(0);
  if (rank == d || !(values[-1].item<double>() > 0)) return std::nullopt;
  const Tensor basis = vectors.narrow(1, d - rank, rank).contiguous();
  return AffineSpan{basis, offset_of(basis, moments.mean)};
}

std::optional<AffineSpan> shifted_to(const AffineSpan& span, const Moments& moments) {
  const double all = moments.covariance.trace().item<double>();
  const double inside =
      at::linalg_multi_dot({span.basis.t(), moments.covariance, span.basis}).trace().item<double>();
  if (all - inside > flat * all) return std::nullopt;
  return AffineSpan{span.basis, offset_of(span.basis, moments.mean)};
}

AffineSpan span_from_state(const State& state, std::int64_t dimension) {
  const Tensor& basis = require_tensor(state, "basis", "span");
  const Tensor& offset = require_tensor(state, "offset", "span");
  if (basis.dim() != 2 || basis.size(0) != dimension || basis.size(1) < 1 ||
      basis.size(1) > dimension || offset.sizes() != at::IntArrayRef{dimension})
    fail("span", fmt::format("basis [{0}, r] and offset [{0}]", dimension),
         fmt::format("{} and {}", shape_text(basis), shape_text(offset)));
  return {basis, offset};
}

std::shared_ptr<const Measure> projected(const std::shared_ptr<const Measure>& measure,
                                         const AffineSpan& span) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(measure.get());
  if (!finite) return std::make_shared<ProjectedMeasure>(measure, span);
  return std::make_shared<ArrayMeasure>(
      span.enter(finite->points(at::arange(finite->size(), at::kLong))));
}

SpanMap::SpanMap(std::shared_ptr<const TransportMap> map, AffineSpan span)
    : map_(std::move(map)), span_(std::move(span)) {
  if (map_->dimension() != span_.rank())
    fail("span", fmt::format("a map of {} dimensions", span_.rank()),
         fmt::format("{}", map_->dimension()));
}

Tensor SpanMap::transport(const Tensor& x) const {
  return span_.leave(map_->transport(span_.enter(x)));
}

}  // namespace monge
