#pragma once

#include "monge/config.h"
#include "monge/experiment.h"
#include "monge/latent_map.h"
#include "monge/networks/autoencoder.h"

namespace monge {

/// The section [latent] of a config.
LatentOptions latent_options(const Config& config);

/// Whether they ask for a latent space.
bool uses_latent(const LatentOptions& options);

/// Throws Error unless the measures are of one shape or, where there is a latent space, one of them
/// is of its dimension. A file's autoencoder is looked at when it is read.
void require_sides(const Split& source, const Split& target, const LatentOptions& latent);

/// Which of two measures are of data: both, where they are of one shape, or the one beside a
/// measure of the latent space. Throws Error where that is neither.
std::pair<bool, bool> sides_of_data(const Measure& source, const Measure& target,
                                    std::int64_t latent_dimension);

/// The latent space of latent.file, which the first process of the group reads for all. Throws
/// Error where it does not fit the measures or the config names another autoencoder.
LatentSpace read_latent_space(const Config& config, const Measure& source, const Measure& target,
                              ProcessGroup& group);

}  // namespace monge
