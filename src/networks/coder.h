#pragma once

#include "monge/potential.h"
#include "monge/random.h"
#include "monge/tensor.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace monge::networks {

/// Half of an autoencoder: a network from rows [n, inputs] to rows [n, outputs], float32.
class Coder {
 public:
  virtual ~Coder() = default;
  virtual Tensor forward(const Tensor& rows, Graph graph) const = 0;
  /// The trainable tensors by name; they share storage with the network.
  virtual State parameters() const = 0;
};

/// A perceptron with ReLU.
std::unique_ptr<Coder> dense_coder(std::int64_t inputs, std::int64_t outputs,
                                   std::vector<std::int64_t> hidden, Random& random);

/// Sides below which an image is not halved any more.
constexpr std::int64_t least_coded_side = 8;

/// Of images `shape` = [channels, height, width] as rows: 4 x 4 convolutions of stride 2 with leaky
/// ReLU, of `width`, 2 `width`, ... up to 8 `width` channels, until a side is below
/// `least_coded_side`, and affine weights of what is left.
///
/// Parameters: layer.k.weight [out, 4, 4, in], layer.k.bias; code.weight [outputs, left],
/// code.bias.
std::unique_ptr<Coder> convolutional_encoder(const std::vector<std::int64_t>& shape,
                                             std::int64_t outputs, std::int64_t width,
                                             Random& random);

/// The way back: affine weights, then transposed convolutions from the coarsest image,
/// layer.k.weight [in, 4, 4, out].
std::unique_ptr<Coder> convolutional_decoder(std::int64_t inputs,
                                             const std::vector<std::int64_t>& shape,
                                             std::int64_t width, Random& random);

}  // namespace monge::networks
