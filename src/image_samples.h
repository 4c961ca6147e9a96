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

/// The shape of T(x) for points x of `shape`, as which a map of plain points takes images.
std::vector<std::int64_t> mapped_shape(const TransportMap& map,
                                       std::span<const std::int64_t> shape);

/// What a map makes of images, rows x [n, d]: below each x its T(x), or several T(x, z); of a
/// stochastic map also T(x, z) along a way from one z to another. Where the map makes images of
/// codes, x is shown as they are decoded.
std::vector<SampleGrid> sample_grids(const TransportMap& map, const Tensor& x,
                                     std::span<const std::int64_t> shape);

/// Images of a measure, rows y [n, d].
SampleGrid target_grid(const Tensor& y, std::span<const std::int64_t> shape);

}  // namespace monge
