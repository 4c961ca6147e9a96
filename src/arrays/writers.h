#pragma once

#include "monge/arrays.h"

#include <memory>

namespace monge {

std::unique_ptr<ArrayWriter> write_npy(const std::filesystem::path& path, const RowFormat& rows,
                                       Existing existing);
std::unique_ptr<ArrayWriter> write_npz(const std::filesystem::path& path, const RowFormat& rows,
                                       Existing existing);
std::unique_ptr<ArrayWriter> write_safetensors_array(const std::filesystem::path& path,
                                                     const RowFormat& rows, Existing existing);
std::unique_ptr<ArrayWriter> write_csv(const std::filesystem::path& path, const RowFormat& rows,
                                       Existing existing);

}  // namespace monge
