#pragma once

#include "monge/tensor.h"
#include "monge/transport_map.h"

namespace monge {

/// T(x) for x [n, d] on the processor, [n, d] in x's dtype, with a graph to x and none to the map's
/// parameters: what a loss of T(x) is differentiated through. By plain operations, so that it may
/// differ from transport() by rounding.
///
/// Of a ConjugateMap the graph is that of the implicit function, ∇T(y) = (∇²psi(T(y)))⁻¹, and can
/// be differentiated once; a second derivative throws Error. A stochastic map has the noise of its
/// transport(x). Throws Error on another shape and on a map whose points jump with x (the plan of
/// light_sb), that smooths the source of a map with noise, or that is not known here.
Tensor differentiable_transport(const TransportMap& map, const Tensor& x);

}  // namespace monge
