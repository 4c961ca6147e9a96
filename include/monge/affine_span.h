#pragma once

#include "monge/measure.h"
#include "monge/transport_map.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace monge {

/// The affine space offset + U t that holds a measure, U [d, r] with orthonormal columns.
///
/// Transport with the quadratic cost to a target in it is transport of the source's projection:
/// |x - y|² = |x - Px|² + |Px - y|².
struct AffineSpan {
  Tensor basis;   ///< U, [d, r] float64
  Tensor offset;  ///< (I - U Uᵀ) mean, [d] float64

  std::int64_t dimension() const { return basis.size(0); }
  std::int64_t rank() const { return basis.size(1); }
  /// Uᵀ x, [n, r] of x [n, d], in the dtype of x.
  Tensor enter(const Tensor& x) const;
  /// offset + U t, [n, d] of t [n, r], in the dtype of t.
  Tensor leave(const Tensor& t) const;
  State state() const;  ///< "basis", "offset"
};

/// The span of the directions whose variance is above 1e-8 of the largest; nullopt where that is
/// every direction, or none.
std::optional<AffineSpan> lower_span(const Moments& moments);

/// The same space, moved to where another measure is: nullopt where that measure leaves it.
std::optional<AffineSpan> shifted_to(const AffineSpan& span, const Moments& moments);

/// The span that `AffineSpan::state` stored; throws Error where the shapes do not fit.
AffineSpan span_from_state(const State& state, std::int64_t dimension);

/// The law of Uᵀ x for x of a measure: an ArrayMeasure where that is finite.
std::shared_ptr<const Measure> projected(const std::shared_ptr<const Measure>& measure,
                                         const AffineSpan& span);

/// x -> offset + U t(Uᵀ x), of a map t between points of r coordinates.
class SpanMap final : public TransportMap {
 public:
  /// Throws Error where `map` is not of the span's rank.
  SpanMap(std::shared_ptr<const TransportMap> map, AffineSpan span);

  std::int64_t dimension() const override { return span_.dimension(); }
  Tensor transport(const Tensor& x) const override;
  const std::shared_ptr<const TransportMap>& map() const { return map_; }
  const AffineSpan& span() const { return span_; }

 private:
  std::shared_ptr<const TransportMap> map_;
  AffineSpan span_;
};

}  // namespace monge
