#pragma once

#include "monge/measure.h"

#include <memory>

namespace monge {

class Categorical;

/// The empirical measure of the rows of an array.
class ArrayMeasure final : public FiniteMeasure {
 public:
  /// `rows` is [n, d], n >= 1; kept as float32. Throws Error on another rank or a row that is not
  /// finite (named by its index). `shape`: that of one point where a row is an image, [channels,
  /// height, width] with product d.
  explicit ArrayMeasure(const Tensor& rows, std::vector<std::int64_t> shape = {});

  std::int64_t dimension() const override { return rows_.size(1); }
  std::vector<std::int64_t> shape() const override { return shape_; }
  std::int64_t size() const override { return rows_.size(0); }
  void gather(std::span<const std::int64_t> indices, std::span<float> points) const override;
  std::optional<Moments> moments() const override;
  const Tensor& rows() const { return rows_; }  ///< [n, d]

 private:
  Tensor rows_;
  std::vector<std::int64_t> shape_;
};

/// The empirical measure of distinct points with multiplicities, such as the colours of a picture.
class WeightedMeasure final : public Measure {
 public:
  /// `points` is [m, d], `weights` [m] non-negative with a positive sum.
  WeightedMeasure(const Tensor& points, const Tensor& weights);

  std::int64_t dimension() const override { return points_.size(1); }
  void sample_into(std::span<float> points, Random& random) const override;
  std::optional<Moments> moments() const override;

 private:
  Tensor points_;  // [m, d] float32
  std::shared_ptr<const Categorical> shares_;
};

}  // namespace monge
