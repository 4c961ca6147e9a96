#pragma once

#include "monge/arrays.h"

#include "arrays/location.h"

#include <memory>

namespace monge {

std::unique_ptr<ArrayReader> open_npy(const ArrayLocation& location);
std::unique_ptr<ArrayReader> open_npz(const ArrayLocation& location);
std::unique_ptr<ArrayReader> open_safetensors(const ArrayLocation& location);
std::unique_ptr<ArrayReader> open_csv(const ArrayLocation& location);

}  // namespace monge
