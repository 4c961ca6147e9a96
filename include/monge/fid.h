#pragma once

#include "monge/files.h"
#include "monge/measure.h"
#include "monge/tensor.h"

#include <filesystem>

namespace monge {

/// Fréchet distance between the normal measures with these moments (Heusel et al. 2017, eq. 6),
///
///   |m_1 - m_2|² + tr(S_1 + S_2 - 2 (S_1^½ S_2 S_1^½)^½),
///
/// their squared W2; the FID where they are moments of InceptionV3 features. Exact for singular
/// covariances too. On samples it is biased upwards, the more the fewer there are, so that figures
/// compare at one number of images only; MomentSums gathers the moments. Throws Error where the
/// dimensions differ.
double frechet_distance(const Moments& a, const Moments& b);

/// Kernel distance between features x [n, d] and y [m, d], n, m >= 2 (Bińkowski et al. 2018): the
/// unbiased estimate of the squared maximum mean discrepancy in the kernel (<x, y> / d + 1)³. The
/// KID where they are InceptionV3 features. It can be slightly negative. Throws Error on other
/// shapes.
double kernel_distance(const Tensor& x, const Tensor& y);

/// Moments of features as pytorch-fid keeps them: an npz archive with mu [d] and sigma [d, d].
/// Throws Error where an array is missing, of another shape, not finite or sigma not symmetric.
Moments read_feature_statistics(const std::filesystem::path& path);

/// Writes such a file, in float64, atomically.
void write_feature_statistics(const std::filesystem::path& path, const Moments& moments,
                              Existing existing = Existing::replace);

}  // namespace monge
