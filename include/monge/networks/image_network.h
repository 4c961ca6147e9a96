#pragma once

#include "monge/options.h"
#include "monge/potential.h"

#include <cstdint>
#include <string>

namespace monge {

/// The images of a network from images to images.
struct ImageShape {
  std::int64_t channels = 3;
  std::int64_t noise_channels = 0;  ///< of z, behind those of the image
  std::int64_t size = 64;           ///< side in pixels of the images that come as rows
};

/// A network from images to images of the same size, F(x) or F(x, z): the map T of images.
class ImageNetwork {
 public:
  virtual ~ImageNetwork() = default;
  virtual ImageShape shape() const = 0;

  /// F(x) for images [n, c, h, w], or for rows [n, c size size], of c = channels + noise_channels
  /// with the noise last; [n, channels, h, w], or rows. With Graph::create it is the result of
  /// training, which may depend on the batch and moves statistics(); with Graph::none that of every
  /// image alone. Throws Error on another shape.
  virtual Tensor forward(const Tensor& images, Graph graph) const = 0;
  /// What forward() gives with Graph::none, up to rounding, with a graph to the images and the
  /// parameters; it can be differentiated any number of times.
  virtual Tensor differentiable(const Tensor& images) const = 0;

  /// The trainable tensors by name; they share storage with the network.
  virtual State parameters() const = 0;
  /// What the result depends on besides and training moves, by name, shared as well.
  virtual State statistics() const = 0;

  virtual std::string name() const = 0;
  virtual Table options() const = 0;
};

}  // namespace monge
