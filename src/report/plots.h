#pragma once

#include "monge/report.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace monge {

/// What the page's script draws, and what is said beside each plot.
struct Plots {
  nlohmann::json data;                          ///< {"scatters": [...], "curves": [...]}
  std::vector<std::vector<std::string>> notes;  ///< per scatter and cloud: "5000 of 120000 points"
  std::vector<std::string> curve_notes;         ///< per curve: "0.0031 at step 5000"
};

/// Clouds keep at most this many points, taken at even distances.
constexpr std::int64_t most_cloud_points = 5000;

/// Curves longer than this keep the least and the greatest value of each of half as many stretches.
constexpr std::size_t most_curve_points = 4000;

/// Throws Error where a shape is wrong.
Plots plots_of(const Report& report);

}  // namespace monge
