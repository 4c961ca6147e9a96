#pragma once

#include "monge/measure.h"

namespace monge {

/// A finite measure that has to fetch its points, and does so ahead of time where it is told.
class PrefetchingMeasure : public FiniteMeasure {
 public:
  /// Says which points are gathered next.
  virtual void prefetch(std::span<const std::int64_t> indices) const = 0;
};

}  // namespace monge
