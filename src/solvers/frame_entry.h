#pragma once

#include "monge/affine.h"

namespace monge {

/// AffineFrame::enter for batch after batch, in memory that is kept.
class FrameEntry {
 public:
  /// `frame` in float32.
  explicit FrameEntry(const AffineFrame& frame);

  /// M (x - from) / c of `points` [n, d], float32 and contiguous; the points themselves where the
  /// frame is the identity. Overwritten by the next call.
  Tensor enter(const Tensor& points);

 private:
  bool identity_;
  Tensor matrix_, from_;      // Mᵀ / c [d, d] and [d]
  Tensor centred_, entered_;  // [n, d]
};

}  // namespace monge
