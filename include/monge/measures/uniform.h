#pragma once

#include "monge/measure.h"
#include "monge/options.h"

#include <memory>
#include <string_view>
#include <vector>

namespace monge {

/// Uniform on the box with corners `low` and `high`.
class BoxMeasure final : public Measure {
 public:
  /// `low` and `high` are [d], finite, low <= high. Throws Error otherwise.
  BoxMeasure(const Tensor& low, const Tensor& high);

  std::int64_t dimension() const override { return low_.size(0); }
  void sample_into(std::span<float> points, Random& random) const override;
  std::optional<Moments> moments() const override;
  /// nullopt where a side has no length.
  std::optional<Tensor> log_density(const Tensor& x) const override;

 private:
  Tensor low_, high_;  // [d] float64
};

/// Uniform on the straight segment between two points.
class SegmentMeasure final : public Measure {
 public:
  /// `from` and `to` are [d] and finite. Throws Error otherwise.
  SegmentMeasure(const Tensor& from, const Tensor& to);

  std::int64_t dimension() const override { return from_.size(0); }
  void sample_into(std::span<float> points, Random& random) const override;
  std::optional<Moments> moments() const override;

 private:
  Tensor from_, to_;  // [d] float64
};

struct BoxOptions {
  std::int64_t dimension = 0;
  std::vector<double> low = {0};
  std::vector<double> high = {1};
};
const Declaration<BoxOptions>& box_declaration();
std::shared_ptr<const Measure> make_box(const BoxOptions& options, std::string_view where = "box");

struct SegmentOptions {
  std::vector<double> from = {-1, 0};
  std::vector<double> to = {1, 0};
};
const Declaration<SegmentOptions>& segment_declaration();
std::shared_ptr<const Measure> make_segment(const SegmentOptions& options,
                                            std::string_view where = "segment");

}  // namespace monge
