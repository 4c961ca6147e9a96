#pragma once

#include "monge/potential.h"
#include "monge/transport_map.h"

#include <cstdint>
#include <memory>

namespace monge {

struct ConjugateOptions {
  /// Of the residual y - ∇psi(x): its root mean square over the coordinates.
  double tolerance = 1e-4;
  std::int64_t evaluations = 100;  ///< gradients of one point at most
  /// The box that x stays in, [d] each; undefined: everywhere.
  Tensor low, high;
};

struct Conjugate {
  Tensor value;     ///< psi*(y), [n]; a lower bound of it where the residual is not 0
  Tensor argmax;    ///< x = ∇psi*(y), [n, d]
  Tensor residual;  ///< root mean square of y - ∇psi(x) over the coordinates, [n]
  /// Why a residual is above the tolerance, [n] bool each; neither: the evaluations ran out.
  Tensor not_convex;       ///< ∇psi fell along a step of the search, so psi is not convex there
  Tensor unbounded;        ///< <x, y> - psi(x) rises far along a ray: psi*(y) is infinite
  double evaluations = 0;  ///< gradients of a point in the mean
};

/// psi*(y) = max_x <x, y> - psi(x) of a convex potential at `y` [n, d], by a quasi-Newton search
/// for each point that begins at `start` [n, d] (undefined: at y), or in the box as near to it as
/// that goes. On the processor and in the potential's dtype: float64 parameters give any precision.
/// Throws Error on other shapes, dtypes or an option out of range.
///
/// Where psi is not convex or y is not a gradient of psi, the search ends with a residual above the
/// tolerance and says which it was; nothing is thrown. In a box the maximum is over the box, and a
/// coordinate at a side that y - ∇psi(x) points out through adds nothing to the residual.
Conjugate conjugate(const Potential& psi, const Tensor& y, const ConjugateOptions& options = {},
                    const Tensor& start = {});

/// The inverse of a Brenier map: ∇psi* by a search for every point, in the frame of the inverse. In
/// frame coordinates psi is the map's own potential, and the box holds the source.
class ConjugateMap final : public TransportMap {
 public:
  /// `frame`: that of the inverse map.
  ConjugateMap(std::shared_ptr<const Potential> psi, AffineFrame frame, ConjugateOptions options);

  std::int64_t dimension() const override { return psi_->dimension(); }
  Tensor transport(const Tensor& y) const override;
  /// Shares of points whose search ends above the tolerance.
  struct Unfinished {
    double share = 0;       ///< of all
    double not_convex = 0;  ///< of all: where psi is not convex
    double unbounded = 0;   ///< of all: where no gradient of psi comes near the point
  };
  Unfinished unfinished(const Tensor& y) const;

  const Potential& potential() const { return *psi_; }
  const AffineFrame& frame() const { return frame_; }
  const ConjugateOptions& options() const { return options_; }

 private:
  std::shared_ptr<const Potential> psi_;
  AffineFrame frame_;
  ConjugateOptions options_;
};

}  // namespace monge
