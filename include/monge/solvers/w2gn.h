#pragma once

#include "monge/adam.h"
#include "monge/networks/conv_icnn.h"
#include "monge/networks/dense_icnn.h"
#include "monge/solver.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace monge {

class W2gnObjective;

/// Options of the W2GN solver.
struct W2gnOptions {
  std::string start = "affine";
  double network_share = -1;
  double cycle_weight = 1;
  double source_cycle_weight = 0;
  bool detach = true;
  std::int64_t batch = 0;
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_l1 = 0;
  double clip = 0;
  std::int64_t pretrain_steps = 2000;
};

const Declaration<W2gnOptions>& w2gn_declaration();

/// The options with every automatic value chosen from the dimension and the network.
W2gnOptions sized_for(W2gnOptions options, std::int64_t dimension, const DenseIcnnOptions& network);
/// The same for images.
W2gnOptions sized_for_images(W2gnOptions options);

/// Takes channels and size from points of `shape`; `given` are the options that the user set.
/// Throws Error where the points are no square images, and where the user set others.
void take_shape(ConvIcnnOptions& network, const Table& given,
                const std::vector<std::int64_t>& shape);

/// Steps that usually suffice in that dimension.
std::int64_t w2gn_usual_steps(std::int64_t dimension);

/// Wasserstein-2 Generative Networks: two input-convex potentials tied by cycle consistency, no
/// inner loop (Korotin et al. 2021, eq. 12, algorithm 1 and eq. 51):
///
///   min  E psi(X) + E[<∇omega(Y), Y> - psi(∇omega(Y))]
///        + cycle · E|∇psi(∇omega(Y)) - Y|² + source_cycle · E|∇omega(∇psi(X)) - X|²
///
/// where the second expectation is not differentiated in omega (`detach`, appendix C.1). Points are
/// mapped in the coordinates of an affine frame by DenseICNN, and images as they are by ConvICNN
/// (appendix C.8).
class W2gn final : public Solver {
 public:
  W2gn(std::int64_t dimension, const W2gnOptions& options, const DenseIcnnOptions& network,
       Random& random);
  /// Of images. Throws Error on a start that needs moments of all pixels.
  W2gn(const W2gnOptions& options, const ConvIcnnOptions& network, Random& random);
  ~W2gn() override;

  std::string name() const override { return "w2gn"; }
  Table options() const override { return w2gn_declaration().write(options_); }
  void start(const Problem& problem, Random& random) override;
  StepReport step(Problem& problem, double rate) override;
  double step_work() const override;
  Solution solution() const override;
  State state() const override;
  void restore(const State& state) override;

 private:
  struct Frames;
  template <class Network>
  void build(const std::shared_ptr<Network>& psi, const std::shared_ptr<Network>& omega,
             std::unique_ptr<W2gnObjective> step);
  void update(StepReport& report, double rate);
  void set_frame(const AffineFrame& frame);
  Tensor points_of_the_start(const Problem& problem, Random& random) const;
  void pretrain(const Problem& problem, Random& random);

  W2gnOptions options_;
  std::shared_ptr<Potential> psi_, omega_;
  std::function<void(const Tensor& x)> become_identity_;  // psi
  std::unique_ptr<Frames> frames_;                        // null: of images
  std::vector<std::int64_t> image_shape_;
  std::optional<Adam> adam_;
  std::unique_ptr<W2gnObjective> step_;
};

}  // namespace monge
