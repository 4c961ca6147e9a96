#pragma once

#include "monge/random.h"
#include "monge/tensor.h"

namespace monge {

/// The directions in which points [n, d] are least like a Gaussian: the independent components of
/// the whitened points by the symmetric fixed point of FastICA with the contrast log cosh
/// (Hyvärinen 1999, section III). Unit rows [k, d] float64, k the rank of the points. Of a
/// Gaussian, or of too few points to tell it from one, they are random; cold, it takes some 8 d²
/// points.
Tensor independent_components(const Tensor& points, Random& random);

}  // namespace monge
