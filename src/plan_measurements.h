#pragma once

#include "monge/plan_check.h"

#include <vector>

namespace monge {

/// A figure of every repetition.
struct Repeated {
  std::vector<double> values;

  double mean() const;
  /// The absolute value that is largest.
  double largest() const;
  double deviation() const;
  /// Standard error of the mean.
  double error() const;
};

Repeated operator-(const Repeated& a, const Repeated& b);

/// Points of all repetitions in float64 and what the map makes of them.
struct PlanSamples {
  std::vector<Tensor> x, x_other, seen, mapped, mapped_other, y, y_other;  // each [n, d]
};

/// W2² between samples of T#P and of Q, the mean over the four pairs of two of each; and what
/// sampling alone makes of it, half of that within T#P and half of that within Q. Each sample
/// counts as often in one as in the other, so that a chance in it, such as how many of its points
/// lie on one of two sheets, goes out of the difference.
struct Reached {
  Repeated distance, floor;
};

/// E|x - T(x)|², W2² between samples of P and Q, and the standard error of their difference.
struct CostBesideW2 {
  double cost, w2, noise;
};

/// Logarithms of the ratios of standard deviations to those of y: of all, and of the principal
/// directions of y that are not thin.
struct Spreads {
  double all;
  Tensor directions;

  double least() const { return directions.min().item<double>(); }
  double most() const { return directions.max().item<double>(); }
  double widest() const { return directions.abs().max().item<double>(); }
};

/// What the source's points lie on: the dimension of their span, and the share of it that the
/// distances of the nearest of so many points speak for.
struct Support {
  double rank, share;
  std::int64_t points;

  double dimension() const { return rank * share; }
  /// What the share can be short of 1 by chance.
  double noise() const { return 3.5 / std::sqrt(static_cast<double>(points)); }
};

/// All that the verdict on a plan stands on.
struct PlanMeasurements {
  /// Throws Error where the map gives values that are not finite.
  static PlanMeasurements of(const TransportMap& map, const Measure& source, const Measure& target,
                             Random& random, const PlanCheckOptions& options);

  PlanSamples samples;
  double source_variance, target_variance, scale;  // scale: 2 √(Var P Var Q)
  CostBesideW2 costs;
  Repeated source_floor, target_floor, energy, energy_floor, excess;
  Reached reached;
  Spreads spread;
  double spread_floor, direction_floor;  // the largest between two samples of Q
  Support support;                       // of the source
  bool smoothed;
  double share;  // of a finite measure's points in a sample; at most a half

  std::int64_t dimension() const { return samples.x[0].size(1); }
  double bias() const { return 0.5 * (source_floor.mean() + target_floor.mean()); }
  Repeated d_target() const { return reached.distance - reached.floor; }
  /// Standard error of the mean, beside the measures that finite ones are samples of: k parts of a
  /// set that each take a share s of it differ by 1 - s of their variance, and the set itself has
  /// s of it.
  double noise(const Repeated& figure) const {
    return figure.deviation() *
           std::sqrt(1 / static_cast<double>(figure.values.size()) + share / (1 - share));
  }
  double monotonicity() const { return scale > 0 ? excess.mean() / scale : 0; }
};

/// E|T(x + h) - T(x)|² over its value for a map that scales P to the spread of Q, for noise h of a
/// hundredth of P's spread.
double plan_sensitivity(const TransportMap& map, const Tensor& x, double source_variance,
                        double target_variance, Random& random);

}  // namespace monge
