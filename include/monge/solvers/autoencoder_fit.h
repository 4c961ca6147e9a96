#pragma once

#include "monge/adam.h"
#include "monge/networks/autoencoder.h"
#include "monge/solver.h"

#include <memory>

namespace monge {

/// What D(E(x)) is held to x by, of points x and what was decoded, [n, d] each: half the squared
/// distance, the sum of absolute differences, or the former and `perceptual_weight` · d times the
/// perceptual distance of the offline features; [n], recorded for differentiation. Points that are
/// no images count in units of the autoencoder's scale.
Tensor reconstruction_loss(const Autoencoder& autoencoder, const Tensor& x, const Tensor& decoded);

/// KL(N(m, diag s²) | N(0, I)) = ½ Σ (m² + s² - log s² - 1) of each row of the codes, [n] (Kingma &
/// Welling 2014, appendix B).
Tensor code_divergence(const Autoencoder::Code& code);

/// 100 · E|x - y|² / E|x - E x|², %, of points x and what was decoded of them, [n, d] each: 0 is
/// perfect, 100 what the mean point gives.
double reconstruction_error(const Tensor& x, const Tensor& decoded);

/// Trains an autoencoder as a stage before a transport, on points of both streams alike:
///
///   min  E l(x, D(E(x)))   or, of a variational one, the negative evidence lower bound
///   min  E l(x, D(m(x) + s(x) e)) + kl_weight · KL(N(m(x), diag s²(x)) | N(0, I)),  e ~ N(0, I)
///
/// (Kingma & Welling 2014, eq. 10, one draw of e a point). A batch has half of its points from
/// each stream. As a Solver it has the trainer's schedule, checkpoints and guards; its "map" is the
/// reconstruction D(E(x)).
class AutoencoderFit final : public Solver {
 public:
  explicit AutoencoderFit(std::shared_ptr<Autoencoder> autoencoder);

  std::string name() const override { return autoencoder_->variational() ? "vae" : "autoencoder"; }
  Table options() const override;
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

 private:
  std::shared_ptr<Autoencoder> autoencoder_;
  Adam adam_;
  Random noise_;
};

}  // namespace monge
