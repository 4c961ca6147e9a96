#pragma once

#include "monge/options.h"
#include "monge/potential.h"
#include "monge/random.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace monge {

/// Options of DenseICNN [rank; hidden_0, ..., hidden_K], W2GN appendix B.2.
struct DenseIcnnOptions {
  std::int64_t rank = 1;
  std::vector<std::int64_t> hidden = {};
  double celu_alpha = 1.0;
  double strong_convexity = 1e-6;
  double input_scale = 0;
  bool skip = true;
};

/// The declaration of the options: name, default, bounds, sentence.
const Declaration<DenseIcnnOptions>& dense_icnn_declaration();

/// The options with `hidden` chosen from the dimension where it is empty.
DenseIcnnOptions sized_for(DenseIcnnOptions options, std::int64_t dimension);

/// True for a wide network in few dimensions, whose units can be spread over the points with sharp
/// bends and still add up to the identity; a narrow one or a high dimension wants gentle ones.
bool bends_freely(const DenseIcnnOptions& options, std::int64_t dimension);

/// Dense input-convex network (W2GN appendix B.2):
///
///   q_k(x) = |F_k x|² (per unit, rank r) + B_k x + b_k          convex quadratic layer
///   z_0 = q_0(x),   z_k = CELU(C_k z_{k-1} + q_k(x)),  C_k >= 0
///   psi(x) = <w, z_K> + ½ beta |x|²  [+ ½ <s, x²> + <l, x>],    w >= 0, s >= 0
///
/// convex in x by construction and beta-strongly convex. The last bracket is the optional skip: a
/// diagonal quadratic and a linear term, by which the network can start as the identity map.
///
/// Parameters: input.weight [(r + 1) H, d] with H the sum of the widths, the r·H rows of all F_k
/// first (unit by unit), then the H rows of all B_k; input.bias [H]; convex.k [h_k, h_{k-1}];
/// final [h_K]; skip.quadratic [d], skip.linear [d].
class DenseIcnn final : public Potential {
 public:
  enum class Initial {
    near_zero,  ///< with the skip: psi is close to ½|x|², so that its gradient starts as the
                ///< identity
    paper       ///< weights of ordinary size, for identity pretraining or become_identity()
  };

  DenseIcnn(std::int64_t dimension, DenseIcnnOptions options, Initial initial, Random& random,
            at::ScalarType dtype = at::kFloat);

  std::int64_t dimension() const override { return dimension_; }
  Tensor value(const Tensor& x, Graph graph) const override;
  Tensor gradient(const Tensor& x, Graph graph) const override;
  ValueAndGradient value_and_gradient(const Tensor& x, Graph graph) const override;
  /// On the processor by the kernels, exact up to rounding; float64 points take float32 parameters
  /// in float64.
  Tensor hessian_product(const Tensor& x, const Tensor& v) const override;
  Tensor hessian(const Tensor& x) const override;
  State parameters() const override;
  std::map<std::string, double> lower_bounds() const override;

  /// Scales the network's share so that the gradient is the identity in the least-squares sense
  /// over the rows of `x` [n, d], with the skip giving `skip_share` of it. The weights stay of
  /// ordinary size, so that a step moves the map's shape and not only its scale. Needs the skip.
  void become_identity(const Tensor& x, double skip_share);

  /// Lets units of the layers above the first, up to four a direction, bend along the unit rows of
  /// `directions` [m, d] alone, at places spread over the points `x` [n, d].
  void bend_along(const Tensor& directions, const Tensor& x);

  /// The means over the rows of `x` [n, d] of the layers that another one sees, z_0 to z_{K-1}.
  std::vector<Tensor> layer_means(const Tensor& x) const;

  std::string name() const override { return "dense_icnn"; }
  Table options() const override;
  const DenseIcnnOptions& settings() const { return options_; }

 private:
  struct Forward;
  void require_points(const Tensor& x) const;
  /// Whether src/kernels has the Hessian at these points.
  bool has_kernels(const Tensor& x) const;
  State in_dtype(at::ScalarType dtype) const;
  /// Whether src/kernels serves the call: values and gradients without a graph, on the processor.
  bool runs_fused(const Tensor& x, Graph graph) const;
  Forward forward(const Tensor& x) const;
  Tensor value_of(const Forward& pass, const Tensor& x) const;
  Tensor gradient_of(const Forward& pass, const Tensor& x) const;

  std::int64_t dimension_;
  DenseIcnnOptions options_;
  std::vector<std::int64_t> offsets_;  // of each layer in the H units, and H
  Tensor input_weight_, input_bias_, final_, skip_quadratic_, skip_linear_;
  std::vector<Tensor> convex_;  // C_1 .. C_K
};

/// The mean of networks as one network of the first one's `celu_alpha`, as many times as wide:
/// between the layers of different ones the weights are 0. Its parameters are its own. The networks
/// may differ in `celu_alpha`, not in other settings; throws Error on other widths or dimensions
/// than the first one's.
std::shared_ptr<DenseIcnn> mean_network(std::span<const DenseIcnn* const> networks);

}  // namespace monge
