#pragma once

#include "monge/measure.h"

#include <memory>
#include <vector>

namespace monge {

class TransportMap;

/// T#P, the distribution of T(X) for X drawn from P.
class PushforwardMeasure final : public Measure {
 public:
  /// Throws Error where the dimension of the measure is not that of the map's points.
  PushforwardMeasure(std::shared_ptr<const Measure> measure,
                     std::shared_ptr<const TransportMap> map);

  std::int64_t dimension() const override;
  std::vector<std::int64_t> shape() const override;
  /// Allocates as much as the map does.
  void sample_into(std::span<float> points, Random& random) const override;

 private:
  std::shared_ptr<const Measure> measure_;
  std::shared_ptr<const TransportMap> map_;
};

}  // namespace monge
