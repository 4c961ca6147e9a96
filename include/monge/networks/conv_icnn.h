#pragma once

#include "monge/options.h"
#include "monge/potential.h"
#include "monge/random.h"

#include <cstdint>
#include <vector>

namespace monge {

/// Options of ConvICNN; the defaults are the network of W2GN's style transfer. A solver takes
/// channels and size from the measures.
struct ConvIcnnOptions {
  std::int64_t channels = 3;
  std::int64_t size = 128;
  std::int64_t width = 128;
  std::int64_t linear_layers = 4;
  std::int64_t convex_layers = 5;
  std::vector<std::int64_t> hidden = {128, 64, 32};
  double celu_alpha = 1.0;
  double strong_convexity = 1e-6;
  bool skip = true;
};

/// The declaration of the options: name, default, bounds, sentence.
const Declaration<ConvIcnnOptions>& conv_icnn_declaration();

/// Convolutional input-convex network (W2GN appendix B.3, figure 7) of square images x [c, s, s],
/// with 3 x 3 convolutions of `width` channels and zero padding of 1:
///
///   a_0 = L x + (Q x)², z_0 = CELU(a_0)        L, Q: `linear_layers` convolutions without
///                                              activation between them
///   a_k = C_k * z_{k-1} + b_k, stride 2        `convex_layers` of them, C_k >= 0
///   a_k = D_k z_{k-1} + b_k                    a dense layer for each of `hidden`, D_k >= 0
///   psi(x) = <w, z_K> + ½ beta |x|²  [+ Σ_c ½ s_c |x_c|² + l_c <1, x_c>],   w >= 0, s >= 0
///
/// convex in x by construction and beta-strongly convex. The last bracket is the optional skip of
/// each channel, which the paper does not have. The dense layers see every place of the image: the
/// network is one of images of its size alone.
///
/// Points are rows [n, c s s] or images [n, c, s, s], float32 or float64 on the processor; a
/// gradient has the shape of its points. All of it can be differentiated any number of times.
///
/// Parameters: linear.k.weight [out, 3, 3, in] and linear.bias [width], squared.k.weight,
/// convex.k.weight and convex.k.bias, dense.k.weight [h_k, h_{k-1}] (of the first layer's inputs
/// the channels run fastest) and dense.k.bias, final [h_K]; skip.quadratic [c], skip.linear [c].
class ConvIcnn final : public Potential {
 public:
  ConvIcnn(ConvIcnnOptions options, Random& random, at::ScalarType dtype = at::kFloat);

  std::int64_t dimension() const override {
    return options_.channels * options_.size * options_.size;
  }
  Tensor value(const Tensor& x, Graph graph) const override;
  Tensor gradient(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  State parameters() const override;
  std::map<std::string, double> lower_bounds() const override;

  /// Scales and shifts every layer so that its preactivations have mean 0 in each channel and
  /// variance 1 over the images `x`, about which CELU bends, and fits the gradient to the identity
  /// by least squares: with a skip, the network gets `network_share` of what it can give alone.
  void become_identity(const Tensor& x, double network_share);

  std::string name() const override { return "conv_icnn"; }
  Table options() const override { return conv_icnn_declaration().write(options_); }
  const ConvIcnnOptions& settings() const { return options_; }

 private:
  struct Forward;
  Tensor as_images(const Tensor& x) const;
  std::int64_t last_side() const;
  Tensor linear(const Tensor& images, const std::vector<Tensor>& weights, const Tensor& bias) const;
  Forward forward(const Tensor& images) const;
  Tensor value_of(const Forward& pass, const Tensor& images) const;
  Tensor gradient_of(const Forward& pass, const Tensor& images) const;
  void calibrate(const Tensor& images);

  ConvIcnnOptions options_;
  std::vector<Tensor> linear_, squared_, convex_, convex_bias_, dense_, dense_bias_;
  Tensor linear_bias_, final_, skip_quadratic_, skip_linear_;
};

}  // namespace monge
