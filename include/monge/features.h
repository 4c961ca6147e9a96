#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace monge {

/// A fixed network whose activations tell how alike two sets of images are.
///
/// Images are [n, c, h, w] in [-1, 1], c = 1 or 3; they are seen as a file of 8 bits would hold
/// them, clipped and rounded. Nothing is recorded for differentiation.
class FeatureNetwork {
 public:
  virtual ~FeatureNetwork() = default;
  /// As reports name it: "InceptionV3", "offline features (Fashion-MNIST classifier)".
  virtual std::string name() const = 0;
  /// Whether the distances in these features are the FID and KID of publications.
  virtual bool published() const = 0;
  virtual std::int64_t dimension() const = 0;
  /// [n, dimension()] float32. Throws Error on another shape.
  virtual Tensor features(const Tensor& images) const = 0;
};

/// A fixed network that tells how alike two images look: with f_l(x) the activations of layer l at
/// each place, of unit length over the channels, and weights w_l,
///
///   d(x, y) = Σ_l mean over places of Σ_c w_lc (f_lc(x) - f_lc(y))²   (Zhang et al. 2018, eq. 1).
class PerceptualDistance {
 public:
  virtual ~PerceptualDistance() = default;
  virtual std::string name() const = 0;  ///< "LPIPS (AlexNet)"
  virtual std::string key() const = 0;   ///< a JSON key: "lpips" only of the published networks
  /// d(x_i, y_i) for images of one shape, as FeatureNetwork sees them, [n] float32.
  virtual Tensor between(const Tensor& x, const Tensor& y) const = 0;
};

/// The features that come with Monge, of dimension 128: the mean over the last layer's places of a
/// classifier of Fashion-MNIST, four convolutions on grey images of 32 pixels
/// (tools/train_offline_features.py). Colours are averaged, other sizes resized with antialiasing.
std::shared_ptr<const FeatureNetwork> offline_features();
/// The perceptual distance on its layers, each weighing the same.
std::shared_ptr<const PerceptualDistance> offline_perceptual();
/// That distance as a loss: of images as they are, not clipped and rounded, with a graph to both;
/// [n] float32. Throws Error where the shapes differ or are not of images.
Tensor offline_perceptual_loss(const Tensor& x, const Tensor& y);

/// The 2048 features of InceptionV3 that FID is defined by (pool3), of weights that
/// `python -m monge.convert_features inception` has written; images are resized to 299 pixels
/// bilinearly as pytorch-fid does. Throws Error where the file holds another network, lacks a
/// tensor or has one of another shape.
std::shared_ptr<const FeatureNetwork> load_features(const std::filesystem::path& path);
/// LPIPS of AlexNet or VGG-16, of weights that `python -m monge.convert_features lpips` has
/// written. Images of less than 64 pixels, the size it was made for, are enlarged. Throws Error as
/// load_features.
std::shared_ptr<const PerceptualDistance> load_perceptual(const std::filesystem::path& path);

}  // namespace monge
