#pragma once

#include "monge/features.h"

#include "features/weights.h"

namespace monge::features {

/// The mean over places of Σ_c w_c (a_c / |a| - b_c / |b|)², lengths over the channels at each
/// place, of activations a and b [n, c, h, w] and weights w [c]; [n].
Tensor layer_distance(const Tensor& a, const Tensor& b, const Tensor& weights);

/// A trunk of LPIPS.
struct Trunk;
/// The one of that name in the metadata of a file; null where there is none.
const Trunk* find_trunk(std::string_view network);

/// LPIPS (Zhang et al. 2018) of a trunk with its linear heads.
std::shared_ptr<const PerceptualDistance> lpips(const Trunk& trunk, const Weights& weights);

}  // namespace monge::features
