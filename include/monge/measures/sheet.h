#pragma once

#include "monge/measure.h"
#include "monge/options.h"
#include "monge/smoothing.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace monge {

struct SheetOptions {
  std::int64_t dimension = 2;
  std::int64_t free = 0;
  std::string side = "first";
  double low = -1;
  double high = 1;
  double offset = 0;
  bool mirrored = false;
  std::int64_t rotation = -1;
};
const Declaration<SheetOptions>& sheet_declaration();

/// Uniform on a sheet of k of the d dimensions: k coordinates uniform on [low, high], the others
/// `offset`, or offset times one random sign; all of it turned by a random rotation.
class SheetMeasure final : public Measure {
 public:
  /// Throws Error where the options do not fit one another.
  explicit SheetMeasure(const SheetOptions& options, std::string_view where = "sheet");

  std::int64_t dimension() const override { return options_.dimension; }
  void sample_into(std::span<float> points, Random& random) const override;
  std::optional<Moments> moments() const override;

  const SheetOptions& options() const { return options_; }
  /// Points x [n, d] turned back, float64: the free coordinates and the others are apart.
  Tensor flat(const Tensor& x) const;
  Tensor turned(const Tensor& flat) const;
  /// Of each coordinate whether it is free, bool [d].
  Tensor is_free() const;

 private:
  std::int64_t first_free() const { return options_.side == "first" ? 0 : fixed(); }
  std::int64_t first_fixed() const { return options_.side == "first" ? options_.free : 0; }
  std::int64_t fixed() const { return options_.dimension - options_.free; }

  SheetOptions options_;
  Tensor rotation_;  // [d, d] float32; not defined: none
};

/// The optimal map at points x [n, d] of a smoothed sheet to another sheet, [n, d] float64: in flat
/// coordinates it is monotone in each, and picks a side of a mirrored target by the sum of its
/// fixed ones. nullopt where the sheets are turned apart or the source is mirrored.
std::optional<Tensor> smoothed_sheet_transport(const SheetMeasure& source,
                                               const SheetMeasure& target, const Noise& noise,
                                               const Tensor& x);

std::shared_ptr<const Measure> make_sheet(const SheetOptions& options,
                                          std::string_view where = "sheet");

}  // namespace monge
