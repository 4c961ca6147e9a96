#pragma once

#include "monge/safetensors.h"

#include <string>
#include <string_view>

namespace monge::features {

/// A convolution with a bias, of zero padding.
struct Convolution {
  Tensor weight, bias;  // [out, in, kh, kw], [out]
  std::int64_t stride = 1;
  std::vector<std::int64_t> padding = {0, 0};

  Tensor operator()(const Tensor& x) const {
    return at::conv2d(x, weight, bias, {stride, stride}, padding);
  }
};

/// The tensors of a fixed network by name, as float32.
class Weights {
 public:
  /// `where` names the file in messages. Throws Error unless its metadata say that it is `network`.
  Weights(TensorFile file, std::string where, std::string_view network);

  /// Throws Error where it is missing or of another shape.
  Tensor take(const std::string& name, at::IntArrayRef shape) const;

 private:
  State tensors_;
  std::string where_;
};

/// The network that a file's metadata name, "" where they name none.
std::string network_of(const TensorFile& file);

}  // namespace monge::features
