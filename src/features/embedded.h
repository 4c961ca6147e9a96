#pragma once

#include <string_view>

/// The weights that come with Monge, put into the library by CMakeLists.txt.
namespace monge::features::embedded {

/// A safetensors file, of tools/train_offline_features.py.
std::string_view fashion_mnist();

}  // namespace monge::features::embedded
