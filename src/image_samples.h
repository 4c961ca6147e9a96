#pragma once

#include "monge/measure.h"
#include "monge/transport_map.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace monge {

/// Pictures side by side in one.
struct SampleGrid {
  std::string tag;      ///< a name in event files
  std::string caption;  ///< what stands where
  Tensor image;         ///< [c, height, width]
};

/// `count` images of a measure, rows [count, d]; fewer where it has fewer.
Tensor sample_images(const Measure& measure, std::int64_t count, std::uint64_t seed);

/// What a map makes of images, rows x [n, d]: below each x its T(x), or several T(x, z); of a
/// stochastic map also T(x, z) along a way from one z to another.
std::vector<SampleGrid> sample_grids(const TransportMap& map, const Tensor& x,
                                     std::span<const std::int64_t> shape);

/// Images of a measure, rows y [n, d].
SampleGrid target_grid(const Tensor& y, std::span<const std::int64_t> shape);

}  // namespace monge
