#pragma once

#include "monge/arrays.h"

#include "arrays/location.h"

#include <memory>

namespace monge {

std::unique_ptr<ArrayReader> open_npy(const ArrayLocation& location);
std::unique_ptr<ArrayReader> open_npz(const ArrayLocation& location);
std::unique_ptr<ArrayReader> open_safetensors(const ArrayLocation& location);
std::unique_ptr<ArrayReader> open_csv(const ArrayLocation& location);
std::unique_ptr<ArrayReader> open_h5ad(const ArrayLocation& location);

/// An array of an npz archive in its own shape and at full precision, float64. Throws Error where
/// it is not there, damaged or of numbers in the other byte order.
Tensor read_npz_double(const ArrayLocation& location);

}  // namespace monge
