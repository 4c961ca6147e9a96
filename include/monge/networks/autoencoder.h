#pragma once

#include "monge/options.h"
#include "monge/potential.h"
#include "monge/random.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace monge {

/// Options of a latent space and of the autoencoder that makes it, the section [latent].
struct LatentOptions {
  std::string kind = "none";
  std::string file = {};
  std::string architecture = "auto";
  std::int64_t dimension = 16;
  std::vector<std::int64_t> hidden = {256, 256, 256};
  std::int64_t width = 32;
  std::string reconstruction = "l2";
  double perceptual_weight = 0.1;
  double kl_weight = 1;
  std::int64_t batch = 128;
  double learning_rate = 1e-3;
  std::int64_t steps = 3000;
};

const Declaration<LatentOptions>& latent_declaration();

namespace networks {
class Coder;
}

/// A pair of networks, an encoder E from points to codes of fewer numbers and a decoder D back
/// (Hinton & Salakhutdinov 2006); a variational one encodes a point as the normal law N(m(x), diag
/// s²(x)), of which E(x) is the mean (Kingma & Welling 2014).
///
/// Points are rows [n, d] float32, which are centred and scaled by one number first; of images
/// [channels, height, width] they are in [-1, 1], to which what is decoded is clipped. Images have
/// convolutional networks unless their sides are below 8 pixels; other points have perceptrons.
/// Codes are centred and scaled as well, see standardise().
class Autoencoder {
 public:
  /// For points of that shape. Throws Error on options that do not fit it: a latent dimension that
  /// is not less than the points' own, convolutions or a perceptual loss without images.
  Autoencoder(LatentOptions options, std::vector<std::int64_t> shape, Random& random);
  ~Autoencoder();
  Autoencoder(const Autoencoder&) = delete;
  Autoencoder& operator=(const Autoencoder&) = delete;

  /// The law of a code: its mean and log s², [n, k] each.
  struct Code {
    Tensor mean;
    Tensor log_variance;  ///< undefined where the autoencoder is not variational
  };
  Code code(const Tensor& x, Graph graph) const;
  /// E(x) of x [n, d], [n, k]. Without a graph points pass in blocks. Throws Error on another
  /// shape.
  Tensor encode(const Tensor& x, Graph graph = Graph::none) const;
  /// D(z) of z [n, k], [n, d].
  Tensor decode(const Tensor& z, Graph graph = Graph::none) const;
  /// The same before it is clipped, with a graph: what training sees.
  Tensor decode_unclipped(const Tensor& z) const;

  /// Sets centre and scale of the points from some of them, x [n, d].
  void set_frame(const Tensor& x);
  /// Sets centre and scale of the codes so that those of x [n, d] have mean 0 and coordinates whose
  /// variance is 1 on average, as N(0, I). Codes of a variational one have their scale from the
  /// prior and stay. Codes of an earlier call are not those of a later one.
  void standardise(const Tensor& x);

  bool of_images() const { return shape_.size() == 3; }
  bool variational() const { return options_.kind == "vae"; }
  std::int64_t dimension() const { return dimension_; }                 ///< d
  std::int64_t latent_dimension() const { return options_.dimension; }  ///< k
  const std::vector<std::int64_t>& shape() const { return shape_; }     ///< of a point

  /// The trainable tensors by name; they share storage with the networks.
  State parameters() const;
  /// Centres and scales, shared as well.
  State statistics() const;
  /// Both.
  State state() const;
  /// A few numbers that tell it from others, float64.
  Tensor fingerprint() const;

  const LatentOptions& options() const { return options_; }  ///< with "auto" resolved

 private:
  Tensor unclipped(const Tensor& z, Graph graph) const;
  void require_rows(const Tensor& rows, std::int64_t columns, const char* what) const;

  LatentOptions options_;
  std::vector<std::int64_t> shape_;
  std::int64_t dimension_;
  std::unique_ptr<networks::Coder> encoder_, decoder_;
  Tensor centre_, scale_, code_centre_, code_scale_;  // [d], [1], [k], [1]
};

}  // namespace monge
