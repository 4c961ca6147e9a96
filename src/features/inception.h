#pragma once

#include "monge/features.h"

#include "features/weights.h"

namespace monge::features {

inline constexpr const char* inception_network = "inception_v3_fid";

/// InceptionV3 (Szegedy et al. 2016) as FID has it: averages do not count their padding, and the
/// last block takes a maximum in place of its average.
std::shared_ptr<const FeatureNetwork> inception_features(const Weights& weights);

}  // namespace monge::features
