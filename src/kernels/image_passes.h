#pragma once

#include "monge/tensor.h"

#include <utility>

// The passes of image_loops.h on whole tensors and all threads. Activations are [n, c, h, w] and
// lie channels last; nothing here is recorded for differentiation. The agreement is theirs.

namespace monge::kernels {

/// The tensor itself, or a copy of it that lies channels last.
Tensor channels_last(const Tensor& images);
/// An activation as the matrix it is in memory, [n h w, c].
Tensor rows_of(const Tensor& images);

/// d = leaky(x + ratio d).
void residual_leaky_(Tensor& d, const Tensor& x, double ratio, double slope);
void leaky_(Tensor& a, double slope);

/// What the derivative of a leaky ReLU needs: its result or, an eighth of a byte for each number,
/// the result's signs.
class Signs {
 public:
  static Signs whole(const Tensor& activation) { return Signs(activation); }
  static Signs packed(const Tensor& activation);
  /// From the tensor of either kind, as it was saved.
  explicit Signs(Tensor stored) : stored_(std::move(stored)) {}

  const Tensor& stored() const { return stored_; }
  /// scale leaky'(a) g.
  Tensor back(const Tensor& g, double scale, double slope) const;
  void back_(Tensor& g, double scale, double slope) const;
  /// leaky'(a) as numbers, shaped like the activation.
  Tensor factors(const Tensor& like, double slope) const;

 private:
  void back(const Tensor& g, double scale, double slope, Tensor& out) const;
  Tensor stored_;
};

/// A channel's mean and variance (over N, not N - 1) of an activation; both [c].
struct Moments {
  Tensor mean, variance;
};
Moments moments_of(const Tensor& y);

/// Batch normalisation and ReLU with the numbers of each channel: relu(a y + c).
struct Normalisation {
  Tensor mean, inverse_deviation;  // [c]
  Tensor a, c;                     // scale / deviation and shift - a mean, [c]
};
Normalisation normalisation(const Tensor& mean, const Tensor& variance, const Tensor& scale,
                            const Tensor& shift, double epsilon);
Tensor normalised_relu(const Tensor& y, const Normalisation& norm);
void normalised_relu_(Tensor& y, const Normalisation& norm);

enum class Reuse { none, in_place };

/// The derivatives of relu(a y + c) where mean and deviation are those of y itself, from g in its
/// result; `in_place` overwrites g by that in y.
struct NormalisedBack {
  Tensor y, scale, shift;
};
NormalisedBack normalised_relu_back(const Tensor& g, const Tensor& y, const Normalisation& norm,
                                    Reuse reuse);

/// 2 x 2 maxima, and which of the four each one is (uint8).
std::pair<Tensor, Tensor> max_pool(const Tensor& x);
Tensor max_pool_back(const Tensor& g, const Tensor& which);

}  // namespace monge::kernels
